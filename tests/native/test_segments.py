"""What is in the memory is never trusted: damage, and files that are cut off."""

import mmap
import os
import random
import resource
from contextlib import suppress
from pathlib import Path

import pytest

from liaison import Corrupt, LiaisonError, Mailbox, Space, VersionMismatch
from liaison.testing import Process, point, until
from tests.links.actor import Actor

PAGE = 4096


# ---- damage


def file_of(space, name):
    return space.path / "names" / name


def write(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.fixture
def segment(mailbox, space):
    """The file of a mailbox with a message in it, whose creator has ended."""
    with Actor("box = Mailbox('victim', capacity=4)") as other:
        other.do("box.send('payload')")
    mailbox("unhurt", capacity=1, max_message=8)
    yield file_of(space, "victim")
    for path in (space.path / "names").glob("victim"):
        for link in (space.path / "links").iterdir():
            if link.samefile(path):
                link.unlink()
        path.unlink()


@pytest.mark.parametrize("how", [Mailbox, Mailbox.open, Mailbox.observe])
def test_what_is_no_segment_is_corrupt(segment, how):
    """A file without the magic number of a segment is Corrupt."""
    write(segment, 0, b"no magic")
    with pytest.raises(Corrupt) as raised:
        how("victim")
    assert isinstance(raised.value, OSError)


@pytest.mark.parametrize("size", [0, 1, 100, PAGE - 1, PAGE, 5 * PAGE, None])
def test_a_file_of_another_size_is_corrupt(segment, size):
    """A segment that was cut off, or that has grown, cannot be opened."""
    os.truncate(segment, size if size is not None else segment.stat().st_size + PAGE)
    with pytest.raises(Corrupt):
        Mailbox.open("victim")


def test_every_damaged_byte_of_the_geometry_is_noticed(segment):
    """Opening raises an error whichever byte of the geometry is changed."""
    original = segment.open("rb").read(1024)
    used = len(original.rstrip(b"\0"))
    for offset in range(used):
        write(segment, offset, bytes([original[offset] ^ 0xFF]))
        with pytest.raises((Corrupt, VersionMismatch)):
            Mailbox.open("victim")
        write(segment, offset, original[offset : offset + 1])
    with Mailbox.open("victim") as box:
        assert box.receive() == "payload"


def test_a_damaged_mailbox_does_not_hide_the_others(segment):
    """Space.links() leaves out a damaged mailbox, and clean() goes on."""
    write(segment, 0, b"no magic")
    assert [link.name for link in Space().links()] == ["unhurt"]
    Space().clean(links=True)


def _uses(seed):
    """Use a damaged mailbox in every way; it may raise errors of liaison's only."""
    point("begun", seed)
    box = Mailbox.open("victim")
    for use in (
        lambda: len(box),
        box.peek,
        box.statistics,
        lambda: box.link,
        lambda: box.send("x", timeout=0),
        lambda: box.send(bytes(5000), timeout=0, receipt=True).state,
        lambda: box.receive(timeout=0),
        lambda: box.receive_many(100, timeout=0),
        lambda: box.lease(timeout=0).sender,
        lambda: box.loan(10, timeout=0).send(),
        lambda: box.receive(timeout=0.01),
    ):
        with suppress(LiaisonError):
            use()
    box.close()
    return "lives"


def _uses_many(seeds, path):
    original = Path(path).read_bytes()
    for seed in seeds:
        dice = random.Random(seed)
        damaged = bytearray(original)
        for _ in range(dice.choice([1, 5, 100])):
            at = dice.randrange(1024, len(damaged))
            damaged[at] = dice.randrange(256)
        for _ in range(dice.choice([0, 3])):  # whole words of the header
            at = dice.randrange(1024 // 8, 8 * PAGE // 8) * 8
            damaged[at : at + 8] = dice.randbytes(8)
        with open(path, "r+b") as file:
            file.write(damaged)
        _uses(seed)
    with open(path, "r+b") as file:
        file.write(original)
    return "lives"


def test_damaged_contents_neither_crash_nor_hang(mailbox, space):
    """Random bytes in the live part of a segment cause errors of liaison's at most, and no hang."""
    box = mailbox("victim", capacity=4, memory=65536)
    box.send_many(["payload", b"x" * 2000])
    box.lease().release()
    box.close()
    path = str(file_of(space, "victim"))
    with Process(_uses_many, range(300), path) as user:
        try:
            assert user.result() == "lives"
        finally:
            while user._points:
                print("seed", user._points.pop())
    with Mailbox.observe("victim") as box:
        box.destroy(force=True)


# ---- truncated in use


@pytest.mark.parametrize(
    "line",
    [
        "box.send('x')",
        "box.send(bytes(20_000))",
        "box.receive(timeout=0)",
        "box.receive_many(5, timeout=0)",
        "box.lease(timeout=0)",
        "box.loan(5)",
        "box.statistics()",
        "box.receive(timeout=5)",
        "box.peek()",
        "len(box)",
        "delivery.acknowledge()",
        "delivery.release()",
        "loan.send()",
    ],
)
@pytest.mark.parametrize("size", [0, PAGE])
def test_a_segment_truncated_in_use_is_corrupt(segment, line, size):
    """Cutting off the memory of a living user raises Corrupt there, and does not kill it."""
    with Actor("import faulthandler; faulthandler.enable()") as victim:
        victim.do("box = Mailbox.open('victim')")
        victim.do("box.send_many(['a', 'b'])")
        victim.do("delivery = box.lease(); loan = box.loan(100)")
        os.truncate(segment, size)
        with pytest.raises(Corrupt):
            victim.do(line)
        with pytest.raises(Corrupt):
            victim.do("box.send('y')")
        victim.do("del delivery, loan")
        victim.do("box.close()")
        # Others of the same process are unhurt.
        victim.do("other = Mailbox.open('unhurt')")
        victim.do("other.send(1)")
        assert victim.do("other.receive()") == 1


def test_a_waiting_user_of_a_truncated_segment_is_not_killed(segment):
    """A process that sleeps in a segment when that is cut off gets Corrupt, and lives."""
    with Actor("box = Mailbox.open('victim')", "box.receive()") as victim:
        victim.start("box.receive()")
        with Mailbox.observe("victim") as observer:
            until(lambda: observer.statistics().receivers_waiting, "it waits")
        os.truncate(segment, 0)
        with pytest.raises(Corrupt):
            victim.answer()


def test_a_bus_error_of_somebody_elses_still_kills(space):
    """A SIGBUS outside of liaison's memory ends the process as it would without liaison."""
    with Process(_bus_error, str(space.root / "file")) as victim:
        assert victim.wait() == -7


def _bus_error(path):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with Mailbox("box") as box:
        with open(path, "w+b") as file:
            file.truncate(PAGE)
            view = mmap.mmap(file.fileno(), PAGE)
            file.truncate(0)
        box.destroy()
        view[0] = 1


def test_destroying_a_damaged_mailbox_works(segment, space):
    """destroy(force=True) removes a mailbox whose memory was cut off while it was open."""
    box = Mailbox.open("victim")
    os.truncate(segment, 0)
    with pytest.raises(Corrupt):
        box.send(1)
    box.destroy(force=True)
    box.close()
    assert "victim" not in space.files("names")
