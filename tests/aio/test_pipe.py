"""Pipes for tasks: messages and bytes, end of file and broken pipe."""

import pickle
import subprocess
import sys

import anyio
import pytest

import liaison
from liaison import Closed, DecodeError, Disconnected, Ended, Full, aio
from liaison.aio.end import receivers, senders
from tests.aio.progress import until
from tests.aio.striking import EVENTS, struck_at_every_await
from tests.aio.test_cancelling import RECEIVING, SENDING
from tests.links.actor import Actor

pytestmark = pytest.mark.usefixtures("space")


class Ends:
    """Both ends of a pipe, or of a named pipe, whose other side is another process."""

    def __init__(self, kind, **options):
        if kind == "pipe":
            self.reader, self.writer = aio.pipe(**options)
            self.other = None
        else:
            self.other = Actor(f"talk = NamedPipe('talk', **{options!r})")
            self.reader = self.writer = aio.NamedPipe("talk", **options)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.reader.close()
        self.writer.close()
        if self.other is not None:
            self.other.__exit__(None, None, None)

    def send(self, *messages):
        if self.other is None:
            assert all(map(self.writer.try_send, messages))
        else:
            self.other.do(f"talk.send_many({list(messages)!r}) and None")

    def receive(self):
        if self.other is None:
            return self.reader.try_receive()
        return self.other.do("talk.try_receive()")

    def end_sending(self):
        if self.other is None:
            self.writer.close()
        else:
            self.other.do("talk.close()")

    def end_receiving(self):
        if self.other is None:
            self.reader.close()
        else:
            self.other.do("talk.close()")


@pytest.fixture(params=["pipe", "named pipe"])
def ends(request):
    return lambda **options: Ends(request.param, **options)


def test_the_end_of_file_wakes_who_receives(run, ends):
    """When nobody is left who could send, every waiting task gets Ended, and a loop ends."""

    async def main():
        outcome = []
        async with ends() as pair:

            async def receive(operation):
                try:
                    outcome.append(await operation())
                except Ended:
                    outcome.append(Ended)

            async with anyio.create_task_group() as tasks:
                for operation in (pair.reader.receive, pair.reader.receive, pair.reader.read):
                    tasks.start_soon(receive, operation)
                await until(lambda: len(receivers(pair.reader._end)._queue) == 3)
                pair.end_sending()
            assert sorted(outcome, key=str) == sorted([Ended, Ended, b""], key=str)
            assert [message async for message in pair.reader] == []
            assert await pair.reader.read(3) == b""
            assert await pair.reader.read1() == b""
            assert await pair.reader.readline() == b""

    run(main)


def test_a_broken_pipe_wakes_who_sends(run, ends):
    """When nobody is left who could receive, every waiting task gets Disconnected."""

    async def main():
        outcome = []
        async with ends(capacity=1) as pair:
            await pair.writer.send(0)
            with pytest.raises(Full):
                await pair.writer.send(0, timeout=0.01)

            async def send(operation):
                try:
                    await operation(b"x")
                except Disconnected as error:
                    outcome.append((error.sent, isinstance(error, BrokenPipeError)))

            async with anyio.create_task_group() as tasks:
                for operation in (pair.writer.send, pair.writer.send, pair.writer.write):
                    tasks.start_soon(send, operation)
                await until(lambda: len(senders(pair.writer._end)._queue) == 3)
                pair.end_receiving()
            assert outcome == [(1, True)] * 3
            with pytest.raises(Disconnected):
                await pair.writer.write(b"x")

    run(main)


def test_the_death_of_a_process_ends_its_pipes(run):
    """A task at a named pipe gets the end when the process at the other side is killed."""

    async def main():
        async with aio.NamedPipe("talk") as talk:
            with Actor("talk = NamedPipe('talk')") as other:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(expect_the_end, talk)
                    await until(lambda: receivers(talk._end)._queue)
                    other.kill()
            with pytest.raises(Disconnected):
                await talk.send("anybody?")

    async def expect_the_end(talk):
        assert [message async for message in talk] == []

    run(main)


def test_closing_wakes_the_own_tasks(run, ends):
    """Tasks that wait at an end that is closed here get Closed, whether they read or write."""

    async def main():
        outcome = []
        async with ends(capacity=1) as pair:
            await pair.writer.send(0)

            async def expect(operation, *arguments):
                try:
                    await operation(*arguments)
                except Closed:
                    outcome.append(operation.__name__)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(expect, pair.writer.send, 1)
                tasks.start_soon(expect, pair.writer.write, b"1")
                await until(lambda: len(senders(pair.writer._end)._queue) == 2)
                pair.writer.close()
            assert sorted(outcome) == ["send", "write"]
        async with ends() as pair:
            outcome.clear()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(expect, pair.reader.receive)
                tasks.start_soon(expect, pair.reader.read, 3)
                await until(lambda: len(receivers(pair.reader._end)._queue) == 2)
                pair.reader.close()
            assert sorted(outcome) == ["read", "receive"]

    run(main)


