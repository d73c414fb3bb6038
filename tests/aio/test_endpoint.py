"""Endpoints for tasks: direct communication, awaited."""

from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

import liaison
from liaison import Closed, Destroyed, Empty, NotFound, aio
from liaison.aio.end import receivers, senders
from liaison.aio.line import Line
from tests.aio.progress import until
from tests.aio.striking import EVENTS, iterated, leased, struck_at_every_await
from tests.links.actor import Actor

pytestmark = pytest.mark.usefixtures("endpoints")

BOB = "bob = Endpoint('bob')"


def sleepers(endpoint):
    """How many tasks wait to receive at an endpoint, from whomever."""
    end = endpoint._end
    lines = [receivers(end), receivers(end.own), *map(receivers, end.ways)]
    return sum(len(line._queue) + len(line._watching) for line in lines)


class Receiving:
    """Tasks that receive once each, and what each got or raised."""

    def __init__(self, tasks, endpoint, *sources, timeout=None):
        self.got = {}
        for source in sources:
            tasks.start_soon(self.receive, endpoint, source, timeout)

    async def receive(self, endpoint, source, timeout):
        try:
            self.got[source] = await endpoint.receive(source, timeout=timeout)
        except Exception as error:
            self.got[source] = type(error)


def test_a_source_may_come_later(run):
    """A task that receives from a name that nobody has yet gets what that endpoint sends first."""

    async def main():
        async with aio.Endpoint("alice") as alice, anyio.create_task_group() as tasks:
            receiving = Receiving(tasks, alice, "bob", "carol")
            await until(lambda: sleepers(alice) == 2)
            async with aio.Endpoint("dave") as dave, aio.Endpoint("carol") as carol:
                await dave.send("alice", "d")
                await carol.send("alice", "c")
                await until(lambda: receiving.got == {"carol": "c"})
                with Actor(BOB) as other:
                    other.do("bob.send('alice', 'b')")
                    await until(lambda: len(receiving.got) == 2)
                assert receiving.got["bob"] == "b"
                assert await alice.receive() == "d"

    run(main)


def test_tasks_receive_from_different_sources_at_once(run):
    """Each task gets what its source sends, in order; a task without a source gets the rest."""

    async def main():
        names = [f"sender-{n}" for n in range(6)]
        got = {name: [] for name in names}

        async def receive(alice, name):
            for _ in range(50):
                got[name].append(await alice.receive(name))

        async def receive_rest(alice):
            rest = sorted([await alice.receive() for _ in range(100)])
            assert rest == sorted([*range(50)] * 2)

        async def send(name):
            async with aio.Endpoint(name) as sender:
                for n in range(50):
                    await sender.send("alice", n)
                    if n % 7 == 0:
                        await anyio.lowlevel.checkpoint()

        async with aio.Endpoint("alice") as alice, anyio.create_task_group() as senders:
            async with anyio.create_task_group() as receivers:
                for name in names[:4]:
                    receivers.start_soon(receive, alice, name)
                await until(lambda: sleepers(alice) == 4)
                for name in names[:4]:
                    senders.start_soon(send, name)
            async with anyio.create_task_group() as receivers:
                receivers.start_soon(receive_rest, alice)
                for name in names[4:]:
                    senders.start_soon(send, name)
        assert got == {name: [*range(50)] * (name in names[:4]) for name in names}

    run(main)


def test_many_tasks_receive_from_anyone(run):
    """Tasks that all receive from anyone get every message, each once."""

    async def main():
        got = []

        async def receive(alice):
            got.extend([await alice.receive() for _ in range(60)])

        async with aio.Endpoint("alice") as alice:
            with Actor(BOB) as bob, Actor("carol = Endpoint('carol')") as carol:
                async with anyio.create_task_group() as tasks:
                    for _ in range(10):
                        tasks.start_soon(receive, alice)
                    bob.start("[bob.send('alice', n) for n in range(300)] and None")
                    carol.start("[carol.send('alice', -n) for n in range(1, 301)] and None")
                bob.answer()
                carol.answer()
        assert sorted(got) == [*range(-300, 300)]

    run(main)


def test_a_task_wakes_though_another_call_took_the_announcement(run):
    """A task that waits for a source wakes though another call has opened its link first."""

    async def main():
        async with (
            aio.Endpoint("alice") as alice,
            aio.Endpoint("bob") as bob,
            anyio.create_task_group() as tasks,
        ):
            receiving = Receiving(tasks, alice, "bob")
            await until(lambda: sleepers(alice) == 1)
            await anyio.lowlevel.checkpoint()
            assert bob.try_send("alice", "b")
            # This silences the descriptor before the event loop has asked for it.
            assert alice.try_receive("zed") is None
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
            assert receiving.got == {"bob": "b"}

    run(main)


