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
    Busy,
    Closed,
    Destroyed,
    Empty,
    Endpoint,
    Full,
    InvalidAddress,
    Mailbox,
    Mismatch,
    NameTaken,
    NoReceiver,
    NotFound,
)
from liaison._native.link import end_of
from liaison.address import Address
from liaison.carriers.shm.pairs import ways_to
from liaison.links import endpoint as module
from liaison.links.endpoint import observed
from liaison.testing import ProcessDied, until
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


def test_two_processes_name_each_other(space):
    """send(to) and receive(source): what one sends to a name comes to the process called so."""
    with Endpoint("alice") as alice, Actor(BOB) as other:
        alice.send("bob", {"question": 6 * 7})
        assert other.do("bob.receive('alice')") == {"question": 42}
        other.do("bob.send('alice', 'an answer')")
        assert alice.receive("bob") == "an answer"


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


def test_it_receives_from_one_or_from_anyone(space):
    """receive(source) takes from that endpoint alone, receive() from whoever has sent."""
    with Endpoint("alice") as alice, Endpoint("bob") as bob, Endpoint("carol") as carol:
        bob.send("alice", "b1")
        carol.send("alice", "c1")
        carol.send("alice", "c2")
        assert alice.receive("carol") == "c1"
        assert {alice.receive(), alice.receive()} == {"b1", "c2"}
        assert alice.try_receive() is None
        assert alice.try_receive("bob", "nothing") == "nothing"
        with pytest.raises(Empty, match="from carol"):
            alice.receive("carol", timeout=0)


def test_messages_of_a_pair_keep_their_order(space):
    """From one endpoint messages come in the order in which it sent them."""
    with Endpoint("alice") as alice, Actor(BOB, "carol = Endpoint('carol')") as other:
        other.do("[e.send('alice', (e.name, n)) for n in range(100) for e in (bob, carol)]")
        got = [alice.receive() for _ in range(200)]
        for name in ("bob", "carol"):
            assert [n for who, n in got if who == name] == list(range(100))


def test_everyone_has_a_turn(space):
    """A sender that has always something waiting keeps no other from being received."""
    with Endpoint("alice") as alice, Endpoint("bob") as bob, Endpoint("carol") as carol:
        for n in range(100):
            bob.send("alice", n)
        assert alice.receive() == 0
        carol.send("alice", "carol's")
        assert "carol's" in [alice.receive() for _ in range(20)]


def test_a_link_is_set_up_at_first_use_one_per_pair(space):
    """Endpoints that do not talk share no link; two that do have one, two-way, for the two."""
    with Endpoint("alice") as alice, Endpoint("bob") as bob, Endpoint("carol") as carol:
        assert alice.links() == bob.links() == []
        alice.send("bob", 1)
        bob.send("alice", 2)
        bob.receive()
        alice.receive()
        (link,) = alice.links()
        assert (link.name, link.kind, link.direction) == ("alice~bob", "direct", "two-way")
        assert (link.max_processes, link.established) == (2, "automatic")
        assert bob.links()[0].name == "bob~alice"
        assert carol.links() == []


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


def test_a_reply_goes_to_whatever_it_is_called_now(space):
    """A delivery's sender has the name that its endpoint has now, and can be sent to."""
    with Endpoint("alice") as alice, Endpoint("bob") as bob:
        alice.send("bob", "question")
        alice.rename("alicia")
        with bob.lease() as delivery:
            assert delivery.sender.name == "alicia"
            bob.send(delivery.sender, "answer")
        assert alice.receive("bob") == "answer"


def test_a_retired_name_leads_nowhere(space):
    """After retire(old), who knew the old name gets NotFound, and the name is free."""
    with Endpoint("old") as endpoint, Actor(BOB) as other:
        other.do("bob.send('old', 1)")
        endpoint.rename("new")
        endpoint.retire("old")
        with pytest.raises(NotFound):
            other.do("bob.send('old', 2)")
        other.do("bob.send('new', 3)")
        assert [endpoint.receive(), endpoint.receive()] == [1, 3]
        with Endpoint("old") as successor:
            other.do("bob.send('old', 4)")
            assert successor.receive("bob") == 4
            assert endpoint.try_receive() is None


def test_its_own_name_cannot_be_retired(space):
    """retire() of what it is called now is ValueError, of what it never was, NotFound."""
    with Endpoint("alice") as alice, Mailbox("box") as box:
        with pytest.raises(ValueError, match="rename"):
            alice.retire("alice")
        for other in ("box", "nothing"):
            with pytest.raises(NotFound):
                alice.retire(other)
        box.send(1)
        assert Mailbox.open("box").receive() == 1


def test_a_name_that_is_taken_cannot_be_had(space):
    """rename() to another link's name is NameTaken and changes nothing."""
    with Endpoint("alice") as alice, Endpoint("bob"), Mailbox("box"):
        for taken in ("bob", "box"):
            with pytest.raises(NameTaken, match=taken):
                alice.rename(taken)
        with pytest.raises(InvalidAddress):
            alice.rename("no/name")
        assert (alice.name, alice.aliases) == ("alice", [])


def test_names_are_kept_when_the_process_ends(space):
    """Who comes back under any of its names is the same endpoint, with the name it had last."""
    with Actor("e = Endpoint('first')", "e.rename('second')") as other:
        other.kill()
        other.wait()
    with Endpoint("first") as endpoint:
        assert (endpoint.name, endpoint.aliases) == ("second", ["first"])


# ---- processes that end -----------------------------------------------------------------------


