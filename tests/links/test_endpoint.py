"""Endpoints: direct communication between processes that name each other."""

import errno
import pickle
import select

import pytest

import liaison
from liaison import AccessDenied, Closed, Empty, Endpoint, Mailbox, NotFound
from liaison._native.link import end_of
from liaison.address import Address
from liaison.testing import until
from tests.beside import Beside
from tests.links.actor import Actor

pytestmark = pytest.mark.usefixtures("endpoints")

BOB = "bob = Endpoint('bob')"


def test_what_was_sent_is_seen_before_anything_is_received():
    """len, peek, statistics and links count what new senders have sent, also one that is gone."""
    with Endpoint("alice") as alice, Actor(BOB, "carol = Endpoint('carol')") as other:
        other.do("bob.send('alice', 1)")
        assert len(alice) == 1
        other.do("carol.send('alice', 2)")
        assert sorted(alice.peek()) == [1, 2]
        other.do("dave = Endpoint('dave'); dave.send('alice', 3); dave.destroy()")
        assert alice.statistics().waiting == 3
        with pytest.raises(ValueError, match="0 or more"):
            alice.peek(-1)
        names = sorted(link.name for link in alice.links())
        assert names == ["alice~bob", "alice~carol", "alice~dave"]


def test_an_endpoints_link(space):
    """`link` has the endpoint's kind and capacity, its receiver and its senders."""
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


def test_an_empty_endpoint_says_from_whom_nothing_came(space):
    """Empty names the source, if one was given."""
    with Endpoint("alice") as alice, Endpoint("carol") as carol:
        carol.send("alice", "once")
        assert alice.receive("carol") == "once"
        with pytest.raises(Empty, match="from carol"):
            alice.receive("carol", timeout=0)


# ---- names ------------------------------------------------------------------------------------


def test_a_renamed_endpoint_is_reached_from_other_processes(space):
    """rename() changes nothing for senders in other processes, nor for those that come later."""
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


# ---- processes that end -----------------------------------------------------------------------


def test_an_endpoint_may_take_a_dead_ports_name(space):
    """What a dead port has left goes to its dead letters, and its name to the endpoint."""
    with Actor("port = liaison.Port('name', dead_letters='dead')") as receiver:
        with liaison.Port.open("name") as sender:
            sender.send("undelivered")
        receiver.kill()
        receiver.wait()
    with Endpoint("name") as endpoint:
        assert endpoint.link.kind == "endpoint"
        assert Mailbox.open("dead").receive(timeout=60) == "undelivered"


def test_a_forked_child_is_another_process(space):
    """A forked child cannot use its parent's endpoint, which goes on, nor can it be pickled."""
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
    """More new senders than can be announced at once are all found by a later receive."""
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
    """Processes without a name leave no link, neither when they end nor when they are killed."""
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


def test_closing_gives_the_name_up_though_a_thread_waits(space):
    """After close() the name is free at once, and the wait that it ended keeps nothing open."""
    endpoint = Endpoint("desk")
    waiting = Beside(endpoint.receive)
    until(waiting.asleep)
    endpoint.close()
    Endpoint("desk").destroy()
    with pytest.raises(Closed):
        waiting.result()


def test_closing_ends_every_wait_in_it(space):
    """After close() in another thread all waiting threads get Closed, and so does a later call."""
    alice, bob = Endpoint("alice"), Endpoint("bob")
    bob.send("alice", "a link to wait on")
    alice.receive()
    waiting = [Beside(alice.receive, *source) for source in ((), ("bob",), ("nobody",))]
    until(lambda: end_of(alice).ways[0].statistics().receivers_waiting >= 1)
    alice.close()
    for one in waiting:
        with pytest.raises(Closed):
            one.result()
    with pytest.raises(Closed):
        alice.send("bob", 1)
    alice.close()
    assert alice.closed
    bob.close()


def test_many_threads_receive(space):
    """Threads that wait get every message of senders that came after they began to wait."""
    with Endpoint("alice") as alice:
        got = []

        def receive():
            while (message := alice.receive()) is not None:
                got.append(message)

        threads = [Beside(receive) for _ in range(20)]
        senders = [Endpoint(f"s{n}") for n in range(30)]
        for n in range(10):
            for m, sender in enumerate(senders):
                sender.send("alice", n * 30 + m)
        until(lambda: len(got) == 300)
        for _ in threads:
            senders[0].send("alice", None)
        for thread in threads:
            thread.result()
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
    """fileno() is readable for messages of senders that came later, too."""
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


def test_a_receipt_names_the_receiving_endpoint(space):
    """The Peer that a receipt returns has its endpoint's name."""
    with Endpoint("alice") as alice, Actor(BOB) as other:
        receipt = alice.send("bob", 1, receipt=True)
        other.do("bob.receive()")
        assert receipt.wait_acknowledged(60).name == receipt.wait_received().name == "bob"


def test_garbage_in_an_announcement_is_passed_over(space):
    """An announcement of no id, or of a link that is missing, does not keep messages back."""
    with Endpoint("alice") as alice, Endpoint("bob") as bob:
        own = type(end_of(alice).own).begin(Address.parse(alice.address), "open", {})
        for garbage in (b"", b"\xff" * 64, b"../../etc/passwd", b"0" * 32, b"~" * 32):
            own.send(garbage)
        own.close()
        bob.send("alice", "a message")
        assert alice.receive(timeout=60) == "a message"
        assert alice.try_receive() is None


# ---- the textbook's primitives -----------------------------------------------------------------


def test_the_functions_receive_nothing_for_a_closed_endpoint(space):
    """liaison.receive without an endpoint that is open is NotFound, which names Endpoint."""
    with Endpoint("alice") as alice, Actor(BOB) as other:
        other.do("liaison.send('alice', 'hi')")
        assert liaison.receive() == "hi"
        alice.close()
        with pytest.raises(NotFound, match="Endpoint"):
            liaison.receive()


def test_a_process_without_a_name_can_be_answered(space):
    """A process that has made no endpoint gets one for its life; nothing of it remains."""
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


def test_an_endpoint_can_be_observed(space):
    """peek, statistics and len count all links to it, at its own end and at an observer."""
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


def test_it_is_known_who_uses_an_old_name(space):
    """known_as() of an observer has, for each name, the senders that use it."""
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
    """A rename that cannot be announced to the others changes nothing."""
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
