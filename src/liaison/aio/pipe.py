# pyright: reportPrivateUsage=false
"""Pipes for tasks: messages, and bytes as in a file.

Reading bytes receives one message after the other, each by a turn in the line of receivers. The
rest of a message that was read in part stays in this end, where the next attempt of any task finds
it. So that lines stay whole, one task at a time reads bytes, and one writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from liaison.aio.end import Held, Receiving, Sending, patiently, receivers, senders
from liaison.aio.line import PENDING, calling, checkpoint
from liaison.errors import Empty, Ended
from liaison.links import pipe as links
from liaison.links.end import passing_to
from liaison.message import Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable
    from typing import Self, Unpack, overload

    from liaison.address import Address
    from liaison.codec import Codec, CodecName
    from liaison.link import Statistics
    from liaison.links.end import Options
    from liaison.message import Expected

__all__ = ["NamedPipe", "PipeReader", "PipeWriter", "pipe"]

_CHUNK = 1 << 16  # most bytes that are written as one message


class _Reading(Receiving[Message]):
    """Reading bytes as from a file; see `liaison.PipeReader`."""

    __slots__ = ()

    _bytes_in: anyio.Lock  # the turn to read bytes

    async def _chunk(self) -> tuple[bytes, int]:
        end = self._end

        def attempt() -> Any:
            try:
                return end.chunk(timeout=0)
            except Empty:
                return PENDING

        return await patiently(receivers(end), attempt, attempt, None)

    async def _gather(self, most: int, *, line: bool = False) -> bytes:
        """Read up to `most` bytes (if negative, any number), at most to the end of the `line`."""
        end = self._end
        parts: list[bytes] = []
        left, ended = most, most == 0
        async with self._bytes_in:
            try:
                while not ended:
                    try:
                        chunk, at = await self._chunk()
                    except Ended:
                        break
                    stop, ended = links.cut(chunk, at, left, line=line)
                    end.put_back(chunk, stop)
                    parts.append(chunk[at:stop])
                    left -= stop - at
            except BaseException:
                if parts:  # an interrupted read loses nothing
                    end.put_back(b"".join(parts), 0)
                    calling(end)
                raise
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def read(self, n: int | None = -1, /) -> bytes:
        """Read `n` bytes, waiting for them; fewer before the end of file, ``b""`` at the end.

        Without `n`, or with a negative one, read up to the end of file. If this is cancelled, the
        next call reads the same bytes again. Raises `Closed`, and `DecodeError` for a message that
        is not bytes.
        """
        if n == 0:
            await checkpoint()
        return await self._gather(-1 if n is None or n < 0 else n)

    async def read1(self, n: int | None = -1, /) -> bytes:
        """Read at most `n` bytes, waiting only for the first; ``b""`` at the end of file.

        Raises as `read` does.
        """
        if n == 0:
            await checkpoint()
            return b""
        async with self._bytes_in:
            try:
                chunk, at = await self._chunk()
                while at == len(chunk):  # an empty message is not the end
                    chunk, at = await self._chunk()
            except Ended:
                return b""
            stop = len(chunk) if n is None or n < 0 else min(len(chunk), at + n)
            self._end.put_back(chunk, stop)
            return chunk[at:stop]

    async def readinto(self, buffer: Any, /) -> int:
        """Read into a writable buffer, waiting only for the first byte; return how many bytes.

        Raises as `read` does.
        """
        with memoryview(buffer) as view, view.cast("B") as target:
            chunk = await self.read1(len(target))
            target[: len(chunk)] = chunk
        return len(chunk)

    async def readline(self, limit: int | None = -1, /) -> bytes:
        r"""Read up to and including the next ``b"\n"``, at most `limit` bytes; ``b""`` at the end.

        Raises as `read` does.
        """
        if limit == 0:
            await checkpoint()
        return await self._gather(-1 if limit is None or limit < 0 else limit, line=True)

    async def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """Read lines up to the end of file, or until they have `hint` bytes.

        If this is cancelled, the next call reads the same lines again. Raises as `read` does.
        """
        lines: list[bytes] = []
        left = hint if hint is not None and hint > 0 else None
        try:
            while line := await self.readline():
                lines.append(line)
                if left is not None:
                    left -= len(line)
                    if left <= 0:
                        break
        except BaseException:
            if lines:
                self._end.put_back(b"".join(lines), 0)
                calling(self._end)
            raise
        return lines


class _Writing(Sending[Message]):
    """Writing bytes as to a file; see `liaison.PipeWriter`."""

    __slots__ = ()

    _bytes_out: anyio.Lock  # the turn to write bytes

    async def write(self, data: Any, /) -> int:
        """Write all bytes, waiting for room, and return their number.

        They are sent as messages of at most 64 KiB. When this raises, or is cancelled, a first part
        of them may have been written.

        Raises `Disconnected` (a `BrokenPipeError`) when no reader is left, `Closed`, `NoSpace`, and
        `TypeError` for text.
        """
        end = self._end
        with memoryview(data) as given, given.cast("B") as view:
            if not len(view):
                await checkpoint()
            most = min(_CHUNK, end.largest_message)
            async with self._bytes_out:
                for at in range(0, len(view), most):
                    await self._write(view[at : at + most])
            return len(view)

    async def _write(self, part: memoryview) -> None:
        end = self._end
        parcel = end.pack(bytes(part))  # bytes are sent as they are, with any codec

        def post() -> Any:
            sent = end.post(parcel)
            return PENDING if sent is None else sent

        await patiently(senders(end), post, post, None)

    async def writelines(self, lines: Iterable[Any] | AsyncIterable[Any], /) -> None:
        """Write the lines, without adding line ends. Raises as `write` does."""
        if hasattr(lines, "__aiter__"):
            async for line in lines:  # type: ignore[union-attr]
                await self.write(line)
        else:
            for line in lines:  # type: ignore[union-attr]
                await self.write(line)


class _PipeEnd(Sending[Message], Receiving[Message], Held):
    """What both ends of a pipe have in common; each refuses the operations of the other."""

    __slots__ = ()

    def __init__(self) -> None:
        """Refuse: `pipe` makes both ends together."""
        raise TypeError("pipes are made by aio.pipe()")

    @property
    def pass_fds(self) -> tuple[int, int]:
        """This end's descriptors, for ``anyio.open_process(..., pass_fds=end.pass_fds)``."""
        return self._held.pass_fds

    @property
    def handle(self) -> str:
        """The text with which a child can `inherit` this end, for its arguments or environment."""
        return self._held.handle