@pytest.mark.parametrize("destroyed", ["close", "destroy", "destroyed elsewhere"])
def test_the_end_wakes_every_task(run, destroyed):
    """Closing or destroying an endpoint wakes all tasks that wait at it, with that error."""

    async def main():
        outcome = []
        alice = aio.Endpoint("alice")
        async with aio.Endpoint("bob") as bob, aio.Endpoint("carol") as carol:
            await bob.send("alice", 1)
            assert await alice.receive("bob") == 1

            async def iterate():
                try:
                    async for _ in alice:
                        pass
                    outcome.append(StopAsyncIteration)
                except Exception as error:
                    outcome.append(type(error))

            async with anyio.create_task_group() as tasks:
                receiving = Receiving(tasks, alice, "bob", "carol", "zed", None)
                tasks.start_soon(iterate)
                await until(lambda: sleepers(alice) == 5)
                if destroyed == "close":
                    alice.close()
                elif destroyed == "destroy":
                    alice.destroy()
                else:
                    with Actor() as other:
                        other.do("Endpoint.observe('alice').destroy(force=True)")
            error = Closed if destroyed != "destroyed elsewhere" else Destroyed
            assert receiving.got == dict.fromkeys(["bob", "carol", "zed", None], error)
            assert outcome == [StopAsyncIteration if error is Destroyed else Closed]
            with pytest.raises(error):
                await alice.receive()
            with pytest.raises(error):
                await alice.receive("bob")
            assert carol.try_receive() is None
        alice.close()

    run(main)


@pytest.mark.parametrize("source", ["zed", "bob", None])
def test_the_error_of_a_closed_endpoint_helps(run, source):
    """A task that waits for any source gets Closed, whose text says how to go on."""

    async def main():
        alice = aio.Endpoint("alice")
        with liaison.Endpoint("bob") as bob:
            bob.send("alice", 1)
            await alice.receive("bob")

            async def close():
                await until(lambda: sleepers(alice) == 1)
                alice.close()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(close)
                with pytest.raises(Closed, match="make the endpoint again"):
                    await alice.receive(source)

    run(main)


@pytest.mark.parametrize("source", ["bob", None])
def test_a_lease_is_settled_by_its_block(run, source):
    """Leaving the block acknowledges the message, leaving it by an exception gives it back."""

    async def main():
        async with aio.Endpoint("alice") as alice, aio.Endpoint("bob") as bob:
            await bob.send("alice", "job")
            with suppress(ZeroDivisionError):
                async with alice.lease(source) as delivery:
                    assert (delivery.message, delivery.attempt) == ("job", 1)
                    raise ZeroDivisionError
            async with alice.lease(source) as delivery:
                assert (delivery.message, delivery.attempt) == ("job", 2)
                await bob.send(delivery.sender, "to myself")
            assert await bob.receive("bob") == "to myself"
            with pytest.raises(Empty):
                async with alice.lease(source, timeout=0.01):
                    pass

    run(main)


def test_what_others_sent_does_not_keep_a_task_busy(run, monkeypatch):
    """A task that waits for bob sleeps while messages of others wait to be received."""
    looks = []
    until_ = Line.until

    def counted(line, attempt, **options):
        def look():
            looks.append(line)
            return attempt()

        return until_(line, look, **options)

    monkeypatch.setattr(Line, "until", counted)

    async def main():
        async with (
            aio.Endpoint("alice") as alice,
            aio.Endpoint("bob") as bob,
            aio.Endpoint("carol") as carol,
        ):
            for known in (False, True):  # before bob ever sent, and afterwards
                async with anyio.create_task_group() as tasks:
                    receiving = Receiving(tasks, alice, "bob")
                    await until(lambda: sleepers(alice) == 1)
                    looks.clear()
                    for n in range(10):
                        await carol.send("alice", n)
                        await anyio.sleep(0.001)
                    for _ in range(100):
                        await anyio.sleep(0.001)
                    # Carol's first message wakes it; and a timer has it look now and then.
                    assert len(looks) <= 15, known
                    await bob.send("alice", "b")
                assert receiving.got == {"bob": "b"}
            assert len(alice) == 20

    run(main)


