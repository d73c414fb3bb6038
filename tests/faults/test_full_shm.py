"""The memory file system is full: NoSpace where memory is reserved, and never a signal."""

import os
import subprocess
from contextlib import suppress

import pytest

from liaison import Endpoint, Full, Mailbox, MessageQueue, NamedPipe, NoSpace, Port, Space, pipe
from tests.links.actor import Actor


@pytest.fixture
def small(space):
    """A file system of 1 MiB in memory, with the spaces on it."""
    yield from _mounted(space, "size=1m,mode=700")


@pytest.fixture
def countable(space):
    """A file system in memory with few inodes, with the spaces on it."""
    yield from _mounted(space, "size=64m,nr_inodes=60,mode=700")


def _mounted(space, options):
    if os.geteuid() != 0:
        pytest.skip("NOT CHECKED: mounting a small file system needs root")
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(space.root)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"NOT CHECKED: mounting a small file system fails here: {done.stderr}")
    try:
        yield space
        space.check()
    finally:
        subprocess.run(["umount", "-l", str(space.root)], check=True)


def use_up_files(path, leave):
    """Use up the inodes but for `leave`."""
    number = 0
    while os.statvfs(path).f_ffree > leave:
        (path / f"filler{number}").touch()
        number += 1


def fill(path, leave=0):
    """Use up the file system but for `leave` bytes."""
    free = os.statvfs(path).f_bavail * os.statvfs(path).f_frsize
    with open(path / "filler", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - leave)


@pytest.mark.parametrize(
    "options",
    [
        {"capacity": 1 << 18},
        {"capacity": 1024, "max_message": 4096},
        {"memory": 4 << 20},
        {"capacity": 1, "max_message": (1 << 32) - 4096},
        {"memory": 1 << 40},
    ],
    ids=str,
)
def test_creation_without_room_leaves_nothing(small, options):
    """A mailbox that does not fit raises NoSpace, an OSError, and keeps no memory."""
    Space()
    free = os.statvfs(small.root).f_bavail
    for make in (Mailbox, Mailbox.create):
        with pytest.raises(NoSpace) as raised:
            make("box", **options)
        assert isinstance(raised.value, OSError)
        assert small.files("links") == small.files("names") == []
    assert os.statvfs(small.root).f_bavail >= free - 2  # the file of the members


def test_a_space_without_room_raises(small):
    """On a full file system the space's own files are NoSpace."""
    fill(small.root)
    with pytest.raises(NoSpace):
        Mailbox("box", capacity=1, max_message=8)
    (small.root / "filler").unlink()
    with Mailbox("box", capacity=1, max_message=8) as box:
        box.send(1)
        assert box.receive() == 1
        box.destroy()


@pytest.mark.parametrize("left", range(5))
@pytest.mark.parametrize("kind", [Mailbox, MessageQueue, Port, Endpoint, NamedPipe])
def test_creation_without_files_left_is_whole_or_nothing(countable, kind, left):
    """With few inodes left, a link has both its names, or creating it is NoSpace."""
    Mailbox("first").destroy()  # what a space and a member need is there
    use_up_files(countable.root, left)
    try:
        link = kind("box")
    except NoSpace:
        assert left < 3
        assert countable.files("links") == countable.files("names") == []
        return
    assert left >= 2
    (name,) = countable.files("names")
    assert name == "box"
    assert os.stat(countable.path / "names" / name).st_nlink == 2
    link.destroy()
    link.close()
    assert countable.files("links") == countable.files("names") == []


def test_an_alias_without_files_left_changes_nothing(countable):
    """Renaming an endpoint without a free inode is NoSpace, and it keeps its name."""
    with Endpoint("here") as here:
        use_up_files(countable.root, 0)
        with pytest.raises(NoSpace):
            here.rename("there")
        assert here.name == "here"
        assert here.aliases == []
        (countable.root / "filler0").unlink()
        here.rename("there")
        assert here.aliases == ["here"]
        here.destroy()


def test_growth_without_room_raises_and_hurts_nothing(small):
    """A message for which there is no memory raises NoSpace; small ones are still sent."""
    with Mailbox("box", capacity=4) as box:
        box.send("before")
        for use in (
            lambda: box.send(bytes(900_000)),
            lambda: box.send(bytes(900_000), timeout=0),
            lambda: box.loan(900_000),
            lambda: box.try_send(bytes(900_000)),
        ):
            with pytest.raises(NoSpace):
                use()
        assert box.statistics().free == 3
        assert box.receive() == "before"
        box.send(bytes(10_000))
        assert len(box.receive()) == 10_000
        box.destroy()


