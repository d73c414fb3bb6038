"""Pipes as files: bytes, lines, and the borders of messages among them."""

import io
import os
import select
import shutil
import signal
import subprocess
import sys
import threading

import pytest

import liaison
from liaison import DecodeError, Disconnected
from liaison.testing import until
from tests.beside import Beside


@pytest.fixture
def ends(space):
    """Both ends of a pipe, closed after the test."""
    reader, writer = liaison.pipe()
    with reader, writer:
        yield reader, writer


def test_what_was_written_is_read(ends):
    """read(n) joins and splits what was written; at the end it gives what is left, then b""."""
    reader, writer = ends
    assert [writer.write(part) for part in (b"ab", b"", bytearray(b"cde"), memoryview(b"fg"))] == [
        *(2, 0, 3, 2)
    ]
    writer.close()
    assert [reader.read(n) for n in (1, 3, 0, 2)] == [b"a", b"bcd", b"", b"ef"]
    assert [reader.read(9), reader.read(9), reader.read()] == [b"g", b"", b""]


def test_read_waits_for_all_and_read1_for_the_first(ends):
    """read(n) waits for n bytes and read1 for the first, as with Python's buffered files."""
    reader, writer = ends
    writer.write(b"abc")
    assert (reader.read1(2), reader.read1()) == (b"ab", b"c")
    reading = Beside(reader.read, 4)
    writer.write(b"de")
    until(lambda: reader.statistics().receivers_waiting == 1, "it waits for the rest")
    writer.write(b"fgh")
    assert (reading.result(), reader.read1(-1)) == (b"defg", b"h")
    writer.close()
    assert reader.read1() == b""


def test_lines(ends):
    """readline and readlines keep their limits, and read lines across messages to the end."""
    reader, writer = ends
    writer.writelines([b"one\ntwo", b"\n\nthr", b"ee\nfour\nfi", b"ve"])
    writer.close()
    assert [reader.readline(), reader.readline(2), reader.readline(9), reader.readline()] == [
        *(b"one\n", b"tw", b"o\n", b"\n")
    ]
    assert reader.readline(0) == b""
    assert reader.readlines(7) == [b"three\n", b"four\n"]
    assert reader.readlines() == [b"five"]
    assert reader.readline() == b""


def test_readinto_fills_what_is_there(ends):
    """readinto fills the buffer with what there is, at least a byte, and returns 0 at the end."""
    reader, writer = ends
    writer.write(b"abcde")
    buffer = bytearray(3)
    assert (reader.readinto(buffer), buffer) == (3, b"abc")
    assert (reader.readinto(buffer), buffer) == (2, b"dec")
    writer.close()
    assert reader.readinto(buffer) == 0


def test_a_large_write_goes_through_in_parts(ends):
    """A write of more than the pipe holds arrives in parts while somebody reads."""
    reader, writer = ends
    data = os.urandom(1 << 20) * 40
    writing = Beside(lambda: (writer.write(data), writer.close()))
    assert reader.read() == data
    writing.result()


def test_a_write_is_cut_into_messages_of_max_message(space):
    """With max_message= each part of a write is as large as that allows."""
    reader, writer = liaison.pipe(max_message=10)
    with reader, writer:
        assert writer.write(b"0123456789abc") == 13
        assert reader.receive_many(9) == [b"0123456789", b"abc"]


def test_messages_and_bytes_mix(ends):
    """The rest of a message read in part is the next message; other messages are whole."""
    reader, writer = ends
    writer.send_many([b"abc", {"item": "tea"}, b"de", b"f", b"g"])
    assert reader.read(1) == b"a"
    assert liaison.wait([reader], timeout=0) == [reader]
    assert reader.receive() == b"bc"
    assert reader.receive() == {"item": "tea"}
    assert reader.read(1) == b"d"
    assert reader.receive_many(5) == [b"e"]
    assert next(reader) == b"f"
    assert reader.read(1) == b"g"


