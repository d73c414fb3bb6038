"""Endpoints: direct communication between processes that name each other."""

import errno
import pickle
import select
import threading
from contextlib import suppress

import pytest

import liaison
from liaison import (
    AccessDenied,
    Closed,
    Empty,
    Endpoint,
    Mailbox,
    NotFound,
)
from liaison._native.link import end_of
from liaison.address import Address
from liaison.links import endpoint as module
from liaison.links.observer import observed
from liaison.testing import until
from tests.links.actor import Actor

BOB = "bob = Endpoint('bob')"


@pytest.fixture(autouse=True)
def tidy(space):
    """Endpoints stay when they are closed; with them goes all that belongs to them."""
    yield
    module._boxes.clear()
    for name in liaison.Space().names():
        with suppress(NotFound), observed(name) as end:
            end.destroy(force=True)
    liaison.Space().clean()


def test_what_was_sent_is_seen_before_anything_is_received(space):
    """len, peek, statistics and links count what new senders have sent."""
    with Endpoint("alice") as alice, Actor(BOB, "carol = Endpoint('carol')") as other:
        other.do("bob.send('alice', 1)")
        assert len(alice) == 1
        other.do("carol.send('alice', 2)")
        assert sorted(alice.peek()) == [1, 2]
        other.do("Endpoint('dave').send('alice', 3)")
        assert alice.statistics().waiting == 3
        names = sorted(link.name for link in alice.links())
        assert names == ["alice~bob", "alice~carol", "alice~dave"]


def test_what_an_endpoint_is(space):
    """`link` tells its kind, its capacity, who has it and who sends to it."""
    with Endpoint("alice", capacity=7) as alice, Actor(BOB) as other:
        other.do("bob.send('alice', 1)")
        alice.receive()
        link = alice.link
        assert (link.name, link.kind, link.capacity) == ("alice", "endpoint", 7)
        assert (link.direction, link.established) == ("two-way", "automatic")
        assert [peer.name for peer in link.receivers] == ["alice"]
        assert [(peer.name, peer.pid) for peer in link.senders] == [("bob", other.pid)]


def test_a_thousand_endpoints_cost_memory_for_the_pairs_that_talk(space):
    """1,000 endpoints of which each talks to two cost a small page each and the pairs' links."""
    endpoints = [Endpoint(f"e{n}", capacity=4) for n in range(1000)]
    silent = sum(endpoint.link.bytes for endpoint in endpoints)
    assert silent <= 1000 * 48 * 1024
    for n, endpoint in enumerate(endpoints):
        endpoint.send(f"e{(n + 1) % 1000}", n)
        endpoint.send(f"e{(n + 7) % 1000}", n)
    got = [sorted((endpoint.receive(), endpoint.receive())) for endpoint in endpoints]
    assert got == [sorted(((n - 1) % 1000, (n - 7) % 1000)) for n in range(1000)]
    pairs = {link.id: link.bytes for endpoint in endpoints for link in endpoint.links()}
    assert sum(pairs.values()) <= 4000 * 128 * 1024
    assert all(len(endpoint.links()) == 4 for endpoint in endpoints)
    for endpoint in endpoints:
        endpoint.destroy()
    assert liaison.Space().names() == []


def test_its_capacity_is_none_or_more(space):
    """A capacity below 0 is a ValueError, and nothing is created."""
    with pytest.raises(ValueError, match="capacity"):
        Endpoint("alice", capacity=-1)
    assert liaison.Space().names() == []


def test_an_empty_endpoint_says_from_whom_nothing_came(space):
    """Empty names the source, where one was given."""
    with Endpoint("alice") as alice, Endpoint("carol") as carol:
        carol.send("alice", "once")
        assert alice.receive("carol") == "once"
        with pytest.raises(Empty, match="from carol"):
            alice.receive("carol", timeout=0)


# ---- names ------------------------------------------------------------------------------------


def test_who_knows_the_old_name_still_reaches_it(space):
    """rename() changes nothing for senders in other processes, also those that come later."""
    with Endpoint("trainee") as endpoint, Actor(BOB) as before:
        before.do("bob.send('trainee', 1)")
        endpoint.rename("clerk")
        before.do("bob.send('trainee', 2)")
        before.do("bob.send('clerk', 3)")
        with Actor("carol = Endpoint('carol')") as after:
            after.do("carol.send('trainee', 4)")
            assert [endpoint.receive("bob") for _ in range(3)] == [1, 2, 3]
            assert endpoint.receive("carol") == 4
            assert (endpoint.name, endpoint.aliases) == ("clerk", ["trainee"])
            assert after.do("carol.receive(timeout=0) if carol.try_receive() else None") is None