class PipeReader(_Reading[Message], _PipeEnd[Message]):
    r"""The receiving end of a pipe, for tasks; `pipe` makes it. See `liaison.PipeReader`.

    When everything was received, and every sending end is closed or its process has ended,
    `receive` raises `Ended`, a loop ends, and reading bytes returns ``b""``.

    >>> import anyio
    >>> from liaison import aio
    >>> async def main():
    ...     reader, writer = aio.pipe()
    ...     async with reader:
    ...         async with writer:
    ...             await writer.write(b"tea\ncoffee")
    ...         print(await reader.readline(), await reader.read())
    >>> anyio.run(main)
    b'tea\n' b'coffee'
    """

    __slots__ = ("__weakref__", "_bytes_in", "_end", "_held")

    def _hold(self, held: Any) -> None:
        super()._hold(held)
        self._bytes_in = anyio.Lock()

    @classmethod
    def inherit(
        cls,
        handle: str,
        *,
        type: type[Message] | object = None,
        codec: Codec | CodecName | None = None,
    ) -> Self:
        """Open the end that a parent passed to this process; see `liaison.PipeReader.inherit`."""
        return cls._around(links.PipeReader.inherit(handle, type=type, codec=codec))


class PipeWriter(_Writing[Message], _PipeEnd[Message]):
    """The sending end of a pipe, for tasks; `pipe` makes it. See `liaison.PipeWriter`.

    When every receiving end is closed or its process has ended, sending raises `Disconnected`, a
    ``BrokenPipeError``.

    >>> import anyio, liaison
    >>> from liaison import aio
    >>> async def main():
    ...     reader, writer = aio.pipe()
    ...     reader.close()
    ...     try:
    ...         await writer.send("tea")
    ...     except BrokenPipeError as error:
    ...         print(type(error).__name__)
    ...     writer.close()
    >>> anyio.run(main)
    Disconnected
    """

    __slots__ = ("__weakref__", "_bytes_out", "_end", "_held")

    def _hold(self, held: Any) -> None:
        super()._hold(held)
        self._bytes_out = anyio.Lock()

    @classmethod
    def inherit(
        cls,
        handle: str,
        *,
        type: type[Message] | object = None,
        codec: Codec | CodecName | None = None,
    ) -> Self:
        """Open the end that a parent passed to this process; see `liaison.PipeWriter.inherit`."""
        return cls._around(links.PipeWriter.inherit(handle, type=type, codec=codec))


