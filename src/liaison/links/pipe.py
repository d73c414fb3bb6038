"""Pipes: one way between a process and those it starts, and two ways between any two."""

from __future__ import annotations

# The mixed-in classes call what the compiled end keeps for them.
# pyright: reportPrivateUsage=false
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, final

from liaison.carriers import shm
from liaison.carriers.contract import MailboxContract
from liaison.closing import Closing
from liaison.errors import Destroyed, Ended
from liaison.links.end import parsed, require_memory, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

    from liaison.address import Address
    from liaison.codec import Codec
    from liaison.link import Link, Statistics

__all__ = ["NamedPipe", "PipeReader", "PipeWriter", "pipe"]

_LARGEST_CAPACITY = 1 << 18  # messages
_LARGEST_MESSAGE = (1 << 32) - 4096  # bytes
_LARGEST_MEMORY = 1 << 40
_CHUNK = 1 << 16  # bytes that are written as one message, at most


class _Source(Protocol):
    """The compiled end that bytes are read from."""

    def _chunk(self, *, timeout: float | None = None) -> tuple[bytes, int]: ...
    def _put_back(self, rest: bytes, at: int) -> None: ...


class _Reading:
    """Reading bytes as from a file.

    The bytes are those of the messages, one after the other, and where a message ends does not
    show. What is left of one that was read in part is what the next call reads; or, for `receive`
    and a loop, the next message. It belongs to this end: other receivers do not get it.
    """

    __slots__ = ()

    def _source(self) -> _Source:
        raise NotImplementedError

    def readable(self) -> bool:
        """Whether bytes can be read: True."""
        return True

    def read(self, n: int | None = -1, /) -> bytes:
        """Read `n` bytes, waiting for them; fewer at the end of file, and there ``b""``.

        Without `n`, or with a negative one, reads up to the end of file. Raises `DecodeError` when
        a message comes that is not bytes, `Closed`.
        """
        source = self._source()
        most = -1 if n is None else n
        parts: list[bytes] = []
        have = 0
        try:
            while have != most:
                try:
                    chunk, at = source._chunk()
                except Ended:
                    break
                end = len(chunk) if most < 0 else min(len(chunk), at + most - have)
                source._put_back(chunk, end)
                parts.append(chunk[at:end])
                have += end - at
        except BaseException:
            self._unread(parts)
            raise
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read1(self, n: int | None = -1, /) -> bytes:
        """Read at most `n` bytes: what is there, waiting only for the first; ``b""`` at the end.

        Raises as `read` does.
        """
        if n == 0:
            return b""
        source = self._source()
        most = -1 if n is None else n
        try:
            chunk, at = source._chunk()
            while at == len(chunk):  # an empty message is not the end
                chunk, at = source._chunk()
        except Ended:
            return b""
        end = len(chunk) if most < 0 else min(len(chunk), at + most)
        source._put_back(chunk, end)
        return chunk[at:end]

    def readinto(self, buffer: Any, /) -> int:
        """Read into a writable buffer what is there, waiting only for the first; 0 at the end.

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
        source = self._source()
        most = -1 if limit is None else limit
        parts: list[bytes] = []
        have = 0
        try:
            while have != most:
                try:
                    chunk, at = source._chunk()
                except Ended:
                    break
                end = chunk.find(b"\n", at) + 1
                ended = end > 0
                if most >= 0 and (end or len(chunk)) - at >= most - have:
                    end, ended = at + most - have, True
                end = end or len(chunk)
                source._put_back(chunk, end)
                parts.append(chunk[at:end])
                have += end - at
                if ended:
                    break
        except BaseException:
            self._unread(parts)
            raise
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """Read the lines that follow: all, or, with `hint`, until they have so many bytes."""
        lines: list[bytes] = []
        left = hint if hint is not None and hint > 0 else None
        while line := self.readline():
            lines.append(line)
            if left is not None:
                left -= len(line)
                if left <= 0:
                    break
        return lines

    def _unread(self, parts: list[bytes]) -> None:
        """Read these once more: what was interrupted loses nothing."""
        if parts:
            self._source()._put_back(b"".join(parts), 0)


class _Writing:
    """Writing bytes as to a file."""

    __slots__ = ()

    if TYPE_CHECKING:  # the compiled end has it

        def _write(self, data: Any, most: int) -> int: ...

    def writable(self) -> bool:
        """Whether bytes can be written: True."""
        return True

    def write(self, data: Any, /) -> int:
        """Write bytes, waiting until all of them have room; return how many, which is all.

        They travel as messages of at most 64 KiB, without a sign of where one begins. When this
        raises, a first part of them may have been written.

        Raises `Disconnected` (a `BrokenPipeError`) when nobody is left who could read them,
        `Closed`, `NoSpace`, and `TypeError` for text.
        """
        return self._write(data, _CHUNK)

    def writelines(self, lines: Iterable[Any], /) -> None:
        """Write each of the lines, which have their own ends. Raises as `write` does."""
        for line in lines:
            self.write(line)


class _Stream:
    """What else whoever is given a file may ask of it."""

    __slots__ = ()

    def flush(self) -> None:
        """Do nothing: what was written is on its way."""

    def seekable(self) -> bool:
        """Whether one can go back in it: False."""
        return False

    def isatty(self) -> bool:
        """Whether it is a terminal: False."""
        return False


class _PipeEnd(Closing, shm.PipeEnd):
    """What both ends of a pipe have."""

    __slots__ = ("_arguments",)

    _arguments: tuple[Any, Any]  # type and codec, as given
    _reads = False

    def __init__(self) -> None:
        """Refuse: a pipe has two ends."""
        raise TypeError("pipes are made by liaison.pipe()")

    @classmethod
    def inherit(cls, handle: str, *, type: Any = None, codec: Codec | str | None = None) -> Self:
        """Take over the end that this process was given, see `pass_fds` and `handle`.

        Its descriptors are this end's from now on, and closed by exec. Raises `NotFound` when they
        are not there, `Mismatch` for the other kind of end, `ValueError` when `handle` is none.
        """
        memory, token, owner, name, root = _told(handle)
        return cls._taken((memory, token), (owner, name, root), type, codec)

    @classmethod
    def _taken(
        cls, descriptors: tuple[int, int], place: tuple[int, str, str], type: Any, codec: Any
    ) -> Self:
        made = cls.__new__(cls)
        made._arguments = (type, codec)
        made._take(descriptors, place, cls._reads, type, codec)
        return made

    @property
    def pass_fds(self) -> tuple[int, int]:
        """This end's descriptors, for ``subprocess.Popen(..., pass_fds=end.pass_fds)``."""
        return self._descriptors()

    @property
    def handle(self) -> str:
        """What to tell the child, by its arguments or environment, for it to `inherit` this end."""
        memory, token = self._descriptors()
        owner, name, root = self._place()
        return f"{memory}:{token}:{owner}:{name}:{root}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as its descriptors do, as multiprocessing's own connections."""
        from multiprocessing.reduction import DupFd

        memory, token = self._descriptors()
        return _arrived, (
            *(self.__class__, DupFd(memory), DupFd(token)),
            *(self._place(), *self._arguments),
        )

    def __repr__(self) -> str:
        """Show which pipe's end it is."""
        state = " (closed)" if self.closed else ""
        return f"<{self.__class__.__name__} {self.address}{state}>"


