"""Pipes for tasks: messages and bytes, end of file and broken pipe."""

import pickle
import subprocess
import sys

import anyio
import anyio.lowlevel
import pytest

import liaison
from liaison import Closed, DecodeError, Disconnected, Empty, Ended, Full, aio
from liaison.aio.end import receivers, senders
from tests.aio.striking import EVENTS, struck_at_every_await
from tests.links.actor import Actor

pytestmark = pytest.mark.usefixtures("space")


async def until(reason):
    while not reason():
        await anyio.lowlevel.checkpoint()


class Ends:
    """What comes out of one end when it goes into the other."""

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
    """When nobody is left who could send, every waiting task is told Ended, and a loop ends."""

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
    """When nobody is left who could receive, every waiting task is told Disconnected."""

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
    """A task at a named pipe is told Ended when the process at the other side is killed."""

    async def main():
        async with aio.NamedPipe("talk") as talk:
            with Actor("talk = NamedPipe('talk')", "talk.send('last words')") as other:
                async with anyio.create_task_group() as tasks:
                    assert await talk.receive() == "last words"
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
            if pair.other is None:
                read = pair.reader.read

                async def compare():
                    assert await read(len(data)) == data

            else:
                pair.other.start(f"talk.read({len(data)})")

                async def compare():
                    assert pair.other.answer() == data

            async with anyio.create_task_group() as tasks:
                if pair.other is None:
                    tasks.start_soon(compare)
                assert await pair.writer.write(data) == len(data)
            if pair.other is not None:
                await compare()
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
    """An end goes to a program by pass_fds and handle; there a task takes it over."""
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


def test_waiting_in_time(run, ends):
    """A timeout that passes is Empty, and aio.wait has pipes among its links."""

    async def main():
        async with ends() as pair:
            with pytest.raises(Empty):
                await pair.reader.receive(timeout=0.01)
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


async def leased(reader):
    async with reader.lease() as delivery:
        await anyio.lowlevel.checkpoint()
        return delivery.message


async def iterated(reader):
    async for message in reader:
        return message
    return None


READING = {
    "receive": lambda reader: reader.receive(),
    "receive, in time": lambda reader: reader.receive(timeout=30),
    "receive_many": lambda reader: reader.receive_many(3),
    "lease": leased,
    "async for": iterated,
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


WRITING = {
    "send": lambda writer: writer.send(b"x"),
    "send, in time": lambda writer: writer.send(b"x", timeout=30),
    "send, receipt": lambda writer: writer.send(b"x", receipt=True),
    "write": lambda writer: writer.write(b"x"),
    "writelines": lambda writer: writer.writelines([b"x"]),
}


@pytest.mark.parametrize("how", EVENTS)
@pytest.mark.parametrize("name", WRITING)
def test_a_cancelled_writer_has_not_written(loop, name, how):
    """At whatever await a writer is cancelled, it has written nothing, or was told that it has."""

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


def test_a_cancelled_reader_s_bytes_wake_the_next(run):
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


def test_liaison_s_own_pipes_and_these_are_the_same(run):
    """A task's end and one without tasks belong to one pipe."""

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