def test_one_process_at_a_time_has_a_name(space):
    """A second Endpoint of a living process's name is Busy, also in that process."""
    with Actor(BOB) as other:
        with pytest.raises(Busy, match=str(other.pid)):
            Endpoint("bob")
        with pytest.raises(Busy):
            other.do("Endpoint('bob')")
        other.do("bob.close()")
        with Endpoint("bob") as bob:
            assert bob.name == "bob"


@pytest.mark.parametrize("end", ["kill", "close", "exit"])
def test_who_comes_back_finds_what_was_sent_meanwhile(space, end):
    """However a process ended: what was sent to its name waits for who takes it next."""
    with Endpoint("alice") as alice:
        with Actor(BOB) as other:
            alice.send("bob", "before")
            if end == "kill":
                other.kill()
            elif end == "close":
                other.do("bob.close()")
            else:
                with pytest.raises(ProcessDied):
                    other.do("import os; os._exit(0)")
            if end != "close":
                other.wait()
            alice.send("bob", "meanwhile")
        with Actor(BOB) as again:
            assert again.do("[bob.receive('alice'), bob.receive()]") == ["before", "meanwhile"]
            alice.send("bob", "after")
            assert again.do("bob.receive()") == "after"


def test_a_killed_receivers_lease_comes_again_first(space):
    """What a killed process had leased comes to its successor ahead of the rest, attempt 2."""
    with Endpoint("alice") as alice:
        with Actor(BOB) as other:
            alice.send("bob", 1)
            alice.send("bob", 2)
            other.do("held = bob.lease()")
            other.kill()
            other.wait()
        with Endpoint("bob") as bob:
            with bob.lease() as first:
                assert (first.message, first.attempt) == (1, 2)
            assert bob.receive() == 2


def test_what_a_dead_sender_sent_is_received(space):
    """Messages of a sender that was killed, or destroyed its endpoint, are not lost."""
    with Endpoint("alice") as alice:
        with Actor(BOB, "carol = Endpoint('carol')") as other:
            other.do("bob.send('alice', 'from bob')")
            other.do("carol.send('alice', 'from carol')")
            other.do("carol.destroy()")
            other.kill()
            other.wait()
        assert {alice.receive(), alice.receive()} == {"from bob", "from carol"}


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


def test_rendezvous(space):
    """capacity=0, of either: send returns once the other has the message."""
    with Endpoint("alice", capacity=0) as alice, Actor(BOB) as other:
        with pytest.raises(NoReceiver):
            alice.send("bob", 1, timeout=0)
        with pytest.raises(NoReceiver):
            other.do("bob.send('alice', 1, timeout=0.01)")
        other.start("bob.receive()")
        alice.send("bob", "met")
        assert other.answer() == "met"
        other.start("bob.send('alice', 'again')")
        assert alice.receive() == "again"
        other.answer()
        assert alice.links()[0].capacity == 0


def test_capacity_is_the_smaller_of_the_two(space):
    """A pair's link holds what both have said at least; then it is Full."""
    with Endpoint("alice", capacity=2) as alice, Endpoint("bob", capacity=5) as bob:
        for one, other in ((alice, "bob"), (bob, "alice")):
            assert [one.try_send(other, n) for n in range(3)] == [True, True, False]
            with pytest.raises(Full):
                one.send(other, 3, timeout=0)


def test_a_source_that_does_not_exist_yet_is_waited_for(space):
    """receive(source) before the source has begun gets what it sends first."""
    with Actor(BOB) as receiver:
        receiver.start("bob.receive('alice')")
        with Endpoint("carol") as carol, Endpoint("alice") as alice:
            carol.send("bob", "not this")
            alice.send("bob", "this")
            assert receiver.answer() == "this"
        assert receiver.do("bob.receive()") == "not this"


def test_a_sender_that_is_not_there_is_not_found(space):
    """send() to a name that nobody has had is NotFound; to another kind of link, Mismatch."""
    with Endpoint("alice") as alice, Mailbox("box"):
        with pytest.raises(NotFound, match="nobody"):
            alice.send("nobody", 1)
        with pytest.raises(Mismatch):
            alice.send("box", 1)
        with pytest.raises(InvalidAddress):
            alice.send("no/name", 1)
        with pytest.raises(Mismatch):
            Endpoint("box")
        with pytest.raises(InvalidAddress):
            Endpoint("tcp://localhost:1")
        with pytest.raises(ValueError, match="capacity"):
            Endpoint("other", capacity=-1)
        assert liaison.Space().names() == ["alice", "box"]


def test_a_blocked_sender_learns_that_it_was_destroyed(space):
    """destroy() ends everybody's waiting with Destroyed, and every name of the endpoint."""
    with Endpoint("alice", capacity=1) as alice, Actor(BOB) as other:
        alice.rename("alicia")
        other.do("bob.send('alice', 1)")
        other.start("bob.send('alice', 2)")
        (way,) = ways_to(Address.parse(alice.address), end_of(alice)._id)
        until(lambda: way.statistics().senders_waiting)
        way.close()
        alice.destroy()
        with pytest.raises(Destroyed):
            other.answer()
        with pytest.raises(NotFound):
            other.do("bob.send('alicia', 3)")
        assert liaison.Space().names() == ["bob"]


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


def test_iteration_ends_when_it_is_destroyed(space):
    """`for message in endpoint` gives what anyone sends until the endpoint is destroyed."""
    with Endpoint("alice") as alice, Actor(BOB, "got = []") as other:
        other.start("for message in bob: got.append(message)")
        alice.send("bob", 1)
        alice.send("bob", 2)
        until(lambda: not len(end_of(alice)._outgoing[next(iter(end_of(alice)._outgoing))][0]))
        with observed("bob") as observer:
            observer.destroy(force=True)
        other.answer()
        assert other.do("got") == [1, 2]


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
