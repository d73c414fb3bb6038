"""Pipes: one-way between a process and its children, and two-way between any two processes."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from liaison._native.link import Receiving, Sending, attach, end_of
from liaison.address import Address
from liaison.carriers.contract import Policy, Reading
from liaison.carriers.registry import carrier_named, carrier_of, local_carrier, pipes_carrier
from liaison.closing import Closing
from liaison.errors import Ended, InvalidAddress, Mismatch
from liaison.links.end import mismatch, parsed, size
from liaison.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self, Unpack, overload

    from liaison._native.carrier import CarrierEnd
    from liaison.codec import Codec, CodecName
    from liaison.link import Statistics
    from liaison.links.end import Options
    from liaison.message import Expected

__all__ = ["NamedPipe", "PipeReader", "PipeWriter", "cut", "pipe"]

local_carrier().prepare("pipe")

_LARGEST_CAPACITY = 1 << 18  # messages
_LARGEST_MESSAGE = (1 << 32) - 4096  # bytes
_LARGEST_MEMORY = 1 << 40
_CHUNK = 1 << 16  # most bytes that are written as one message


class _Reading(Receiving[Message]):
    """Reading bytes as from a file.

    The bytes of one message after the other are read as one stream. The rest of a message that was
    read in part is read by the next call, or is the next message for `receive` and a loop. It
    belongs to this end: other receivers do not get it.
    """

    __slots__ = ()

    def readable(self) -> bool:
        """Return True: bytes can be read."""
        return True

    def read(self, n: int | None = -1, /) -> bytes:
        """Read `n` bytes, waiting for them; fewer before the end of file, ``b""`` at the end.

        Without `n`, or with a negative one, read up to the end of file. Raises `Closed`, and
        `DecodeError` for a message that is not bytes.
        """
        return self._gather(-1 if n is None or n < 0 else n)

    def read1(self, n: int | None = -1, /) -> bytes:
        """Read at most `n` bytes, waiting only for the first; ``b""`` at the end of file.

        Raises as `read` does.
        """
        if n == 0:
            return b""
        source = end_of(self)
        most = -1 if n is None else n
        try:
            chunk, at = source.chunk()
            while at == len(chunk):  # an empty message is not the end
                chunk, at = source.chunk()
        except Ended:
            return b""
        end = len(chunk) if most < 0 else min(len(chunk), at + most)
        source.put_back(chunk, end)
        return chunk[at:end]

    def readinto(self, buffer: Any, /) -> int:
        """Read into a writable buffer, waiting only for the first byte; return how many bytes.

        Raises as `read` does.
        """
        with memoryview(buffer) as view, view.cast("B") as target:
            chunk = self.read1(len(target))
            target[: len(chunk)] = chunk
        return len(chunk)

    readinto1 = readinto

    def readline(self, limit: int | None = -1, /) -> bytes:
        r"""Read up to and including the next ``b"\n"``, at most `limit` bytes; ``b""`` at the end.

        Raises as `read` does.
        """
        return self._gather(-1 if limit is None or limit < 0 else limit, line=True)

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """Read lines up to the end of file, or until they have `hint` bytes. Raises as `read`."""
        lines: list[bytes] = []
        left = hint if hint is not None and hint > 0 else None
        try:
            while line := self.readline():
                lines.append(line)
                if left is not None:
                    left -= len(line)
                    if left <= 0:
                        break
        except BaseException:
            if lines:
                end_of(self).put_back(b"".join(lines), 0)
            raise
        return lines

    # This stands in `liaison.aio.pipe` too. As steps that both drive, a line would take 1.2 us and
    # not 0.7: a generator costs as much as all the rest.

    def _gather(self, most: int, *, line: bool = False) -> bytes:
        source = end_of(self)
        parts: list[bytes] = []
        left, ended = most, most == 0
        try:
            while not ended:
                try:
                    chunk, at = source.chunk()
                except Ended:
                    break
                stop, ended = cut(chunk, at, left, line=line)
                source.put_back(chunk, stop)
                parts.append(chunk[at:stop])
                left -= stop - at
        except BaseException:
            if parts:  # an interrupted read loses nothing
                source.put_back(b"".join(parts), 0)
            raise
        return parts[0] if len(parts) == 1 else b"".join(parts)


def cut(chunk: bytes, at: int, most: int, *, line: bool) -> tuple[int, bool]:
    r"""Return where the wanted part of a chunk, from `at` on, ends; and whether it is complete.

    It has `most` bytes, or any number if that is negative, and ends with the `line`, if that ends
    before.

    >>> cut(b"tea\ncoffee", 0, -1, line=True), cut(b"tea", 0, 2, line=True)
    ((4, True), (2, True))
    >>> cut(b"tea", 1, 9, line=False)
    (3, False)
    """
    stop = len(chunk) if most < 0 else min(len(chunk), at + most)
    if line and (found := chunk.find(b"\n", at, stop) + 1):
        return found, True
    return stop, stop - at == most


class _Writing(Sending[Message]):
    """Writing bytes as to a file."""

    __slots__ = ()

    def writable(self) -> bool:
        """Return True: bytes can be written."""
        return True

    def write(self, data: Any, /) -> int:
        """Write all bytes, waiting for room, and return their number.

        They are sent as messages of at most 64 KiB. When this raises, a first part of them may have
        been written.

        Raises `Disconnected` (a `BrokenPipeError`) when no reader is left, `Closed`, `NoSpace`, and
        `TypeError` for text.
        """
        return end_of(self).write(data, _CHUNK)

    def writelines(self, lines: Iterable[Any], /) -> None:
        """Write the lines, without adding line ends. Raises as `write` does."""
        for line in lines:
            self.write(line)


class _Stream:
    """The other methods of a file."""

    __slots__ = ()

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def seekable(self) -> bool:
        """Return False: a pipe cannot seek."""
        return False

    def isatty(self) -> bool:
        """Return False: a pipe is not a terminal."""
        return False


class _PipeEnd(Closing, Sending[Message], Receiving[Message]):
    """What both ends of a pipe have in common."""

    __slots__ = ("_said",)

    _said: tuple[Any, Any]  # type and codec, as given
    _reads = False

    def __init__(self) -> None:
        """Refuse: `pipe` makes both ends together."""
        raise TypeError("pipes are made by liaison.pipe()")

    @classmethod
    def inherit(
        cls,
        handle: str,
        *,
        type: type[Message] | object = None,
        codec: Codec | CodecName | None = None,
    ) -> Self:
        """Open the end that a parent passed to this process; see `pass_fds` and `handle`.

        It takes over the descriptors, which exec will close. Raises `NotFound` when they are not
        open, `Mismatch` for the other kind of end, `ValueError` for a text that is not a handle.
        """
        try:
            carrier = carrier_named(handle.partition(":")[0])
        except InvalidAddress:
            raise ValueError(f"{handle!r} is not the handle of a pipe's end") from None
        end = carrier.inherited(handle, cls._reads, Reading.of(type, codec))
        return cls._around(end, type, codec)

    @classmethod
    def _around(cls, end: CarrierEnd, type: Any, codec: Any) -> Self:
        made = cls.__new__(cls)
        attach(made, end)
        made._said = (type, codec)
        return made

    @property
    def pass_fds(self) -> tuple[int, ...]:
        """This end's descriptors, for ``subprocess.Popen(..., pass_fds=end.pass_fds)``."""
        return end_of(self).descriptors()

    @property
    def handle(self) -> str:
        """The text with which a child can `inherit` this end, for its arguments or environment."""
        return end_of(self).handle

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the descriptors, as multiprocessing's connections do."""
        return _arrived, (self.__class__, *end_of(self).handed(), *self._said)

    def __repr__(self) -> str:
        """Show the pipe's address."""
        state = " (closed)" if self.closed else ""
        return f"<{self.__class__.__name__} {self.address}{state}>"