def test_growth_goes_on_when_there_is_room_again(small):
    """After NoSpace a large message can be sent as soon as the file system has room."""
    with Mailbox("box", capacity=4) as box:
        fill(small.root, leave=8192)
        with pytest.raises(NoSpace):
            box.send(bytes(300_000))
        (small.root / "filler").unlink()
        box.send(bytes(300_000))
        assert box.receive() == bytes(300_000)
        box.destroy()


def until_no_space(send):
    """Send until NoSpace, and return how many messages were sent."""
    for number in range(1025):
        try:
            send(number)
        except NoSpace:
            return number
    pytest.fail("there was memory for every place")


@pytest.mark.parametrize("kind", [Mailbox, Port])
def test_places_without_memory_raise_and_hurt_nothing(small, kind):
    """Without memory= a place for which there is no memory is NoSpace; the others go on being used.

    The capacity counts on, and as soon as the file system has room all of it can be filled.
    """
    with kind("box") as receiver, Actor(f"box = {kind.__name__}.open('box')") as sender:
        fill(small.root)
        sent = until_no_space(lambda number: sender.do(f"box.send({number})"))
        assert 128 <= sent < 1024
        for use in ("box.send(0, timeout=0)", "box.send(0, timeout=5)", "box.try_send(0)"):
            with pytest.raises(NoSpace):
                sender.do(use)
        assert receiver.statistics().free == 1024 - sent
        for number in range(300):
            assert receiver.receive() == number
            sender.do(f"box.send({sent + number})")
        (small.root / "filler").unlink()
        room = 1024 - sent
        sender.do(f"[box.send({sent + 300} + i) for i in range({room})] and None")
        with pytest.raises(Full):
            sender.do("box.send(0, timeout=0)")
        received = receiver.receive_many(2000)
        assert received == list(range(300, 1324))
        receiver.destroy()


@pytest.mark.parametrize("left", [4096 * n for n in range(5)])
def test_what_is_reserved_in_part_is_never_touched(small, left):
    """However little memory is left, sending ends with NoSpace, not with a signal."""
    with Mailbox("box") as box:
        fill(small.root, leave=left)
        with Actor("box = Mailbox('box')") as other:
            sent = until_no_space(lambda _: other.do("box.send(bytes(60), timeout=0)"))
        assert sent >= 128
        with pytest.raises(NoSpace):
            box.send(bytes(100_000))
        assert box.receive_many(2000) == [bytes(60)] * sent
        box.destroy()


def test_a_place_anywhere_is_used_before_there_is_no_space(small):
    """Without memory for more places, a free one is found wherever it lies."""
    with Mailbox("box") as box, Mailbox("box") as other:
        fill(small.root)
        sent = until_no_space(box.send)
        leases = [other.lease() for _ in range(sent)]
        for one in (leases[sent // 2], leases[sent - 3], leases[20]):
            one.acknowledge()
            box.send("again")
            with pytest.raises(NoSpace):
                box.send("too many")
        for lease in leases:
            if lease not in (leases[sent // 2], leases[sent - 3], leases[20]):
                lease.acknowledge()
        assert box.receive_many(10) == ["again"] * 3
        box.destroy()


def test_a_pipe_does_without(small):
    """A pipe's memory is not in the space's file system, and does not depend on it."""
    reader, writer = pipe()
    with reader, writer:
        fill(small.root)
        for number in range(1024):
            writer.send(number)
        with pytest.raises(Full):
            writer.send(0, timeout=0)
        assert reader.receive_many(2000) == list(range(1024))


def test_a_full_file_system_kills_nobody(small):
    """With every page reserved at creation, a full file system causes no SIGBUS."""
    with Mailbox("box", capacity=64, max_message=1000) as box:
        fill(small.root)
        with Actor("box = Mailbox('box')") as other:
            for _ in range(3):
                other.do("[box.send(bytes(1000)) for _ in range(64)] and None")
                assert box.receive_many(64) == [bytes(1000)] * 64
        box.destroy()


def test_memory_that_was_promised_is_there(small):
    """With memory= the payloads' room is reserved at creation, whatever fills up later."""
    with Mailbox("box", capacity=64, memory=400_000) as box:
        fill(small.root)
        largest = box.link.max_message
        box.send(bytes(largest))
        assert len(box.receive()) == largest
        count = box.send_many([bytes(5000)] * 64, timeout=0)
        assert count > 10
        assert box.receive_many(64) == [bytes(5000)] * count
        box.destroy()


def test_a_descriptor_without_room_raises(small):
    """fileno(), which needs a file, works or is NoSpace on a full file system."""
    with Mailbox("box", capacity=1, max_message=8) as box:
        fill(small.root)
        with suppress(NoSpace):
            box.fileno()
        box.send(1)
        assert box.receive() == 1
        box.destroy()