if TYPE_CHECKING:

    @overload
    def pipe(
        *, type: type[Expected], **options: Unpack[Options]
    ) -> tuple[PipeReader[Expected], PipeWriter[Expected]]: ...
    @overload
    def pipe(
        *, type: object = None, **options: Unpack[Options]
    ) -> tuple[PipeReader, PipeWriter]: ...


@passing_to(links.pipe)
def pipe(**options: Any) -> tuple[PipeReader, PipeWriter]:
    """Make a one-way pipe between this process and its children.

    The arguments and errors are those of `liaison.pipe`.

    >>> import anyio
    >>> from liaison import aio
    >>> async def main():
    ...     reader, writer = aio.pipe()
    ...     async with reader:
    ...         async with writer:
    ...             await writer.send({"item": "tea"})
    ...         print([message async for message in reader])
    >>> anyio.run(main)
    [{'item': 'tea'}]
    """
    reader, writer = links.pipe(**options)
    return PipeReader._around(reader), PipeWriter._around(writer)


class NamedPipe(_Reading[Message], _Writing[Message], Held):
    """A two-way pipe between two unrelated processes, for tasks; see `liaison.NamedPipe`.

    The arguments and errors are those of `liaison.NamedPipe`.

    >>> import anyio, sys
    >>> from liaison import aio
    >>> other = '''
    ... import liaison
    ... with liaison.NamedPipe("talk") as talk:
    ...     talk.send(talk.receive().upper())
    ... '''
    >>> async def main():
    ...     async with aio.NamedPipe("talk") as talk, anyio.create_task_group() as tasks:
    ...         tasks.start_soon(anyio.run_process, [sys.executable, "-c", other])
    ...         await talk.send("hello")
    ...         print([message async for message in talk])
    >>> anyio.run(main)
    ['HELLO']
    """

    __slots__ = ("__weakref__", "_bytes_in", "_bytes_out", "_end", "_held")

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, address: str | Address, *, type: type[Message], **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(
            self, address: str | Address, *, type: object = None, **options: Unpack[Options]
        ) -> None: ...

    @passing_to(links.NamedPipe.__init__)
    def __init__(self, address: str | Address, **options: Any) -> None:
        """Open the pipe, or create it."""
        self._hold(links.NamedPipe(address, **options))

    def _hold(self, held: Any) -> None:
        super()._hold(held)
        self._bytes_in, self._bytes_out = anyio.Lock(), anyio.Lock()

    def statistics(self, *, outgoing: bool = False) -> Statistics:
        """Return a snapshot of the counts of the incoming direction, or of the `outgoing` one."""
        return self._held.statistics(outgoing=outgoing)