def test_bytes_are_read_as_from_a_file(run, ends):
    """read, read1, readline, readlines and readinto see bytes, and not where a message ends."""

    async def main():
        async with ends() as pair:
            reader = pair.reader
            pair.send(b"one\ntw", b"o\nthree", b"", b"\nfour\nfive\nsix")
            assert await reader.readline() == b"one\n"
            assert await reader.read(3) == b"two"
            assert await reader.read(0) == b""
            assert await reader.read1(1) == b"\n"
            assert await reader.readline(3) == b"thr"
            assert await reader.readline(0) == b""
            assert await reader.readline() == b"ee\n"
            assert await reader.readlines(5) == [b"four\n"]
            buffer = bytearray(3)
            assert await reader.readinto(buffer) == 3
            assert buffer == b"fiv"
            assert reader.try_receive() == b"e\nsix"
            pair.send(b"a\nb", {"no": "bytes"}, b"c")
            with pytest.raises(DecodeError):
                await reader.read(4)
            assert await reader.receive() == b"a\nb"
            pair.end_sending()
            assert await reader.readlines() == [b"c"]

    run(main)


def test_bytes_are_written_as_to_a_file(run, ends):
    """write and writelines put any number of bytes in, in pieces, and wait for room."""

    async def main():
        data = bytes(range(256)) * 2000
        async with ends(capacity=2) as pair:

            async def compare():
                assert await pair.reader.read(len(data)) == data

            async with anyio.create_task_group() as tasks:
                if pair.other is None:
                    tasks.start_soon(compare)
                else:
                    pair.other.start(f"talk.read({len(data)})")
                assert await pair.writer.write(data) == len(data)
            if pair.other is not None:
                assert pair.other.answer() == data
            await pair.writer.writelines([b"a\n", bytearray(b"b\n")])
            assert [pair.receive(), pair.receive()] == [b"a\n", b"b\n"]
            assert await pair.writer.write(b"") == 0
            with pytest.raises(TypeError):
                await pair.writer.write("text")

    run(main)


def test_lines_stay_whole_among_many_tasks(run):
    """Tasks that write lines, and tasks that read them, do not tear each other's."""

    async def main():
        reader, writer = aio.pipe(capacity=2, max_message=7)
        lines = [b"%d:" % n + b"x" * n + b"\n" for n in range(40)]
        got = []

        async def write(some):
            for line in some:
                await writer.write(line)

        async def read():
            while line := await reader.readline():
                got.append(line)

        async with reader, anyio.create_task_group() as readers:
            for _ in range(3):
                readers.start_soon(read)
            async with writer, anyio.create_task_group() as tasks:
                for n in range(4):
                    tasks.start_soon(write, lines[n::4])
        assert sorted(got) == sorted(lines)

    run(main)


def test_a_child_is_given_an_end(run):
    """A program that is given `pass_fds` and `handle` of an end opens it for its tasks."""
    child = """
import sys, anyio
from liaison import aio
async def main():
    orders, out = aio.PipeReader.inherit(sys.argv[1]), aio.PipeWriter.inherit(sys.argv[2])
    async with orders, out:
        async for order in orders:
            await out.send(order * 2)
anyio.run(main)
"""

    async def main():
        reader, writer = aio.pipe()
        back, out = aio.pipe()
        process = subprocess.Popen(
            [sys.executable, "-c", child, reader.handle, out.handle],
            pass_fds=reader.pass_fds + out.pass_fds,
        )
        reader.close()
        out.close()
        async with back:
            async with writer:
                assert await writer.send_many([1, "a"]) == 2
            assert [message async for message in back] == [2, "aa"]
        assert process.wait(60) == 0

    run(main)


def test_ends_are_made_by_pipe_alone(space):
    """PipeReader() and PipeWriter() refuse; a named pipe travels by its address."""
    for kind in (aio.PipeReader, aio.PipeWriter):
        with pytest.raises(TypeError, match=r"aio\.pipe"):
            kind()
    talk = aio.NamedPipe("talk")
    again = pickle.loads(pickle.dumps(talk))
    assert again.address == talk.address
    again.close()
    talk.close()