# ---- processes that end -----------------------------------------------------------------------


def test_a_dead_ports_name_can_be_had(space):
    """What a dead port has left goes to its dead letters, and its name to the endpoint."""
    with Actor("port = liaison.Port('name', dead_letters='graves')") as receiver:
        with liaison.Port.open("name") as sender:
            sender.send("undelivered")
        receiver.kill()
        receiver.wait()
    with Endpoint("name") as endpoint:
        assert endpoint.link.kind == "endpoint"
        assert Mailbox.open("graves").receive(timeout=60) == "undelivered"


def test_a_forked_child_is_another_process(space):
    """In a forked child the endpoint is its parent's: it is refused there, and parent goes on."""
    with Endpoint("alice") as alice, Actor(fork=True, alice=alice) as child:
        for line in (
            "alice.send('alice', 1)",
            "alice.receive()",
            "alice.rename('b')",
            "len(alice)",
        ):
            with pytest.raises(AccessDenied, match="forked"):
                child.do(line)
        child.do("alice.close()")
        child.do("mine = Endpoint('child')")
        child.do("mine.send('alice', 'from the child')")
        assert alice.receive("child") == "from the child"
        with pytest.raises(TypeError, match="cannot be passed"):
            pickle.dumps(alice)


def test_many_senders_while_nobody_receives(space):
    """More new senders than are announced at once are all found by who receives later."""
    with Actor(BOB) as receiver:
        receiver.do("bob.close()")
        senders = [Endpoint(f"s{n}") for n in range(50)]
        for n, sender in enumerate(senders):
            sender.send("bob", n)
        receiver.do(BOB)
        assert sorted(receiver.do("[bob.receive() for _ in range(50)]")) == list(range(50))
        for n in range(50, 100):
            late = Endpoint(f"s{n}")
            senders.append(late)
            late.send("bob", n)
        assert sorted(receiver.do("[bob.receive() for _ in range(50)]")) == list(range(50, 100))


def test_links_of_killed_passing_senders_are_removed(space):
    """Processes that said no name leave nothing: neither when they end nor when killed."""
    with Endpoint("bob") as bob:
        for n in range(40):
            with Actor(fork=True) as sender:
                sender.do(f"liaison.send('bob', {n})")
                assert bob.receive() == n
                sender.kill()
                sender.wait()
        assert len(bob.links()) < 40
        liaison.Space().clean()
        assert bob.try_receive() is None
        assert bob.links() == []
        assert liaison.Space().names() == ["bob"]


# ---- waiting ----------------------------------------------------------------------------------