@final
class PipeReader(_Reading[Message], _Stream, _PipeEnd[Message]):
    r"""The receiving end of a pipe; `pipe` makes it.

    `receive`, `try_receive`, `receive_many`, `lease`, `peek`, ``len()``, `statistics` and `fileno`
    work as for a mailbox. When everything was received, and every sending end is closed or its
    process has ended, receiving raises `Ended`, an ``EOFError``, and a loop over the reader ends.
    Bytes can be read too, as from a file.

    A child process that gets this end by ``pass_fds``:

    >>> import os, subprocess, sys, liaison
    >>> child = '''
    ... import os, liaison
    ... for message in liaison.PipeReader.inherit(os.environ["ORDERS"]):
    ...     print(message)
    ... '''
    >>> reader, writer = liaison.pipe()
    >>> with reader:
    ...     process = subprocess.Popen(
    ...         [sys.executable, "-c", child],
    ...         stdout=subprocess.PIPE,
    ...         pass_fds=reader.pass_fds,
    ...         env={**os.environ, "ORDERS": reader.handle},
    ...     )
    >>> with writer:
    ...     writer.send({"item": "tea"})
    >>> print(process.communicate()[0].decode(), end="")
    {'item': 'tea'}
    """

    __slots__ = ()

    _reads = True

    def writable(self) -> bool:
        """Return False: bytes cannot be written."""
        return False