def test_a_reader_is_ready_until_all_bytes_are_read(run, ends):
    """aio.wait returns a reader while a part of a message is unread, and at the end."""

    async def main():
        async with ends() as pair:
            assert await aio.wait([pair.reader], timeout=0.01) == []
            pair.send(b"ab")
            assert await aio.wait([pair.reader]) == [pair.reader]
            assert await pair.reader.read(1) == b"a"
            assert await aio.wait([pair.reader]) == [pair.reader]
            assert await pair.reader.receive() == b"b"
            assert await aio.wait([pair.reader], timeout=0.01) == []
            pair.end_sending()
            assert await aio.wait([pair.reader]) == [pair.reader]

    run(main)


# ---- cancelling ---------------------------------------------------------------------------


READING = RECEIVING | {
    "read": lambda reader: reader.read(3),
    "read1": lambda reader: reader.read1(),
    "readline": lambda reader: reader.readline(),
    "readlines": lambda reader: reader.readlines(2),
}


@pytest.mark.parametrize("how", EVENTS)
@pytest.mark.parametrize("name", READING)
def test_a_cancelled_reader_leaves_what_came(loop, name, how):
    """At whatever await a reader is cancelled, it has what came or the next one gets it."""

    async def main(native):
        reader, writer = aio.pipe()
        in_parts = name in ("read", "readline", "readlines")

        def prepare():
            while reader.try_receive() is not None:
                pass
            if in_parts:
                writer.try_send(b"12")  # of which it makes something only with the rest

        async def check(got, happened):
            assert not receivers(reader._end)._queue
            statistics = reader.statistics()
            assert (statistics.leased, statistics.loaned) == (0, 0)
            left = b""
            while (more := reader.try_receive()) is not None:
                left += more
            if in_parts:
                assert left == (b"" if got else b"12\n" if happened else b"12")
            else:
                assert (left == b"\n") + got == happened

        def nudge():
            if not name.startswith("read") or name == "read1":
                writer.try_send(b"not for it")
                assert reader.try_receive() == b"not for it"

        async with reader, writer:
            struck = await struck_at_every_await(
                lambda: READING[name](reader),
                *(how, prepare, lambda: writer.try_send(b"\n"), nudge, check, native),
            )
        assert struck

    loop(main)


WRITING = SENDING | {
    "write": lambda writer: writer.write(b"x"),
    "writelines": lambda writer: writer.writelines([b"x"]),
}


@pytest.mark.parametrize("how", EVENTS)
@pytest.mark.parametrize("name", WRITING)
def test_a_cancelled_writer_has_not_written(loop, name, how):
    """At whatever await a writer is cancelled, it has written nothing, or has returned."""

    async def main(native):
        reader, writer = aio.pipe(capacity=1)

        def fill():
            reader.try_receive()
            writer.try_send(b"full")

        async def check(sent, happened):
            assert not senders(writer._end)._queue
            assert writer.statistics().loaned == 0
            waiting = reader.peek()
            assert waiting.count(b"x") == sent
            assert waiting.count(b"full") == (not happened)

        def nudge():
            assert reader.try_receive() == b"full"
            assert writer.try_send(b"full")

        async with reader, writer:
            struck = await struck_at_every_await(
                lambda: WRITING[name](writer),
                *(how, fill, reader.try_receive, nudge, check, native),
            )
        assert struck

    loop(main)


def test_a_cancelled_readers_bytes_wake_the_next(run):
    """What a cancelled reader puts back is read by a task that waits already."""

    async def main():
        reader, writer = aio.pipe()
        line = receivers(reader._end)
        got = []

        async def read(scope):
            with scope:
                await reader.read(3)

        async def receive():
            got.append(await reader.receive())

        async with reader, writer, anyio.create_task_group() as tasks:
            writer.try_send(b"ab")
            tasks.start_soon(read, scope := anyio.CancelScope())
            await until(lambda: len(line._queue) == 1)
            tasks.start_soon(receive)
            await until(lambda: len(line._queue) == 2)
            scope.cancel()
        assert got == [b"ab"]

    run(main)


def test_pipes_with_and_without_tasks_are_the_same(run):
    """An end for tasks and one without tasks belong to one pipe."""

    async def main():
        async with aio.NamedPipe("talk") as talk:
            with Actor("talk = NamedPipe('talk')") as other:
                assert talk.link.kind == liaison.NamedPipe("talk").link.kind
                other.do("talk.write(b'line\\nrest')")
                assert await talk.readline() == b"line\n"
                assert await talk.read1() == b"rest"
                assert talk.statistics().accepted == 1
                assert talk.statistics(outgoing=True).accepted == 0

    run(main)