@final
class PipeReader(_Reading, _Stream, _PipeEnd):
    r"""The receiving end of a pipe; `pipe` makes it.

    `receive`, `try_receive`, `receive_many`, `lease`, `peek`, ``len()``, `statistics` and `fileno`
    are a mailbox's. When everything was received, and every sending end is closed or its process
    has ended, however that did, they raise `Ended`, an ``EOFError``, and a loop over the reader
    ends. Bytes can be read beside, as from a file.

    What a program that was given this end by ``pass_fds`` does with it:

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

    def _source(self) -> _Source:
        return self

    def writable(self) -> bool:
        """Whether bytes can be written: False."""
        return False


@final
class PipeWriter(_Writing, _Stream, _PipeEnd):
    r"""The sending end of a pipe; `pipe` makes it.

    `send`, `try_send`, `send_many`, `loan`, receipts and `statistics` are a mailbox's. When every
    receiving end is closed or its process has ended, they raise `Disconnected`, a
    ``BrokenPipeError``. Bytes can be written beside, as to a file.

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
        """Whether bytes can be read: False."""
        return False


def pipe(
    *,
    capacity: int | None = None,
    max_message: int | None = None,
    memory: int | None = None,
    type: Any = None,
    codec: Codec | str | None = None,
) -> tuple[PipeReader, PipeWriter]:
    """Make a pipe, one way, between this process and those it starts.

    It has no name anywhere, so nobody else can open it. Forked children have both ends; an end
    that is an argument of a ``multiprocessing`` process is there in the child; and `pass_fds` and
    `handle` give one to a program started by ``subprocess``. As with any pipe, each process closes
    the ends that it does not use, or the others never see the end of file.

    The arguments are those of `Mailbox`; there is no rendezvous. Raises `NoSpace`, `OSError` when
    descriptors run out (a pipe takes three), and `ValueError` for sizes that cannot be.

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
    reader, writer = PipeReader.__new__(PipeReader), PipeWriter.__new__(PipeWriter)
    reader._arguments = writer._arguments = (type, codec)
    shm.pipe(reader, writer, type, codec, policy)
    return reader, writer


class NamedPipe(_Reading, _Writing, _Stream, Closing, MailboxContract):
    """A two-way pipe between two unrelated processes, which know its name.

    Whoever opens it first creates it and is one side; the next process that does is the other, and
    a third gets `Busy` while both live. What one side sends the other receives, and never itself.
    Until the other side comes, what is sent waits for it, up to `capacity` messages each way, and
    who receives waits too.

    When the other side has closed its end, or its process has ended, however it did, `receive`
    gives what is left and then raises `Ended`, an ``EOFError``, and a loop ends; `send` raises
    `Disconnected`, a ``BrokenPipeError``, at once. Then this pipe is over, as a connection is: open
    the name again to meet whoever opens it next. What nobody has received when its last side ends
    is gone, as with any pipe.

    A side is a process: all that it opens under the name is the same side, and a forked child is
    not its parent. Bytes can be read and written beside messages, as with a file.

    The arguments are those of `Mailbox`; there is no rendezvous. Raises `InvalidAddress`, `Busy`,
    `Mismatch` when it exists and is different, `AccessDenied`, `NoSpace`, `Corrupt`,
    `VersionMismatch`, and `ValueError` for sizes that cannot be.

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

    # The two compiled ends' own methods stand in each object's dictionary, before the contract's:
    # a call of `send` is a call of the compiled module.

    _in: shm.MailboxEnd
    _out: shm.MailboxEnd

    def __init__(
        self,
        address: str | Address,
        *,
        capacity: int | None = None,
        max_message: int | None = None,
        memory: int | None = None,
        type: Any = None,
        codec: Codec | str | None = None,
    ) -> None:
        """Open the pipe, or create it."""
        where = parsed(address)
        require_memory(where)
        policy = _policy(capacity, max_message, memory)
        made = shm.MailboxEnd
        self._in, self._out = made.__new__(made), made.__new__(made)
        self._arguments = (type, codec)
        shm.named_pipe(self._in, self._out, where, type, codec, policy)
        ways = ((self._in, _INWARD), (self._out, _OUTWARD))
        vars(self).update({name: getattr(end, name) for end, names in ways for name in names})

    @property
    def address(self) -> str:
        """The pipe's address, a URL."""
        return self._in.address

    @property
    def link(self) -> Link:
        """What this link is, and who is on it at this moment."""
        return self._in.link

    def statistics(self, *, outgoing: bool = False) -> Statistics:
        """Return a snapshot of the counts of the way here, or of the `outgoing` way."""
        return (self._out if outgoing else self._in).statistics()

    def close(self) -> None:
        """Give up this end; idempotent. The other side learns it at once."""
        if self.closed:
            return
        self._out.close()
        self._in.close()
        for told in shm.closing:
            told(self)  # pyright: ignore[reportArgumentType] - they ask for its identity alone

    @property
    def closed(self) -> bool:
        """Whether this end was closed."""
        return self._in.closed

    def destroy(self, *, force: bool = False) -> None:
        """Destroy the pipe for both sides, with what is in it.

        Its creator may, and anyone once the creator is dead, or with `force`; else `NotOwner`.
        """
        with suppress(Destroyed):  # perhaps by this very end, which could not do the other half
            self._in.destroy(force=force)
        self._out.destroy(force=force)

    def __len__(self) -> int:
        """Count the messages that wait to be received here."""
        return len(self._in)

    def __bool__(self) -> bool:
        """Be true, also when nothing waits."""
        return True

    def __iter__(self) -> Iterator[Any]:
        """Receive messages until the other side has ended."""
        return iter(self._in)

    def __next__(self) -> Any:
        """Receive one message."""
        return next(self._in)

    def _source(self) -> _Source:
        return self._in

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel by address; opened there anew."""
        return _reopen, (self.__class__, self.address, *self._arguments)

    def __repr__(self) -> str:
        """Show where it is."""
        state = " (closed)" if self.closed else ""
        return f"<{self.__class__.__name__} {self.address}{state}>"


# Which way's end does what; what aio asks for included.
_INWARD = (
    *("receive", "try_receive", "receive_many", "lease", "peek", "fileno"),
    *("_ready", "_chunk", "_put_back", "_try"),
)
_OUTWARD = (
    *("send", "try_send", "send_many", "loan", "rendezvous"),
    *("_write", "_parcel", "_post", "_room", "_loan", "_largest"),
)


def _policy(capacity: int | None, max_message: int | None, memory: int | None) -> dict[str, Any]:
    if max_message and memory:
        raise ValueError(
            "max_message= reserves room for each message, memory= for all of them together: "
            "give one of the two"
        )
    count = size("capacity", capacity, 1, _LARGEST_CAPACITY)
    return {
        "capacity": -1 if count is None else count,
        "max_message": size("max_message", max_message, 1, _LARGEST_MESSAGE) or 0,
        "memory": size("memory", memory, 1, _LARGEST_MEMORY) or 0,
    }


def _told(handle: str) -> tuple[int, int, int, str, str]:
    parts = handle.split(":", 4)
    if len(parts) != 5 or not all(part.isascii() and part.isdigit() for part in parts[:3]):
        raise ValueError(f"{handle!r} is no handle of a pipe's end")
    memory, token, owner = map(int, parts[:3])
    return memory, token, owner, parts[3], parts[4]


def _arrived(
    kind: type[_PipeEnd], memory: Any, token: Any, place: tuple[int, str, str], *arguments: Any
) -> _PipeEnd:
    return kind._taken((memory.detach(), token.detach()), place, *arguments)


def _reopen(kind: type[NamedPipe], address: str, type: Any, codec: Any) -> NamedPipe:
    return kind(address, type=type, codec=codec)