def asleep(thread):
    """Whether it sleeps in the kernel, twenty looks long."""
    for _ in range(20):
        with open(f"/proc/self/task/{thread.native_id}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] != "S":
                return False
    return True


def test_closing_gives_the_name_up_though_a_thread_waits(space):
    """After close() the name is free at once, and the wait that it ended keeps nothing open."""
    endpoint = Endpoint("desk")
    outcomes = []

    def wait():
        try:
            endpoint.receive()
        except Exception as error:
            outcomes.append(type(error))

    thread = threading.Thread(target=wait)
    thread.start()
    until(lambda: asleep(thread))
    endpoint.close()
    Endpoint("desk").destroy()
    thread.join(60)
    assert outcomes == [Closed]


def test_closing_ends_every_wait_in_it(space):
    """close() from another thread: waiting threads get Closed, and so does every later call."""
    alice, bob = Endpoint("alice"), Endpoint("bob")
    bob.send("alice", "a link to wait on")
    alice.receive()
    outcomes = []

    def wait(call):
        try:
            call()
        except Exception as error:
            outcomes.append(type(error))

    calls = [alice.receive, lambda: alice.receive("bob"), lambda: alice.receive("nobody")]
    threads = [threading.Thread(target=wait, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    until(lambda: end_of(alice).ways[0].statistics().receivers_waiting >= 1)
    alice.close()
    for thread in threads:
        thread.join(60)
    assert outcomes == [Closed] * 3
    with pytest.raises(Closed):
        alice.send("bob", 1)
    alice.close()
    assert alice.closed
    bob.close()


def test_many_threads_receive(space):
    """Every thread that waits gets messages of senders that came after it began to wait."""
    with Endpoint("alice") as alice:
        got = []
        done = threading.Event()

        def receive():
            while (message := alice.receive()) is not None:
                got.append(message)
                if len(got) == 300:
                    done.set()

        threads = [threading.Thread(target=receive) for _ in range(20)]
        for thread in threads:
            thread.start()
        senders = [Endpoint(f"s{n}") for n in range(30)]
        for n in range(10):
            for m, sender in enumerate(senders):
                sender.send("alice", n * 30 + m)
        assert done.wait(60)
        for _ in threads:
            senders[0].send("alice", None)
        for thread in threads:
            thread.join(60)
        assert sorted(got) == list(range(300))


def test_interrupting_a_wait(space):
    """Ctrl-C ends receive() and receive(source), and loses nothing."""
    for call in ("bob.receive()", "bob.receive('alice')"):
        with Actor(BOB) as other, Endpoint("alice") as alice:
            alice.send("bob", "first")
            other.do("bob.receive()")
            other.start(call)
            until(other.asleep)
            other.interrupt()
            with pytest.raises(KeyboardInterrupt):
                other.answer()
            alice.send("bob", 1)
            assert other.do(call) == 1


def test_a_descriptor_for_selectors(space):
    """fileno() is readable when there may be a message, of senders that came later too."""
    with Endpoint("alice") as alice, Endpoint("bob") as bob, Endpoint("carol") as carol:
        bob.send("alice", 1)
        assert select.select([alice], [], [], 60)[0]
        assert liaison.wait([alice], timeout=0) == [alice]
        assert alice.receive() == 1
        assert liaison.wait([alice], timeout=0) == []
        carol.send("alice", 2)
        assert liaison.wait([alice], timeout=60) == [alice]
        assert alice.receive() == 2
        assert liaison.wait([alice], timeout=0) == []
        assert not select.select([alice], [], [], 0)[0]


def test_receipts(space):
    """receipt=True tells who received, by the name that it has."""
    with Endpoint("alice") as alice, Actor(BOB) as other:
        receipt = alice.send("bob", 1, receipt=True)
        assert receipt.state == "queued"
        other.do("bob.receive()")
        assert receipt.wait_acknowledged(60).pid == other.pid
        assert receipt.wait_received().name == "bob"


def test_garbage_in_an_introduction_is_passed_over(space):
    """What is no id, or of a link that is not there, does not keep messages from coming."""
    with Endpoint("alice") as alice, Endpoint("bob") as bob:
        own = type(end_of(alice).own).begin(Address.parse(alice.address), "open", {})
        for garbage in (b"", b"\xff" * 64, b"../../etc/passwd", b"0" * 32, b"~" * 32):
            own.send(garbage)
        own.close()
        bob.send("alice", "a message")
        assert alice.receive(timeout=60) == "a message"
        assert alice.try_receive() is None


# ---- the textbook's primitives -----------------------------------------------------------------


def test_the_functions_use_the_process_newest_endpoint(space):
    """liaison.send and liaison.receive are those of the newest endpoint made."""
    with Endpoint("alice") as alice, Actor(BOB) as other:
        liaison.send("bob", "hello")
        assert other.do("liaison.receive('alice')") == "hello"
        other.do("liaison.send('alice', 'hi')")
        assert liaison.receive() == "hi"
        alice.close()
        with pytest.raises(NotFound, match="Endpoint"):
            liaison.receive()


def test_a_process_without_a_name_can_be_answered(space):
    """Who has made no endpoint gets one for its life; nothing of it remains."""
    with Endpoint("server") as server:
        with Actor() as client:
            client.do("liaison.send('server', 'question')")
            with server.lease() as delivery:
                assert delivery.sender.name.startswith(f"process-{client.pid}-")
                server.send(delivery.sender, "answer")
            assert client.do("liaison.receive('server')") == "answer"
            client.go_on("raise EOFError")
            client.wait()
        assert liaison.Space().names() == ["server"]


def test_an_endpoint_without_a_name_ends_with_its_process(space):
    """Endpoint() has a name that nobody else can have, and is gone when it is closed."""
    with Endpoint("server") as server, Endpoint() as client, Endpoint() as another:
        assert client.name != another.name
        client.send("server", "question")
        with server.lease() as delivery:
            server.send(delivery.sender, "answer")
        assert client.receive() == "answer"
        server.send(another.name, "lost")
        another.close()
        with pytest.raises(NotFound):
            server.send(another.address, "too late")
    assert liaison.Space().names() == ["server"]


def test_it_can_be_looked_at(space):
    """peek, statistics and len tell of all links to it together, here and to others."""
    with Endpoint("alice") as alice, Endpoint("bob") as bob, Endpoint("carol") as carol:
        bob.send("alice", 1)
        carol.send("alice", 2)
        alice.receive()
        with alice.lease():
            carol.send("alice", 3)
            bob.send("alice", 4)
            with Endpoint.observe("alice") as seen:
                for end in (alice, seen):
                    now = end.statistics()
                    assert (now.accepted, now.leased, now.waiting, len(end)) == (4, 1, 2, 2)
                    assert sorted(end.peek()) == [3, 4]
                    assert len(end.peek(1)) == 1
                assert seen.link.kind == "endpoint"
                with pytest.raises(liaison.NotOwner, match="alice"):
                    seen.destroy()


def test_what_waits_is_seen_before_anything_was_received(space):
    """peek, statistics and len tell also of senders from whom nothing was received yet."""
    with Endpoint("alice") as alice, Endpoint("bob") as bob:
        bob.send("alice", "hello")
        assert len(alice) == 1
        bob.destroy()
        with Endpoint("carol") as carol:
            carol.send("alice", "hi")
            assert "hi" in alice.peek()
            carol.destroy()
        with pytest.raises(ValueError, match="0 or more"):
            alice.peek(-1)
        alice.destroy()


def test_it_is_known_who_uses_an_old_name(space):
    """known_as() of an observer tells by which names senders reach it, and who they are."""
    with Endpoint("old") as endpoint, Actor(BOB) as other, Endpoint("carol") as carol:
        other.do("bob.send('old', 1)")
        endpoint.rename("new")
        carol.send("new", 2)
        with Endpoint.observe("old") as seen:
            assert (seen.address, seen.aliases) == ("shm://default/new", ["old"])
            users = {name: [peer.name for peer in who] for name, who in seen.known_as().items()}
            assert users == {"old": ["bob"], "new": ["carol"]}
            other.do("bob.send('new', 3)")
            assert sorted(peer.name for peer in seen.known_as()["new"]) == ["bob", "carol"]


def test_a_target_may_be_a_mailbox(space):
    """send and receive take a mailbox's, a queue's or a port's name as well."""
    with (
        Mailbox("box") as box,
        liaison.MessageQueue("queue") as queue,
        liaison.Port("port") as port,
    ):
        liaison.send("box", 1)
        liaison.send("queue", 2)
        liaison.send("port", 3)
        assert (liaison.receive("box"), liaison.receive("queue")) == (1, 2)
        assert port.receive() == 3
        box.destroy()
        with pytest.raises(NotFound):
            liaison.send("box", 4)
        with Mailbox("box") as anew:
            liaison.send("box", 5)
            assert anew.receive() == 5
        queue.destroy()
        with pytest.raises(NotFound):
            liaison.receive("nothing")


def test_a_mailbox_is_reached_beside_an_endpoint(space):
    """A process with an endpoint sends to mailboxes by the same function."""
    with Endpoint("alice"), Mailbox("box") as box, Endpoint("bob") as bob:
        liaison.send("box", 1)
        liaison.send("alice", 2)
        assert box.receive() == 1
        box.send(3)
        assert liaison.receive("box") == 3
        assert bob.name == "bob"


def test_a_rename_that_fails_leaves_the_old_name(space, monkeypatch):
    """Where others cannot be told the new one, it is called as before, and by nothing else."""
    with Endpoint("old") as endpoint:

        def fails(*_):
            raise OSError(errno.EMFILE, "no descriptor is free")

        with monkeypatch.context() as patch:
            patch.setattr("liaison._native.endpoint.introduce", fails)
            with pytest.raises(OSError, match="no descriptor"):
                endpoint.rename("new")
        assert (endpoint.name, endpoint.aliases) == ("old", [])
        endpoint.rename("new")
        assert (endpoint.name, endpoint.aliases) == ("new", ["old"])
        endpoint.destroy()
