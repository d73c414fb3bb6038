"""Where others connect to, and who is let in."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import weakref
from collections import OrderedDict
from threading import Lock, get_ident
from time import monotonic
from typing import TYPE_CHECKING

from liaison.carriers.stream import place
from liaison.carriers.stream.greeting import Greeting
from liaison.closing import Closing
from liaison.deadline import Deadline
from liaison.errors import AccessDenied, Closed, Empty, LiaisonError
from liaison.links.connection import Connection

if TYPE_CHECKING:
    import ssl

    from liaison.address import Address
    from liaison.codec import Coder

__all__ = ["Listener"]

_NEWCOMERS = 64  # connections that have not said who they are
_INTRODUCTION = 5.0  # seconds to say it
_LOOKS = 4 * _NEWCOMERS  # when the time is up: each may let in one, or hear some of those here
_WITHOUT_MEANS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_listeners: weakref.WeakSet[Listener] = weakref.WeakSet()


def _forked() -> None:
    for listener in list(_listeners):
        listener._after_fork()  # pyright: ignore[reportPrivateUsage]


os.register_at_fork(after_in_child=_forked)


class _Newcomer:
    """A connection that has not introduced itself yet."""

    __slots__ = ("address", "deadline", "greeting", "number", "socket")

    def __init__(self, connection: socket.socket, greeting: Greeting, address: str | None) -> None:
        self.address = address  # now, because the system forgets it when the other end is gone
        self.socket = connection
        self.number = connection.fileno()
        self.greeting = greeting
        self.deadline = monotonic() + _INTRODUCTION


class Listener(Closing):
    """Where others connect to; `listen` makes it.

    Nothing runs in the background: connections introduce themselves while `accept` waits. At most
    64 may be doing so, for 5 seconds and with 4 KiB each; of more, the oldest is dropped. So
    strangers who connect and say nothing keep nobody out.

    >>> import liaison
    >>> with liaison.listen("tcp://127.0.0.1:0") as listener:
    ...     client = liaison.connect(listener.address)
    ...     with listener.accept(timeout=5) as server:
    ...         client.send("hello")
    ...         server.receive()
    ...     client.close()
    'hello'
    """

    __slots__ = (
        "__weakref__",
        "_accepting",
        "_address",
        "_bell",
        "_closed",
        "_coder",
        "_context",
        "_file",
        "_largest",
        "_lock",
        "_newcomers",
        "_pid",
        "_poll",
        "_rope",
        "_scheme",
        "_socket",
        "_token",
    )

    def __init__(
        self,
        where: Address,
        *,
        token: bytes | None,
        context: ssl.SSLContext | None,
        coder: Coder,
        largest: int,
        open_to_all: bool,
    ) -> None:
        """Listen; use `listen`, which checks what it is given."""
        self._token = token
        self._context = context
        self._coder = coder
        self._largest = largest
        self._scheme = where.scheme
        self._closed = True
        self._lock = Lock()
        self._accepting = 0  # the thread that does
        self._newcomers: OrderedDict[int, _Newcomer] = OrderedDict()
        self._socket, self._address, self._file = place.seat(where, open_to_all=open_to_all)
        self._socket.setblocking(False)
        self._pid = os.getpid()
        self._closed = False
        self._watch()
        _listeners.add(self)

    def _watch(self) -> None:
        self._newcomers.clear()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._rope = [self._bell]  # who takes it closes
        self._poll = select.epoll()
        self._poll.register(self._bell, select.EPOLLIN)
        self._poll.register(self._socket, select.EPOLLIN)

    @property
    def address(self) -> str:
        """Where it listens, a URL; with the real port where port 0 was asked for."""
        return self._address

    def accept(self, timeout: float | None = None) -> Connection:
        """Wait for somebody to connect and to introduce themselves as asked.

        Raises `Empty` when nobody did within `timeout` seconds, `Closed`, and `OSError` when this
        process may open no more files.
        """
        deadline = Deadline(timeout)
        looks = _LOOKS
        left = deadline.remaining()
        if not self._lock.acquire(timeout=-1 if left is None else left):
            raise Empty(f"another thread is waiting at {self._address}")
        try:
            self._accepting = get_ident()
            while True:
                self._check_open()
                # What is there is looked at once more after the time is up: 0 takes what is there.
                late = deadline.expired
                found = self._poll.poll(0 if late else self._patience(deadline))
                self._check_open()
                for number, _ in found:
                    if number == self._socket.fileno():
                        self._admit()
                    elif (newcomer := self._newcomers.get(number)) is not None:
                        made = self._hear(newcomer)
                        if made is not None:
                            return made
                self._dismiss_the_slow()
                looks -= late
                if late and not (found and looks):
                    raise Empty(f"nobody connected to {self._address} in time")
        finally:
            self._accepting = 0
            if self._closed:
                self._give_up()
            self._lock.release()

    def fileno(self) -> int:
        """Return a descriptor that is readable when `accept` has something to do."""
        self._check_open()
        return self._poll.fileno()

    def close(self) -> None:
        """Stop listening; idempotent. Connections that were accepted go on."""
        try:
            bell = self._rope.pop()
        except IndexError:
            return
        # Wakes a thread that waits in accept(), and that from now on may give the bell up.
        os.eventfd_write(bell, 1)
        self._closed = True
        if os.getpid() == self._pid:
            if self._file is not None:
                self._file.remove()
            # Shows those who connect that it is over. It is not a forked child's to say so.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        # A thread that is within accept() gives it all up when it leaves; that may be this thread,
        # of which a signal's handler closes what it has interrupted.
        if self._accepting != get_ident():
            with self._lock:
                self._give_up()

    def _give_up(self) -> None:
        for newcomer in self._newcomers.values():
            newcomer.socket.close()
        self._newcomers.clear()
        if not self._poll.closed:
            self._poll.close()
            os.close(self._bell)
        self._socket.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def __repr__(self) -> str:
        """Show where it listens."""
        return f"<Listener {self._address}{' (closed)' if self._closed else ''}>"

    def __del__(self) -> None:
        """Close a listener that nobody has any more."""
        if not getattr(self, "_closed", True):
            self.close()

    # ---- newcomers

    def _check_open(self) -> None:
        if self._closed:
            raise Closed(f"{self._address} was closed; listen again")

    def _after_fork(self) -> None:
        """In the child, which waits by itself: what it accepts is not the parent's."""
        if self._accepting != get_ident():  # another thread of the parent's, which is not here
            self._accepting = 0
            self._lock = Lock()
        if not self._closed:
            self._poll.close()  # both would be the parent's too
            os.close(self._bell)
            self._watch()
            self._file = None

    def _patience(self, deadline: Deadline) -> float | None:
        """Seconds until there is something to do, whatever comes."""
        left = deadline.remaining()
        if self._newcomers:
            oldest = next(iter(self._newcomers.values()))
            first = max(0.0, oldest.deadline - monotonic()) + 0.001
            left = first if left is None else min(left, first)
        return left

    def _admit(self) -> None:
        try:
            connection, where = self._socket.accept()
        except OSError as error:
            if error.errno not in _WITHOUT_MEANS:
                return  # gone again, or another process was faster
            if not self._newcomers:
                raise
            self._dismiss(next(iter(self._newcomers.values())))
            return
        try:
            connection.setblocking(True)
            if self._scheme != "unix":
                place.tune(connection)
            elif self._token is None:
                place.check_neighbour(connection)
            greeting = Greeting(
                "server", token=self._token, largest=self._largest, context=self._context
            )
            if len(self._newcomers) >= _NEWCOMERS:
                self._dismiss(next(iter(self._newcomers.values())))
            newcomer = _Newcomer(connection, greeting, place.peer_url(self._scheme, where))
            self._newcomers[newcomer.number] = newcomer
            self._poll.register(connection, select.EPOLLIN)
        except (LiaisonError, OSError):
            self._newcomers.pop(connection.fileno(), None)
            connection.close()

    def _hear(self, newcomer: _Newcomer) -> Connection | None:
        """Let it go on introducing itself; the connection when that is done."""
        greeting, connection = newcomer.greeting, newcomer.socket
        try:
            try:
                greeting.receive(connection.recv(greeting.appetite, socket.MSG_DONTWAIT))
            finally:
                self._answer(connection, greeting)
            if not greeting.done:
                return None
        except BlockingIOError:
            return None
        except (LiaisonError, OSError):
            self._dismiss(newcomer)
            return None
        del self._newcomers[newcomer.number]
        self._poll.unregister(connection)
        return Connection._of(  # pyright: ignore[reportPrivateUsage]
            connection,
            greeting,
            self._coder,
            address=self._address,
            peer_address=newcomer.address,
            ours=self._largest,
            accepted=True,
        )

    def _answer(self, connection: socket.socket, greeting: Greeting) -> None:
        """Say what is to be said; it fits into an empty socket, and who does not read is dropped.

        But who has closed its end already, after all that was asked of it and perhaps messages, is
        to be heard.
        """
        outgoing = greeting.take()
        try:
            if outgoing and connection.send(outgoing, socket.MSG_DONTWAIT) < len(outgoing):
                raise AccessDenied("it does not read")
        except ConnectionError:
            if not greeting.done:
                raise

    def _dismiss(self, newcomer: _Newcomer) -> None:
        self._newcomers.pop(newcomer.number, None)
        newcomer.socket.close()

    def _dismiss_the_slow(self) -> None:
        now = monotonic()
        while self._newcomers:
            oldest = next(iter(self._newcomers.values()))
            if oldest.deadline > now:
                break
            self._dismiss(oldest)
