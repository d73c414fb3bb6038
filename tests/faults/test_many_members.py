"""Thousands of processes join and die, or use every place: recovered, then a clear error."""

import contextlib
import fcntl
import os
import signal
import struct

import pytest

from liaison import Empty, Full, Mailbox, Space
from liaison.testing import Process, point, until
from tests.faults.namespaces import follow
from tests.faults.often import FULL
from tests.links.actor import Actor

MEMBERS = 4096  # of a space
ATTACHMENTS = 1024  # of a link
BOX = "box = Mailbox('box')"
_OFD_SETLK = 37


def _crowd(count, line):
    """Fork many processes that each run the line and stay; kill all of them on request."""
    here, say = os.pipe()
    crowd = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            follow()
            word = b"F"
            try:
                names = {"Mailbox": Mailbox}
                exec(line, names)
                word = b"."
            except Full as error:
                word = b"n" if "no place left" in str(error) else b"F"
            finally:
                os.write(say, word)
                signal.pause()
        crowd.append(pid)
    words = b""
    while len(words) < count:
        words += os.read(here, count)
    point("here", words, wait=True)
    for pid in crowd:
        os.kill(pid, signal.SIGKILL)
    for pid in crowd:
        os.waitpid(pid, 0)
    point("dead", wait=True)


def test_thousands_attach_and_die(mailbox):
    """Each of 4,096 processes is killed with a lease, a loan and a receipt; nothing leaks."""
    at_once = 256
    box = mailbox(capacity=2 * at_once)
    line = (
        "box = Mailbox('box'); lease = box.lease(timeout=60); loan = box.loan(2000);"
        "box.fileno()"
    )  # fmt: skip
    rounds = MEMBERS // at_once if FULL else 3
    for _ in range(rounds):
        box.send_many(range(at_once))
        with Process(_crowd, at_once, line) as crowd:
            assert crowd.reach("here", patience=110) == b"." * at_once
            assert len(Space().members()) == at_once + 1
            with pytest.raises(Full):
                box.send("no room", timeout=0)
            crowd.go_on()
            crowd.reach("dead")
            found = [box.lease(timeout=60) for _ in range(at_once)]
            assert sorted(one.message for one in found) == list(range(at_once))
            assert {one.attempt for one in found} == {2}
            for one in found:
                one.acknowledge()
            with pytest.raises(Empty):
                box.receive(timeout=0.1)
        until(lambda: box.statistics().free == 2 * at_once or box.try_receive(), "all is free")
    print(f"{rounds * at_once} processes")
    assert box.statistics().memory_used == 0
    assert {peer.pid for peer in box.link.senders + box.link.receivers} == {os.getpid()}
    Space().clean()
    assert len(Space().members()) == 1


def test_opening_a_link_without_a_free_place_is_full(mailbox):
    """The 1,025th living process gets Full with the reason; after a death there is room again."""
    box = mailbox()
    with Process(_crowd, ATTACHMENTS, BOX) as crowd:
        words = crowd.reach("here", patience=110)
        assert sorted(words) == sorted(b"." * (ATTACHMENTS - 1) + b"n")
        with pytest.raises(Full, match="no place left"), Actor(BOX):
            pass
        box.send("works")
        assert box.receive() == "works"
        crowd.go_on()
        crowd.reach("dead")
        with Actor(BOX, "box.send('let in')"):
            assert box.receive(timeout=60) == "let in"


@contextlib.contextmanager
def _all_numbers(space):
    """Hold the lock of every possible member, as so many living processes would."""
    with open(space.path / "members", "r+b") as members:
        for number in range(MEMBERS):
            lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0)
            with contextlib.suppress(BlockingIOError):  # our own
                fcntl.fcntl(members, _OFD_SETLK, lock)
        yield


@pytest.mark.parametrize("how", ["Mailbox('box')", "Mailbox.create('new')", "Mailbox.open('box')"])
def test_opening_in_a_space_without_a_free_number_is_full(mailbox, space, how):
    """The 4,097th living process gets Full with the reason, and leaves nothing behind."""
    box = mailbox()
    box.send("works")
    with _all_numbers(space):
        with pytest.raises(Full, match="no place left"), Actor(how):
            pass
        assert box.receive() == "works"  # members go on
        assert space.files("names") == ["box"]
        with Actor("box = Mailbox.observe('box')") as observer:  # an observer needs none
            assert observer.do("len(box)") == 0
    with Actor(BOX, "box.send('let in')"):
        assert box.receive() == "let in"


@pytest.mark.parametrize(
    "line",
    [
        "held = [box.loan(5) for _ in range(8)]",
        "held = [box.lease() for _ in range(8)]",
        "held = [box.lease() for _ in range(4)], [box.loan(2000) for _ in range(4)]",
    ],
    ids=["loans", "leases", "both"],
)
def test_sending_while_all_cells_are_held_is_full(mailbox, line):
    """While a living process holds all cells, sending is Full; after its death all are free."""
    box = mailbox(capacity=8)
    count = 4 if "for _ in range(4)" in line else 8 * ("lease" in line)
    box.send_many(range(count)) if count else None
    with Actor(BOX, line) as holder:
        for use in (lambda: box.send(1, timeout=0.05), lambda: box.loan(1, timeout=0)):
            with pytest.raises(Full, match="had no room"):
                use()
        holder.kill()
        if count:
            assert sorted(box.lease(timeout=60).acknowledge() or n for n in range(count))
        for number in range(8):
            box.send(number, timeout=60)
    assert box.receive_many(8) == list(range(8))
    assert box.statistics().free == 8