def test_what_nobody_waits_for_does_not_keep_the_loop_busy(run, monkeypatch):
    """Messages that arrive while no task waits are no work for the event loop."""
    if run.backend != "asyncio":
        pytest.skip("no descriptor is watched there when no task waits")
    from liaison.aio.line import _LoopLine

    rang = []
    original = _LoopLine._rang

    def counted(line):
        rang.append(line)
        original(line)

    monkeypatch.setattr(_LoopLine, "_rang", counted)

    async def main():
        async with aio.Endpoint("alice") as alice, aio.Endpoint("bob") as bob:
            for source in (None, "bob"):
                with pytest.raises(Empty):
                    await alice.receive(source, timeout=0.001)
            await bob.send("alice", 0)
            for source in (None, "bob"):
                with anyio.move_on_after(1):
                    assert await alice.receive(source, timeout=0.001) == 0
                    await bob.send("alice", 0)
            for _ in range(100):
                await anyio.sleep(0)
            rang.clear()
            for _ in range(1000):
                await anyio.sleep(0)
            assert len(rang) < 50

    run(main)


def test_the_textbooks_functions_are_awaited(run, mailbox):
    """aio.send and aio.receive take the names of endpoints and of mailboxes."""

    async def main():
        box = mailbox("letters")
        await aio.send("letters", "dear all")
        assert await aio.receive("letters") == "dear all"
        with pytest.raises(NotFound):
            await aio.send("nobody", 1)
        async with aio.Endpoint("alice") as alice:
            with Actor(BOB) as other:
                await aio.send("bob", "hello")  # as alice
                assert other.do("bob.receive('alice')") == "hello"
                async with anyio.create_task_group() as tasks:
                    got = []

                    async def receive(source):
                        got.append(await aio.receive(source))

                    tasks.start_soon(receive, "bob")
                    await until(lambda: sleepers(alice) == 1)
                    other.do("liaison.send('alice', 1)")
                assert got == [1]
                other.do("liaison.send('alice', 2)")
                assert await aio.receive() == 2
                with pytest.raises(Empty):
                    await aio.receive(timeout=0.01)
        box.close()

    run(main)


# ---- cancelling ---------------------------------------------------------------------------


SOURCES = ["bob", None, "comes later"]
RECEIVING = {
    "receive": lambda alice, source: alice.receive(source),
    "receive, in time": lambda alice, source: alice.receive(source, timeout=30),
    "lease": leased,
    "async for": lambda alice, source: iterated(alice),
}


@pytest.mark.parametrize("how", EVENTS)
@pytest.mark.parametrize(
    ("name", "source"),
    [
        *((name, source) for name in RECEIVING if name != "async for" for source in SOURCES),
        ("async for", None),
    ],
)
def test_a_cancelled_receive_leaves_the_message(loop, name, source, how):
    """At whatever await a receiver is cancelled, it has the message or the next one gets it."""

    async def main(native):
        alice, bob = None, None

        def prepare():
            nonlocal alice, bob
            if alice is not None and source != "comes later":
                alice.try_receive()
                return
            for endpoint in (alice, bob):
                if endpoint is not None:
                    endpoint.destroy()
            alice, bob = aio.Endpoint("alice"), liaison.Endpoint("bob")
            if source != "comes later":
                bob.send("alice", "first")
                assert alice.try_receive() == "first"

        async def check(got, happened):
            assert sleepers(alice) == 0
            statistics = alice.statistics()
            assert (statistics.leased, statistics.loaned) == (0, 0)
            left = alice.try_receive("bob")
            assert got + (left is not None) == happened

        def nudge():
            if source == "comes later":
                with liaison.Endpoint() as stranger:
                    stranger.send("alice", "not for it")
            else:
                bob.send("alice", "taken before")
                assert alice.try_receive("bob") == "taken before"

        struck = await struck_at_every_await(
            lambda: RECEIVING[name](alice, source and "bob"),
            *(how, prepare, lambda: bob.send("alice", b"x"), nudge, check, native),
        )
        assert struck
        alice.destroy()
        bob.destroy()

    loop(main)


@pytest.mark.parametrize("how", EVENTS)
@pytest.mark.parametrize("receipt", [False, True])
def test_a_cancelled_send_has_not_sent(loop, receipt, how):
    """At whatever await a sender is cancelled, its message was not sent, or it has returned."""

    async def main(native):
        with liaison.Endpoint("alice", capacity=1) as alice:
            bob = aio.Endpoint("bob")

            def fill():
                alice.try_receive()
                assert bob.try_send("alice", b"full")

            async def check(sent, happened):
                line = senders(bob._end.way_to("alice"))
                assert not line._queue
                assert not line._watching
                assert alice.statistics().loaned == 0
                waiting = alice.peek()
                assert waiting.count(b"x") == sent
                assert waiting.count(b"full") == (not happened)

            def nudge():
                assert alice.receive() == b"full"
                assert bob.try_send("alice", b"full")

            struck = await struck_at_every_await(
                lambda: bob.send("alice", b"x", receipt=receipt),
                *(how, fill, alice.receive, nudge, check, native),
            )
            assert struck
            bob.close()

    loop(main)
