"""Pipes: what only they promise; nobody else can open them, and they are read as files are."""

import io
import os

import pytest

from liaison import Busy, NotFound
from tests.conformance.kinds import on

on_pipes = on(kinds=["pipe"])
on_all_pipes = on(kinds=["pipe", "named pipe", "named pipe, its opener's"])
on_named_pipes = on(kinds=["named pipe", "named pipe, its opener's"])


@on_pipes
def test_nobody_else_can_open_it(stage, space):
    """A pipe has no name, and no file anywhere: nobody else can open it."""
    sender, receiver = stage.ends()
    assert receiver.link.name == ""
    assert space.files("names") == space.files("links") == []
    with pytest.raises(NotFound):
        type(sender).inherit("1000:1001:0:default:/nowhere")


@on_pipes
def test_it_is_for_a_process_and_those_it_starts(stage):
    """A pipe is for a process and those it starts: `established` is "inherited"."""
    receiver, there = stage.other_sends()
    there.do("end.send(end.link.established)")
    assert receiver.receive(timeout=60) == "inherited"
    assert receiver.link.direction == "one-way"


@on_all_pipes
def test_the_end_of_file_comes_when_the_other_process_has_ended(stage):
    """End of file as users know it: a process that is killed has ended, after what it sent."""
    receiver, there = stage.other_sends()
    there.do("end.write(b'first\\nlast')")
    there.kill()
    assert receiver.readline() == b"first\n"
    assert receiver.read() == b"last"
    assert receiver.read() == b""
    with pytest.raises(EOFError):
        receiver.receive(timeout=60)


@on_all_pipes
def test_a_pipe_is_broken_when_the_other_process_has_ended(stage, beside):
    """Broken pipe as users know it: a sender that waits for room learns it."""
    sender, there = stage.other_receives(capacity=1)
    sender.send("fills it")
    waiting = beside(sender.send, 1)
    there.kill()
    with pytest.raises(BrokenPipeError):
        waiting.result()


@on_all_pipes
def test_bytes_are_read_and_written_as_with_a_file(stage):
    """`read`, `readline` and `write` of bytes as a file: where a message ends does not show."""
    sender, receiver = stage.ends()
    assert sender.write(b"one\ntw") == 6
    sender.writelines([b"o\n", b"rest"])
    sender.close()
    assert receiver.readline() == b"one\n"
    assert receiver.read(2) == b"tw"
    with io.BufferedReader(receiver) as file:
        assert file.read() == b"o\nrest"


@on_named_pipes
def test_a_named_pipe_has_two_sides(stage):
    """A named pipe is between two processes: a third is Busy, and harms neither."""
    receiver, there = stage.other_sends()
    with pytest.raises(Busy):
        stage.other(f"NamedPipe({stage.address!r})")
    there.do("end.send('still here')")
    assert receiver.receive(timeout=60) == "still here"


@on_named_pipes
def test_a_named_pipe_is_two_way_between_processes(stage):
    """A named pipe is two-way: what one side sends the other receives, and never itself."""
    mine, there = stage.other_sends()
    mine.send("from here")
    there.do(f"end.send('from there, not {os.getpid()}')")
    assert there.do("end.receive(timeout=60)") == "from here"
    assert mine.receive(timeout=60) == f"from there, not {os.getpid()}"
    assert mine.try_receive() is None
