"""Frames over a socket: sends and receives, waits, and breaks off cleanly.

A thread may send while another receives; several senders, or receivers, take turns. What an
interruption (Ctrl-C, in the main thread, between any two instructions) must not lose are the
counts of bytes that the system took or gave: from then on the stream would be nonsense. So each
system call's result goes straight into a list, by ``counts.extend(map(call, …))``, in which no
Python instruction stands between the call and the list, and what follows from it is worked out
from the list, now or at the next call.

A message of which a part has been sent cannot be taken back. When a timeout passes, or Ctrl-C
comes, in the middle of one, the rest is kept, and goes out with whatever is done next here: the
message counts as sent. `Full` always means that nothing of the message was sent.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import weakref
from threading import Lock
from typing import TYPE_CHECKING

from liaison.carriers.stream import frames
from liaison.carriers.stream.handshake import HELLO
from liaison.deadline import Deadline
from liaison.errors import (
    AccessDenied,
    Closed,
    Corrupt,
    Disconnected,
    Empty,
    Ended,
    Full,
    LiaisonError,
    TooLarge,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from liaison.carriers.stream.handshake import Handshake
    from liaison.carriers.stream.tls import Stream

__all__ = ["Channel"]

_JOINED = 1 << 14  # bytes up to which copying costs less than naming several buffers
_QUIET: int = socket.MSG_NOSIGNAL
_AT_ONCE: int = socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT
# Arguments for map().
_WAITING, _NOT_WAITING, _NOTHING, _ALL = (_QUIET,), (_AT_ONCE,), ((),), (0,)
_WHOLE: tuple[int] = (socket.MSG_WAITALL,)
_LINGER = 1.0  # seconds that closing waits for what was sent to leave
_LONGEST_POLL = 86400.0  # seconds; the system counts milliseconds with 31 bits
_DRAINED = 64  # buffers of unread bytes that closing throws away

# Forks of this process: an end belongs, of all processes that have it, to the one that uses it.
_forks = 0


def _forked() -> None:
    global _forks  # noqa: PLW0603  (nothing else tells of forks)
    _forks += 1
    for channel in list(_channels):
        channel._after_fork()  # pyright: ignore[reportPrivateUsage]


def _forking() -> None:
    global _forks  # noqa: PLW0603  (nothing else tells of forks)
    _forks += 1


_channels: weakref.WeakSet[Channel] = weakref.WeakSet()
os.register_at_fork(after_in_parent=_forking, after_in_child=_forked)


# A frame that is being sent: its buffers, how many bytes they have, how many of them left (the
# counts add up to it), and whether other bytes of the frame left before. A plain tuple, because a
# NamedTuple takes ten times as long to make.
_Out = tuple[tuple["Buffer", ...], int, list[int], bool]


class Channel:
    """One end of a connection, by which frames go both ways."""

    __slots__ = (
        "__weakref__",
        "_bell",
        "_closed",
        "_epoch",
        "_failure",
        "_finished",
        "_greeting",
        "_hello",
        "_largest",
        "_lost",
        "_name",
        "_out",
        "_readable",
        "_reader",
        "_received",
        "_receiving",
        "_sending",
        "_sent",
        "_socket",
        "_stream",
        "_tls",
        "_watch",
        "_writable",
    )

    def _open(
        self,
        name: str,
        connection: socket.socket,
        *,
        tls: Stream | None,
        rest: bytes,
        greeting: Handshake | None,
        ours: int,
        theirs: int,
    ) -> None:
        """Begin; `greeting` is a handshake that waits only for the other end's hello."""
        self._name = name
        self._socket = connection
        self._tls = tls
        self._stream = connection if tls is None else tls
        self._reader = frames.Reader(ours)
        self._greeting = greeting
        self._hello: list[bytes] = []  # what came of it
        self._largest = theirs
        self._out: _Out | None = None
        self._sent = 0
        self._received = 0
        self._closed = False
        self._finished = False  # the other end said that it is done
        self._failure = ""  # why nothing can be sent any more
        self._lost = ""  # why nothing can come any more
        self._epoch = _forks
        self._sending = Lock()
        self._receiving = Lock()
        self._readable = select.poll()
        self._readable.register(connection, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(connection, select.POLLOUT)
        self._watch: select.epoll | None = None
        self._bell = -1
        if rest:
            self._preload(rest)
        _channels.add(self)

    def _preload(self, rest: bytes) -> None:
        # At most as much as is read before the handshake's end, which is less than the window.
        self._reader.put(rest)

    # ---- sending

    def _send_frame(
        self, format: int, head: bytes, body: Buffer, timeout: float | None = None
    ) -> None:
        size = len(head) + len(body)  # pyright: ignore[reportArgumentType]
        if size > self._largest:
            raise TooLarge(
                f"the message has {size} bytes, and the other end of {self._name} takes "
                f"{self._largest}: split it, or let that end have a larger max_message="
            )
        # "with" is the one way to take a lock that Ctrl-C cannot come in the middle of.
        if timeout is None:
            with self._sending:
                self._send_now(format, head, body, size, None)
            return
        deadline = Deadline(timeout)
        held: list[bool] = []
        try:
            self._take_turn(self._sending, held, deadline)
            if not held[0]:
                raise Full(f"another thread was sending over {self._name} all the time")
            self._send_now(format, head, body, size, deadline)
        finally:
            if held and held[0]:
                self._sending.release()

    def _send_now(
        self, format: int, head: bytes, body: Buffer, size: int, deadline: Deadline | None
    ) -> None:
        self._epoch = _forks
        if self._out is not None or self._closed or self._finished or self._failure:
            self._clear_the_way(deadline)
        header = frames.pack(size | format << 56, self._received)
        total = frames.HEADER + size
        flags = _WAITING if deadline is None else _NOT_WAITING
        counts: list[int] = []
        # Once `_out` is set the frame is on its way, and whatever interrupts this, nothing
        # else is sent before all of it has left.
        try:
            if size <= _JOINED:
                joined = (b"".join((header, head, body)),)
                self._out = (joined, total, counts, False)
                counts.extend(map(self._stream.send, joined, flags))
            else:
                buffers = (header, head, body) if head else (header, body)
                self._out = (buffers, total, counts, False)
                counts.extend(map(self._stream.sendmsg, (buffers,), _NOTHING, flags))
            if counts[0] == total and (self._tls is None or not self._tls.unsent):
                self._sent += 1
                self._out = None
                return
        except BlockingIOError:
            pass
        except OSError as error:
            self._break(error)
        except BaseException:
            self._keep_the_rest()
            raise
        self._push_all(deadline)

    def _clear_the_way(self, deadline: Deadline | None) -> None:
        """Send what is left of the frame before, or tell why nothing can be sent."""
        self._check_open()
        if self._finished and not self._failure:
            self._failure = "its other end was closed"
        if self._failure:
            raise self._disconnected()
        if self._out is not None:
            self._push_all(deadline)

    def _push_all(self, deadline: Deadline | None) -> None:
        """Send all of the frame that is being sent.

        When the time is up, one of which nothing has left is dropped; of one that has begun the
        rest is kept, and it is only `Full` for the one that was to follow it.
        """
        try:
            while not self._push(_QUIET if deadline is None else _AT_ONCE):
                if deadline is None:
                    continue
                if self._wait(self._writable, deadline):
                    continue
                late = self._out is not None and self._out[3]
                self._keep_the_rest()
                if late or self._out is None:
                    raise Full(
                        f"{self._name} had no room in time: its other end reads slowly; "
                        "wait longer with timeout="
                    )
                return
        except Full:
            raise
        except OSError as error:
            self._break(error)
        except BaseException:
            self._keep_the_rest()
            raise

    def _push(self, flags: int) -> bool:
        """Send some of the frame that is being sent; return whether all of it has gone."""
        out = self._out
        if out is None:
            return True
        done = sum(out[2])
        if done < out[1]:
            rest = (_after(out[0], done),)
            try:
                out[2].extend(map(self._stream.sendmsg, rest, _NOTHING, (flags,)))
            except BlockingIOError:
                return False
            if sum(out[2]) < out[1]:
                return False
        if self._tls is not None and self._tls.unsent:
            try:
                self._tls.flush(flags)
            except BlockingIOError:
                return False
        self._sent += 1
        self._out = None
        return True

    def _keep_the_rest(self) -> None:
        """Copy what is left of a frame: its buffers are the caller's, who goes on now.

        One of which nothing has left is dropped.
        """
        out = self._out
        if out is None:
            return
        done = sum(out[2])
        if not done and not out[3]:
            self._out = None
            return
        left = tuple(bytes(piece) for piece in _after(out[0], done))
        self._out = (left, sum(map(len, left)), [], True)

    @property
    def pending(self) -> int:
        """Bytes of a message that `send` took, and that wait for the other end to read.

        0 except after a timeout or an interruption in the middle of a large message. They go out
        with whatever is called next on this end, `flush` for example.
        """
        out = self._out
        return 0 if out is None else out[1] - sum(out[2])

    def flush(self, *, timeout: float | None = None) -> None:
        """Send what is `pending`.

        Raises `Full` when that took longer than `timeout` seconds, `Disconnected`, `Closed`.
        """
        held: list[bool] = []
        try:
            deadline = Deadline(timeout)
            self._take_turn(self._sending, held, deadline)
            if not held[0]:
                raise Full(f"another thread was sending over {self._name} all the time")
            self._clear_the_way(None if timeout is None else deadline)
        finally:
            if held and held[0]:
                self._sending.release()

    # ---- receiving

    def _receive_frame(self, timeout: float | None = None) -> tuple[int, bytes]:
        if timeout is None:
            with self._receiving:
                return self._receive_now(None)
        deadline = Deadline(timeout)
        held: list[bool] = []
        try:
            self._take_turn(self._receiving, held, deadline)
            if not held[0]:
                raise Empty(f"another thread was receiving over {self._name} all the time")
            return self._receive_now(deadline)
        finally:
            if held and held[0]:
                self._receiving.release()

    def _receive_now(self, deadline: Deadline | None) -> tuple[int, bytes]:
        self._epoch = _forks
        frame = None if self._greeting is not None else self._next()
        while frame is None:
            if not self._fill(deadline):
                raise Empty(f"no message came over {self._name} in time")
            frame = self._next()
        if frame[0] == frames.BYE:
            self._finished = True
            raise self._ended()
        self._received += 1
        if self._watch is not None:
            self._ring(self._reader.waiting)
        return frame

    def _more(self) -> bool:
        """Whether a message can be received at once."""
        held: list[bool] = []
        try:
            held.extend(map(self._receiving.acquire, (False,)))
            if not held[0]:
                return False
            reader = self._reader
            while not reader.whole:
                if self._lost or self._finished or reader.waiting:
                    return False
                counts: list[int] = []
                target = reader.target()
                counts = reader.counts
                counts.extend(map(self._stream.recv_into, (target,), _ALL, _NOT_WAITING))
                if not counts[-1]:
                    return False
                reader.settle()
            return True
        except OSError:
            return False
        finally:
            if held and held[0]:
                self._receiving.release()

    def _next(self) -> tuple[int, bytes] | None:
        try:
            return self._reader.next()
        except (TooLarge, Corrupt) as error:
            # Where the next message begins is not known: the other end is to notice, too.
            self._reader = frames.Reader(0)
            self._lose(f"what came over it is no message: {error}")
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            raise

    def _fill(self, deadline: Deadline | None) -> bool:
        """Receive some bytes; False when none came in time."""
        if self._closed or self._finished or self._lost:
            self._check_open()
            raise self._ended()
        if self._out is not None:
            self._push_beside()
        if self._greeting is not None:
            return self._greet(self._greeting, deadline)
        reader = self._reader
        while True:
            target = reader.target()
            counts = reader.counts
            try:
                if deadline is not None or self._out is not None:
                    counts.extend(map(self._stream.recv_into, (target,), _ALL, _NOT_WAITING))
                elif reader.in_place:
                    counts.extend(map(self._stream.recv_into, (target,), _ALL, _WHOLE))
                else:
                    counts.extend(map(self._stream.recv_into, (target,)))
                if counts[-1]:
                    return True
            except BlockingIOError:
                if not self._wait_for_bytes(deadline):
                    return False
                continue
            except OSError as error:
                self._check_open()
                self._lose(f"its other end is gone ({error.strerror or error})")
                raise self._ended() from error
            self._check_open()
            self._lose("its other end went away without closing it")
            raise self._ended()

    def _wait_for_bytes(self, deadline: Deadline | None) -> bool:
        """Wait until there is something to receive, sending on meanwhile what is pending."""
        while self._out is not None:
            poll = select.poll()
            poll.register(self._socket, select.POLLIN | select.POLLOUT)
            ready = self._events(poll, deadline)
            if ready & select.POLLOUT and not self._push_beside():
                return True
            if ready & ~select.POLLOUT or not ready:
                return bool(ready)
        return self._wait(self._readable, deadline)

    def _push_beside(self) -> bool:
        """Send on while receiving: the other end may want the rest of a message to answer it.

        Returns False when nobody is there any more.
        """
        held: list[bool] = []
        try:
            held.extend(map(self._sending.acquire, (False,)))
            if held[0]:
                self._push(_AT_ONCE)
            return True
        except OSError as error:
            self._note(error)
            self._out = None
            return False
        finally:
            if held and held[0]:
                self._sending.release()

    def _greet(self, greeting: Handshake, deadline: Deadline | None) -> bool:
        """Receive the hello of the other end, which was not waited for when connecting."""
        pieces = self._hello
        while (missing := HELLO - sum(map(len, pieces))) > 0:
            if deadline is not None and not self._wait(self._readable, deadline):
                return False
            try:
                pieces.extend(map(self._socket.recv, (missing,)))
            except ConnectionError:
                pieces.append(b"")
            if not pieces[-1]:
                self._check_open()
                self._lose("its other end went away without introducing itself")
                raise self._ended()
        try:
            greeting.receive_hello(b"".join(pieces))
        except (AccessDenied, Corrupt, OSError) as error:
            self._lose(f"its other end is not what was expected: {error}")
            raise
        self._largest = min(self._largest, greeting.theirs)
        self._greeting = None
        return True

    # ---- waiting

    def _take_turn(self, lock: Lock, held: list[bool], deadline: Deadline) -> None:
        """Take a lock; that it was taken stands in `held`, whatever interrupts this."""
        left = deadline.remaining()
        held.extend(map(lock.acquire, (True,), (-1 if left is None else left,)))

    def _wait(self, poll: select.poll, deadline: Deadline | None) -> bool:
        return bool(self._events(poll, deadline))

    def _events(self, poll: select.poll, deadline: Deadline | None) -> int:
        found: list[tuple[int, int]] = []
        while not found:
            left = None if deadline is None else deadline.remaining()
            # Rounded up: a poll that is a little too short would be repeated in vain.
            pause = None if left is None else int(min(left, _LONGEST_POLL) * 1000) + (left > 0)
            found = poll.poll(pause)
            if left is not None and left <= _LONGEST_POLL:
                break
        return found[0][1] if found else 0

    def fileno(self) -> int:
        """Return a descriptor that is readable when there may be a message.

        So it is at the end, too. For selectors and event loops; the first call costs three
        descriptors.
        """
        self._check_open()
        if self._watch is None:
            # Messages may be here already, where the system does not see them: then the bell rings.
            watch = select.epoll()
            self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            watch.register(self._socket, select.EPOLLIN)
            watch.register(self._bell, select.EPOLLIN)
            with self._receiving:
                self._watch = watch
                self._ring(self._reader.waiting or self._finished or bool(self._lost))
        return self._watch.fileno()

    def _ring(self, on: bool) -> None:
        try:
            if on:
                os.eventfd_write(self._bell, 1)
            else:
                os.eventfd_read(self._bell)
        except BlockingIOError:
            pass

    # ---- the end

    def _check_open(self) -> None:
        if self._closed:
            raise Closed(f"this end of {self._name} was closed; connect again")

    def _lose(self, why: str) -> None:
        """Nothing comes any more, so that nobody is there to be sent anything either."""
        self._lost = why
        self._failure = self._failure or why
        if self._watch is not None:
            self._ring(True)

    def _note(self, error: OSError) -> None:
        """Nothing can be sent any more; what came before the end can still be received."""
        self._failure = self._failure or f"its other end is gone ({error.strerror or error})"

    def _break(self, error: OSError) -> None:
        """Give up sending, and raise what tells what was delivered."""
        self._check_open()
        self._note(error)
        raise self._disconnected() from error

    def _disconnected(self) -> Disconnected:
        self._look_for_the_end()
        sent, confirmed = self._sent, min(self._sent, self._reader.look_ahead())
        cut = "; of one more a part was sent" if self._out and sum(self._out[2]) else ""
        return Disconnected(
            f"{self._name}: {self._failure}; of {sent} messages sent as a whole it is known to "
            f"have received {confirmed}{cut}; connect again",
            sent=sent,
            confirmed=confirmed,
        )

    def _look_for_the_end(self) -> None:
        """See whether the other end said, before it went, what it had received."""
        held: list[bool] = []
        try:
            held.extend(map(self._receiving.acquire, (False,)))
            if not held[0]:
                return
            if self._greeting is not None:
                self._greet(self._greeting, Deadline(0))
            while not self._reader.waiting:
                target = self._reader.target()
                count = self._stream.recv_into(target, 0, _AT_ONCE)
                if not count:
                    break
                self._reader.counts.append(count)
        except (OSError, EOFError) as error:
            if isinstance(error, LiaisonError) and self._lost:
                self._failure = self._lost
        finally:
            if held and held[0]:
                self._receiving.release()

    def _ended(self) -> Ended:
        if self._finished:
            return Ended(
                f"{self._name}: the other end was closed; {self._received} messages were received",
                clean=True,
                received=self._received,
            )
        missing = self._reader.missing
        cut = ""
        if missing is not None:
            here, size = missing
            cut = f"; one more was cut off after {here} bytes" + (f" of {size}" if size else "")
        return Ended(
            f"{self._name}: {self._lost}; {self._received} messages were received{cut}",
            received=self._received,
        )

    def close(self) -> None:
        """Close this end; idempotent.

        The other end gets what was sent here, and then `Ended`. What it sent and this end has not
        received is lost; it learns how many of its messages were received. Waits up to a second
        for the other end to make room for what is still to be sent.
        """
        if self._closed:
            return
        self._closed = True
        if self._epoch == _forks:
            self._say_goodbye()
            try:
                self._socket.shutdown(socket.SHUT_RDWR)  # wakes this process's other threads
            except OSError:
                pass
        # The descriptor's number must not become another file's while a thread uses it.
        mine = [lock for lock in (self._sending, self._receiving) if lock.acquire(timeout=_LINGER)]
        self._socket.close()
        if self._watch is not None:
            self._watch.close()
            os.close(self._bell)
        for lock in mine:
            lock.release()

    def _say_goodbye(self) -> None:
        deadline = Deadline(_LINGER)
        if not self._sending.acquire(timeout=_LINGER):
            return
        try:
            if not self._failure and not self._finished:
                while not self._push(_AT_ONCE):
                    if not self._wait(self._writable, deadline):
                        return
                farewell = frames.bye(self._received)
                self._out = ((farewell,), len(farewell), [], False)
                while not self._push(_AT_ONCE) and self._wait(self._writable, deadline):
                    pass
                self._socket.shutdown(socket.SHUT_WR)
            # TCP answers bytes that nobody read by a reset, which overtakes what was sent.
            if self._socket.family != socket.AF_UNIX:
                for _ in range(_DRAINED):
                    if not self._socket.recv(1 << 16, socket.MSG_DONTWAIT):
                        break
        except OSError:
            pass
        finally:
            self._sending.release()

    @property
    def closed(self) -> bool:
        """Whether this end was closed."""
        return self._closed

    def _after_fork(self) -> None:
        """In the child: locks that another thread of the parent held are nobody's here."""
        self._sending = Lock()
        self._receiving = Lock()
        if self._watch is not None:  # both would be the parent's too
            self._watch.close()
            os.close(self._bell)
            self._watch = None

    def __del__(self) -> None:
        """Close an end that nobody has any more."""
        if getattr(self, "_closed", True):
            return
        with contextlib.suppress(Exception):
            self.close()


def _after(buffers: tuple[Buffer, ...], done: int) -> list[memoryview]:
    """What is left of buffers after their first `done` bytes."""
    left: list[memoryview] = []
    for buffer in buffers:
        view = memoryview(buffer)
        if done < len(view):
            left.append(view[done:])
        done = max(0, done - len(view))
    return left