def test_a_message_that_is_not_bytes_is_no_file_content(ends):
    """Such a message is a DecodeError with its payload; the bytes around it are not lost."""
    reader, writer = ends
    writer.send_many([b"ab", {"item": "tea"}, b"cd"])
    with pytest.raises(DecodeError) as caught:
        reader.read(4)
    assert b"tea" in caught.value.payload
    assert reader.read(4 - 1) == b"abc"


def test_pythons_own_wrappers_work(ends):
    """BufferedReader, BufferedWriter and TextIOWrapper take the ends for files."""
    reader, writer = ends
    with io.TextIOWrapper(io.BufferedWriter(writer), encoding="utf-8") as text:
        for line in ("größer", "tea"):
            print(line, file=text)
    assert writer.closed
    with io.TextIOWrapper(io.BufferedReader(reader), encoding="utf-8") as text:
        assert list(text) == ["größer\n", "tea\n"]
    assert reader.closed


def test_text_can_be_read_directly(ends):
    """TextIOWrapper takes a reader without a buffer between them."""
    reader, writer = ends
    writer.write(b"one\ntwo\n")
    writer.close()
    with io.TextIOWrapper(reader, encoding="utf-8") as text:
        assert list(text) == ["one\n", "two\n"]


def test_it_answers_what_files_are_asked(ends):
    """readable, writable, seekable and isatty return what they do of a file."""
    reader, writer = ends
    assert (reader.readable(), reader.writable()) == (True, False)
    assert (writer.readable(), writer.writable()) == (False, True)
    for end in ends:
        assert not end.seekable()
        assert not end.isatty()
        end.flush()
    with pytest.raises(TypeError):
        writer.write("text")


def test_a_plain_program_is_reached_by_copying(ends):
    """shutil.copyfileobj carries the bytes to its standard input, and from its output."""
    reader, writer = ends
    writer.write(b"tea\ncoffee\n")
    writer.close()
    back, there = liaison.pipe()
    with subprocess.Popen(["sort"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sort:
        shutil.copyfileobj(reader, sort.stdin)
        sort.stdin.close()
        with there:
            shutil.copyfileobj(sort.stdout, there)
    with back:
        assert back.read() == b"coffee\ntea\n"


def test_writing_to_nobody_breaks(ends):
    """A large write whose reader closes in the middle of it is Disconnected."""
    reader, writer = ends
    writing = Beside(writer.write, bytes(1 << 28))
    reader.read(1)
    reader.close()
    with pytest.raises(Disconnected):
        writing.result()


@pytest.mark.parametrize("read", [lambda end: end.read(5), lambda end: end.readlines()])
def test_an_interrupted_read_loses_nothing(ends, read):
    """The bytes that an interrupted read had are read by the next call."""
    reader, writer = ends
    writer.write(b"a\nc")

    def interrupt(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(TimeoutError):
            read(reader)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    writer.write(b"de")
    writer.close()
    assert reader.read() == b"a\ncde"


def test_a_descriptor_is_only_for_waiting(ends):
    """fileno() is readable when there is something; the bytes cannot be read from it."""
    reader, writer = ends
    writer.write(b"abc")
    assert select.select([reader.fileno()], [], [], 60)[0]
    with pytest.raises(OSError, match=r"Invalid argument"):
        os.read(reader.fileno(), 1)
    assert reader.read(3) == b"abc"


def test_closing_while_a_large_message_is_read_closes_the_end(ends):
    """The copy is made without the interpreter's lock; the writer then learns that nobody reads."""
    reader, writer = ends
    large = bytes(64 << 20)
    writer.send(large)
    begins = threading.Lock()
    begins.acquire()
    closing = Beside(lambda: begins.acquire() and reader.close())
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # so that it runs when the lock is given up, and not before
    try:
        begins.release()
        assert reader.read1() == large
    finally:
        sys.setswitchinterval(before)
    closing.result()
    assert reader.closed
    with pytest.raises(Disconnected):
        writer.write(b"x")
