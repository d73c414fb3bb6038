"""Listeners: which connections are accepted."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import socket
import weakref
from threading import Lock, get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any

from liaison._native.descriptor import Descriptor
from liaison._native.poll import Poll
from liaison.carriers.contract import ListenerEnd
from liaison.carriers.stream import place
from liaison.carriers.stream.connection import Conversation
from liaison.carriers.stream.greeting import Greeting
from liaison.carriers.stream.newcomers import Newcomer, Newcomers, neighbourhood_of
from liaison.deadline import Deadline
from liaison.errors import AccessDenied, Closed, Empty, LiaisonError

if TYPE_CHECKING:
    from liaison.carriers.stream.binding import SocketFile
    from liaison.carriers.stream.trust import Trust

__all__ = ["Listening"]

_BATCH = 64  # connections that come in before those who are here are heard again
_LOOKS = 4  # when the time is up: each takes in a batch, and hears those who are here
_FIRST = 4096  # bytes of somebody who has said nothing yet
_WITHOUT_MEANS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_log = logging.getLogger("liaison.listener")
logging.getLogger("liaison").addHandler(logging.NullHandler())

_listeners: weakref.WeakSet[Listening] = weakref.WeakSet()


def _forked() -> None:
    for listener in list(_listeners):
        listener._after_fork()  # pyright: ignore[reportPrivateUsage]


os.register_at_fork(after_in_child=_forked)


class _Newcomer(Newcomer):
    """A connection whose handshake is not complete."""

    __slots__ = ("came_from", "descriptor", "greeting", "socket", "watched")

    def __init__(self, connection: socket.socket, came_from: Any, neighbourhood: str) -> None:
        super().__init__(neighbourhood)
        self.socket = connection
        self.descriptor = Descriptor(connection.fileno())
        self.came_from = came_from  # the system forgets it when the other end is gone
        self.greeting: Greeting | None = None  # once there is something to answer
        self.watched = False

    @property
    def number(self) -> int:
        return self.descriptor.number


class Listening(ListenerEnd):
    """A socket that is listened on, and the connections whose handshake goes on.

    Nothing runs in the background: these make progress while `accept` waits.
    """

    __slots__ = (
        "__weakref__",
        "_accepting",
        "_address",
        "_closed",
        "_descriptor",
        "_file",
        "_lock",
        "_newcomers",
        "_numbers",
        "_pid",
        "_poll",
        "_rope",
        "_scheme",
        "_socket",
        "_trust",
        "_wound",
    )

    def __init__(
        self, bound: tuple[socket.socket, str, SocketFile | None], scheme: str, trust: Trust
    ) -> None:
        """Take over what `bind` has made."""
        self._trust = trust
        self._scheme = scheme
        self._closed = True
        self._lock = Lock()
        self._accepting = 0  # the thread that does
        self._socket, self._address, self._file = bound
        self._socket.setblocking(False)
        self._descriptor = Descriptor(self._socket.fileno())
        self._pid = os.getpid()
        self._closed = False
        self._rope = [True]  # who takes it closes
        self._watch()
        _listeners.add(self)

    def _watch(self) -> None:
        self._newcomers: Newcomers[_Newcomer] = Newcomers()
        self._numbers: dict[int, _Newcomer] = {}  # by their descriptors
        self._wound: float | None = None
        self._poll = Poll(timer=True)  # so that it tells of those whose time is up as well
        self._poll.register(self._socket.fileno(), select.EPOLLIN)

    @property
    def address(self) -> str:
        """Where it listens, a URL; with the real port where port 0 was asked for."""
        return self._address

    def accept(self, timeout: float | None = None) -> Conversation:
        """Wait for a connection and its complete handshake.

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
                if not self._poll.stands():
                    self._forget()
                    self._watch()
                    self._check_open()  # close() may have rung the one before
                self._wind()
                found = self._poll.poll(0 if late else deadline.remaining(), _BATCH)
                self._check_open()
                made = self._look(found)
                if made is not None:
                    return made
                looks -= late
                if late and not (found and looks):
                    raise Empty(f"nobody connected to {self._address} in time")
        finally:
            self._accepting = 0
            if self._closed:
                self._give_up()
            else:
                self._wind()
            self._lock.release()

    @property
    def dropped(self) -> int:
        """How many connections were dropped before their handshake was complete.

        The logger ``liaison.listener`` says from where, once a second at most.
        """
        return self._newcomers.dropped

    def fileno(self) -> int:
        self._check_open()
        return self._poll.fileno()

    def close(self) -> None:
        """Stop listening; idempotent. Connections that were accepted go on."""
        try:
            self._rope.pop()
        except IndexError:
            return
        # In this order: accept() makes another set, and then asks whether it is closed.
        self._closed = True
        self._poll.ring()
        if os.getpid() == self._pid:
            if self._file is not None:
                self._file.remove()
            # Shows those who connect that it is over. It is not a forked child's to say so.
            if self._descriptor.stands():
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
        # A thread that is within accept() gives it all up when it leaves; that may be this thread,
        # of which a signal's handler closes what it has interrupted.
        if self._accepting != get_ident():
            with self._lock:
                self._give_up()

    def _give_up(self) -> None:
        self._forget()
        self._descriptor.release(self._socket)

    def _forget(self) -> None:
        """Give up those who are here, and what tells of them."""
        for newcomer in self._numbers.values():
            newcomer.descriptor.release(newcomer.socket)
        self._numbers.clear()
        self._poll.close()

    @property
    def closed(self) -> bool:
        return self._closed

    def __del__(self) -> None:
        """Close a listener that nobody has any more."""
        if not getattr(self, "_closed", True):
            self.close()

    # ---- newcomers

    def _check_open(self) -> None:
        if not self._closed and not self._descriptor.stands():
            self.close()  # this process has closed its socket, as daemons close all that they have
        if self._closed:
            raise Closed(f"{self._address} was closed; listen again")

    def _after_fork(self) -> None:
        """In the child, which waits by itself: what it accepts is not the parent's."""
        if self._accepting != get_ident():  # another thread of the parent's, which is not here
            self._accepting = 0
            self._lock = Lock()
        if not self._closed:
            self._forget()  # all that would be the parent's too
            self._file = None
            self._rope = [True]
            if self._descriptor.stands():
                self._watch()

    def _wind(self) -> None:
        """Have the timer wake the waiting thread when there is something to do."""
        due = self._newcomers.due()
        if due != self._wound:
            self._wound = due
            self._poll.remind(None if due is None else due - monotonic())

    def _look(self, numbers: list[int]) -> Conversation | None:
        """Hear those who have said something, then those who come; a connection when it is made."""
        now = monotonic()
        try:
            for newcomer in self._newcomers.released(now=now):
                if (made := self._hear(newcomer)) is not None:
                    return made
            for number in numbers:
                newcomer = self._numbers.get(number)
                if newcomer is not None and (made := self._hear(newcomer)) is not None:
                    return made
            for newcomer in self._newcomers.overdue(now=now):
                self._dismiss(newcomer)
            if self._socket.fileno() in numbers:
                return self._admit()
            return None
        finally:
            told = self._newcomers.report(now=now)
            if told is not None:
                _log.warning(
                    "%r: no place was left for, or a wrong token came from, %d connections, "
                    "most of them from %r",
                    self._address,
                    *told,
                )

    def _admit(self) -> Conversation | None:
        for _ in range(_BATCH):
            try:
                connection, came_from = self._socket.accept()
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno not in _WITHOUT_MEANS:
                    continue  # it is gone again
                if not self._newcomers:
                    raise
                self._close(self._newcomers.crowd_out())
                return None
            try:
                made = self._receive(connection, came_from)
            except (LiaisonError, OSError):
                newcomer = self._numbers.get(connection.fileno())
                if newcomer is not None:
                    self._dismiss(newcomer)
                else:
                    connection.close()
                continue
            if made is not None:
                return made
        return None

    def _receive(self, connection: socket.socket, came_from: Any) -> Conversation | None:
        if self._scheme == "unix":
            if self._trust.key is None:
                place.check_neighbour(connection)
            neighbourhood = f"user {place.user_of(connection)}"
        else:
            neighbourhood = neighbourhood_of(came_from[0])
        newcomer = _Newcomer(connection, came_from, neighbourhood)
        loser = self._newcomers.admit(newcomer, now=monotonic())
        if loser is not None:
            self._close(loser)
        self._numbers[newcomer.number] = newcomer
        return self._hear(newcomer)  # one that has sent something already is not taken for silent

    def _hear(self, newcomer: _Newcomer) -> Conversation | None:
        """Go on with its handshake; return the connection when that is complete."""
        greeting, connection = newcomer.greeting, newcomer.socket
        if not newcomer.descriptor.stands():
            self._dismiss(newcomer)
            return None
        if (
            greeting is not None
            and greeting.awaits_proof
            and not self._newcomers.may_prove(newcomer, now=monotonic())
        ):
            self._listen_to(newcomer, on=False)
            return None
        try:
            data = connection.recv(
                _FIRST if greeting is None else greeting.appetite, socket.MSG_DONTWAIT
            )
            if greeting is None:
                self._newcomers.heard(newcomer)
                trust = self._trust
                greeting = newcomer.greeting = Greeting(
                    "server", token=trust.key, largest=trust.largest, context=trust.context
                )
            try:
                greeting.receive(data)
            finally:
                self._answer(connection, greeting)
        except BlockingIOError:
            pass
        except (LiaisonError, OSError):
            if greeting is None or not greeting.refuted:
                self._dismiss(newcomer)
                return None
            # An answer at once would be worth a guess: it waits for that, and counts meanwhile.
            self._newcomers.guessed(newcomer, now=monotonic())
            self._listen_to(newcomer, on=False)
            return None
        if greeting is None or not greeting.done:
            self._listen_to(newcomer, on=True)
            return None
        self._listen_to(newcomer, on=False)
        del self._numbers[newcomer.number]
        self._newcomers.leave(newcomer)
        if self._scheme != "unix":
            place.tune(connection)
        return Conversation(
            connection,
            greeting,
            self._trust,
            address=self._address,
            peer_address=place.peer_url(self._scheme, newcomer.came_from),
            accepted=True,
        )

    def _listen_to(self, newcomer: _Newcomer, *, on: bool) -> None:
        if on != newcomer.watched:
            newcomer.watched = on
            if on:
                self._poll.register(newcomer.number, select.EPOLLIN)
            else:
                self._poll.unregister(newcomer.number)

    def _answer(self, connection: socket.socket, greeting: Greeting) -> None:
        """Send the answer, which fits into an empty socket: an end that does not read is dropped.

        But an end that has closed already, after a complete handshake and perhaps messages, is
        still accepted.
        """
        outgoing = greeting.take()
        try:
            if outgoing and connection.send(outgoing, socket.MSG_DONTWAIT) < len(outgoing):
                raise AccessDenied("it does not read")
        except ConnectionError:
            if not greeting.done:
                raise

    def _dismiss(self, newcomer: _Newcomer) -> None:
        self._newcomers.drop(newcomer)
        self._close(newcomer)

    def _close(self, newcomer: _Newcomer) -> None:
        if self._numbers.get(newcomer.number) is newcomer:
            del self._numbers[newcomer.number]
        newcomer.descriptor.release(newcomer.socket)
