"""Cancelling a wait loses nothing, at whatever await it strikes.

Every operation is run again and again, and cancelled at its first, second, … await: alone, or
together with the event that it waits for, just before it and just after it.
"""

from contextlib import contextmanager

import pytest

import liaison
from liaison import aio
from liaison.aio.end import receivers, senders
from tests.aio.striking import AWAITS, EVENTS, iterated, leased, struck_at_every_await


async def lent(end):
    async with end.loan(1) as loan:
        loan[:] = b"x"
        await loan.send()


# Operations that take a message.
RECEIVING = {
    "receive": lambda end: end.receive(),
    "receive, in time": lambda end: end.receive(timeout=30),
    "receive_many": lambda end: end.receive_many(3),
    "lease": leased,
    "async for": iterated,
}
# Operations that send b"x".
SENDING = {
    "send": lambda end: end.send(b"x"),
    "send, in time": lambda end: end.send(b"x", timeout=30),
    "send, receipt": lambda end: end.send(b"x", receipt=True),
    "send_many": lambda end: end.send_many([b"x"]),
    "loan": lent,
}


@contextmanager
def ends(kind):
    """A link with one place: its receiver and a sender for tasks, and a sender without tasks."""
    receiver = kind("link", **{"max_messages" if kind is aio.MessageQueue else "capacity": 1})
    sender = kind.open("link")
    with getattr(liaison, kind.__name__).open("link") as plain:
        yield receiver, sender, plain
    receiver.destroy()
    receiver.close()
    sender.close()


def on_links(operations):
    """Run a test with all operations on a mailbox, and with the first on a queue and a port."""
    first, *_ = operations
    return pytest.mark.parametrize(
        ("kind", "name"),
        [
            *((aio.Mailbox, name) for name in operations),
            *((kind, first) for kind in (aio.MessageQueue, aio.Port)),
        ],
        ids=lambda value: getattr(value, "__name__", value),
    )


def nobody_waits(receiver, sender):
    lines = (receivers(receiver._end), senders(sender._end))
    return not any(line._queue or line._watching for line in lines)


@pytest.mark.parametrize("how", EVENTS)
@on_links(RECEIVING)
def test_a_cancelled_receive_leaves_the_message(loop, space, kind, name, how):
    """At whatever await a receiver is cancelled, it has the message or the next one gets it."""

    async def main(native):
        with ends(kind) as (receiver, sender, plain):

            async def check(got, happened):
                assert nobody_waits(receiver, sender)
                statistics = receiver.statistics()
                assert (statistics.leased, statistics.loaned) == (0, 0)
                assert got + len(receiver) == happened
                if happened and not got:
                    with receiver._end.lease(timeout=0) as delivery:
                        assert delivery.message == b"x"
                        # A receiver that was cancelled within a lease gave the message back.
                        assert delivery.attempt == 1 or name == "lease"

            def nudge():
                plain.send(b"not for it")
                assert receiver.try_receive() == b"not for it"

            struck = await struck_at_every_await(
                lambda: RECEIVING[name](receiver),
                *(how, receiver.try_receive, lambda: plain.send(b"x"), nudge, check, native),
            )
            assert struck == AWAITS or how == "event long before"
            assert struck

    loop(main)


@pytest.mark.parametrize("how", EVENTS)
@on_links(SENDING)
def test_a_cancelled_send_has_not_sent(loop, space, kind, name, how):
    """At whatever await a sender is cancelled, its message was not sent, or it has returned."""

    async def main(native):
        with ends(kind) as (receiver, sender, plain):

            def fill():
                receiver.try_receive()
                plain.send(b"full")

            async def check(sent, happened):
                assert nobody_waits(receiver, sender)
                assert receiver.statistics().loaned == 0
                waiting = receiver.peek()
                assert waiting.count(b"x") == sent
                assert waiting.count(b"full") == (not happened)

            struck = await struck_at_every_await(
                lambda: SENDING[name](sender),
                *(how, fill, receiver.try_receive, fill, check, native),
            )
            assert struck == AWAITS or how == "event long before"
            assert struck

    loop(main)