@final
class PipeWriter(_Writing[Message], _Stream, _PipeEnd[Message]):
    r"""The sending end of a pipe; `pipe` makes it.

    `send`, `try_send`, `send_many`, `loan`, receipts and `statistics` work as for a mailbox. When
    every receiving end is closed or its process has ended, sending raises `Disconnected`, a
    ``BrokenPipeError``. Bytes can be written too, as to a file.

    >>> import io, liaison
    >>> reader, writer = liaison.pipe()
    >>> with reader:
    ...     with io.TextIOWrapper(writer, encoding="utf-8") as text:
    ...         print("tea", file=text)
    ...     reader.readline()
    b'tea\n'
    """

    __slots__ = ()

    def readable(self) -> bool:
        """Return False: bytes cannot be read."""
        return False


if TYPE_CHECKING:

    @overload
    def pipe(
        *, type: type[Expected], **options: Unpack[Options]
    ) -> tuple[PipeReader[Expected], PipeWriter[Expected]]: ...
    @overload
    def pipe(
        *, type: object = None, **options: Unpack[Options]
    ) -> tuple[PipeReader, PipeWriter]: ...


def pipe(
    *,
    capacity: int | None = None,
    max_message: int | None = None,
    memory: int | None = None,
    type: object = None,
    codec: Codec | CodecName | None = None,
) -> tuple[PipeReader, PipeWriter]:
    """Make a one-way pipe between this process and its children.

    The pipe has no name, so no other process can open it. A forked child has both ends; a
    ``multiprocessing`` process gets an end as an argument; and `pass_fds` and `handle` pass one to
    a program that ``subprocess`` starts. As with any pipe, each process must close the ends that it
    does not use, or the others never see the end of file.

    The arguments are those of `Mailbox`, but ``capacity`` is 1 or more. Raises `NoSpace`, `OSError`
    when descriptors run out (a pipe takes three), and `ValueError` for a number out of range.

    >>> import liaison
    >>> reader, writer = liaison.pipe()
    >>> writer.send_many(["tea", {"count": 2}])
    2
    >>> writer.close()
    >>> list(reader)
    ['tea', {'count': 2}]
    >>> reader.receive()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    liaison.errors.Ended: pipe:... has ended: everything was received, and nobody is left who ...
    >>> reader.close()
    """
    policy = _policy(capacity, max_message, memory)
    here = Address.current_space()
    reader, writer = pipes_carrier(here).pipe(here, policy, Reading.of(type, codec))
    return PipeReader._around(reader, type, codec), PipeWriter._around(writer, type, codec)


class NamedPipe(_Reading[Message], _Writing[Message], _Stream, Closing):
    """A two-way pipe between two unrelated processes that know its name.

    The first process that opens it creates it and is one side, the second is the other side, and a
    third gets `Busy` while both live. Each side receives what the other sends, never its own
    messages. Until the other side opens it, `capacity` messages can be sent, and receivers wait.

    When the other side has closed its end, or its process has ended, `receive` returns the
    messages that are left and then raises `Ended`, an ``EOFError``, and a loop ends; `send` raises
    `Disconnected`, a ``BrokenPipeError``, at once. Then this pipe is over: open the name again to
    meet the next process that opens it. Messages that are not received when the last side ends are
    lost, as with any pipe.

    A side is a process: if it opens the name again, that is the same side; a forked child is
    another process. Bytes can be read and written too, as with a file.

    The arguments are those of `Mailbox`, but ``capacity`` is 1 or more, for each direction. Raises
    `InvalidAddress`, `Busy`, `Mismatch` when it exists with other properties, `AccessDenied`,
    `NoSpace`, `Corrupt`, `VersionMismatch`, and `ValueError` for a number out of range.

    >>> import subprocess, sys, liaison
    >>> other = '''
    ... import liaison
    ... with liaison.NamedPipe("talk") as talk:
    ...     talk.send(talk.receive().upper())
    ... '''
    >>> with liaison.NamedPipe("talk") as talk:
    ...     process = subprocess.Popen([sys.executable, "-c", other])
    ...     talk.send("hello")
    ...     talk.receive()
    ...     list(talk), process.wait()
    'HELLO'
    ([], 0)
    """

    _said: tuple[Any, Any]  # type and codec, as given

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, address: str | Address, *, type: type[Message], **options: Unpack[Options]
        ) -> None: ...
        @overload
        def __init__(
            self, address: str | Address, *, type: object = None, **options: Unpack[Options]
        ) -> None: ...

    def __init__(
        self,
        address: str | Address,
        *,
        capacity: int | None = None,
        max_message: int | None = None,
        memory: int | None = None,
        type: object = None,
        codec: Codec | CodecName | None = None,
    ) -> None:
        """Open the pipe, or create it."""
        where = parsed(address)
        policy = _policy(capacity, max_message, memory)
        reading = Reading.of(type, codec)
        try:
            end = carrier_of(where).named_pipe(where, policy, reading)
        except Mismatch as error:
            raise mismatch(error, where, policy.but(kind="named pipe")) from None
        attach(self, end)
        self._said = (type, codec)

    def statistics(self, *, outgoing: bool = False) -> Statistics:
        """Return a snapshot of the counts of the incoming direction, or of the `outgoing` one."""
        return end_of(self).statistics(outgoing=outgoing)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the address; unpickling opens the pipe anew."""
        return _reopen, (self.__class__, self.address, *self._said)

    def __repr__(self) -> str:
        """Show the address."""
        state = " (closed)" if self.closed else ""
        return f"<{self.__class__.__name__} {self.address}{state}>"


def _policy(capacity: int | None, max_message: int | None, memory: int | None) -> Policy:
    if max_message and memory:
        raise ValueError(
            "max_message= reserves room for each message, memory= for all of them together: "
            "give one of the two"
        )
    return Policy(
        capacity=size("capacity", capacity, 1, _LARGEST_CAPACITY),
        max_message=size("max_message", max_message, 1, _LARGEST_MESSAGE),
        memory=size("memory", memory, 1, _LARGEST_MEMORY),
    )


def _arrived(
    kind: type[_PipeEnd], make: Callable[..., CarrierEnd], given: tuple[Any, ...], *said: Any
) -> _PipeEnd:
    return kind._around(make(*given, kind._reads, Reading.of(*said)), *said)


def _reopen(kind: type[NamedPipe], address: str, type: Any, codec: Any) -> NamedPipe:
    return kind(address, type=type, codec=codec)
