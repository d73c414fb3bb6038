"""Connections: two-way links between two programs, over Unix sockets, TCP and TLS."""

from __future__ import annotations

import contextlib
import operator
import os
import select
import socket
from collections import OrderedDict
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

from liaison.address import Address
from liaison.carriers.stream import frames, place
from liaison.carriers.stream.channel import Channel
from liaison.carriers.stream.greeting import Greeting
from liaison.codec import Coder
from liaison.deadline import Deadline
from liaison.errors import (
    AccessDenied,
    CallTimeout,
    Closed,
    Empty,
    Ended,
    Full,
    InvalidAddress,
    LiaisonError,
)
from liaison.link import Link

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from liaison.codec import Codec
    from liaison.link import Peer

__all__ = ["Connection", "Listener", "connect", "listen"]

_LARGEST = 1 << 26
_NEWCOMERS = 64  # connections that have not said who they are
_LONGEST_POLL = 86400.0  # seconds; the system counts milliseconds with 31 bits
_INTRODUCTION = 5.0  # seconds to say it
_SCHEMES = ("unix", "tcp", "tls")


class Connection(Channel):
    """One end of a two-way link between two programs; `connect` and `Listener.accept` make them.

    Messages are what they are for mailboxes, with their boundaries, in both directions. One thread
    may send while another receives.

    When the other end is closed or its process ends, everything that it sent can still be received;
    then receiving raises `Ended` (an `EOFError`) and sending `Disconnected` (a `BrokenPipeError`),
    which tell what was delivered. Nothing is connected anew behind your back.

    >>> import liaison, tempfile
    >>> place = tempfile.TemporaryDirectory()
    >>> with place, liaison.listen(f"unix://{place.name}/tea") as listener:
    ...     client = liaison.connect(listener.address)
    ...     server = listener.accept()
    ...     client.send({"item": "tea"})
    ...     server.send_many([b"one", 2])
    ...     server.receive(), client.receive_many(10)
    ...     server.close()
    ...     list(client)
    ...     client.close()
    2
    ({'item': 'tea'}, [b'one', 2])
    []
    """

    __slots__ = ("_accepted", "_address", "_coder", "_peer", "_peer_address")

    _coder: Coder

    def __init__(self) -> None:
        """Refuse: a connection has two ends."""
        raise TypeError("connections are made by liaison.connect() and Listener.accept()")

    @classmethod
    def _of(
        cls,
        connection: socket.socket,
        greeting: Greeting,
        coder: Coder,
        *,
        address: str,
        peer_address: str | None,
        ours: int,
        unfinished: bool,
    ) -> Self:
        made = cls.__new__(cls)
        made._address = address
        made._peer_address = peer_address
        made._peer = place.peer_of(connection)
        made._coder = coder
        made._accepted = False
        tls = None
        if greeting.session is not None:
            from liaison.carriers.stream.tls import Stream

            tls = Stream(connection, greeting.session)
        made._open(
            f"the connection to {peer_address or made._peer or address}",
            connection,
            tls=tls,
            rest=greeting.rest,
            greeting=greeting.handshake if unfinished else None,
            ours=ours,
            theirs=min(greeting.theirs, frames.LARGEST),
        )
        return made

    # ---- sending

    def send(self, message: Any, *, timeout: float | None = None) -> None:
        """Send one message.

        It returns when the system has the message, which does not mean that the other program has
        received it. A large message of which a part has left when `timeout` passes counts as sent:
        its rest goes out with what is done next here, see `pending`.

        Raises `Full` when nothing of it could be sent within `timeout` seconds, `TooLarge`,
        `EncodeError`, `Disconnected`, `Closed`.
        """
        self._send_frame(*self._coder.encode(message), timeout)

    def try_send(self, message: Any) -> bool:
        """Send one message if that needs no waiting; return whether it was sent.

        Raises as `send` does, but for `Full`.
        """
        try:
            self._send_frame(*self._coder.encode(message), 0)
        except Full:
            return False
        return True

    def send_many(self, messages: Iterable[Any], *, timeout: float | None = None) -> int:
        """Send messages in their order; return how many were sent within `timeout` seconds.

        Raises `Full` when not even the first was, otherwise as `send` does.
        """
        deadline = Deadline(timeout)
        count = 0
        for message in messages:
            try:
                self._send_frame(*self._coder.encode(message), deadline.remaining())
            except Full:
                if not count:
                    raise
                break
            count += 1
        return count

    # ---- receiving

    def receive(self, *, timeout: float | None = None) -> Any:
        """Receive one message.

        Raises `Empty` when none came within `timeout` seconds, `Ended` when there will be none any
        more, `DecodeError` when the message cannot be decoded (the connection goes on), `TooLarge`
        and `Corrupt` when what came is no message of this link (it does not), `Closed`, and
        `AccessDenied` when it turns out that the other end asks for a token.
        """
        return self._coder.decode(*self._receive_frame(timeout))

    def try_receive(self, default: Any = None) -> Any:
        """Receive one message if there is one, else return `default`. Raises as `receive` does."""
        try:
            frame = self._receive_frame(0)
        except Empty:
            return default
        return self._coder.decode(*frame)

    def receive_many(self, max: int, *, timeout: float | None = None) -> list[Any]:
        """Wait for one message, then take what is there besides: at most `max` in all.

        Raises as `receive` does, and `ValueError` for a `max` below 1.
        """
        if operator.index(max) < 1:
            raise ValueError(f"max={max} is out of range: it is 1 or more")
        messages: list[Any] = [self.receive(timeout=timeout)]
        while len(messages) < max:
            # An end, or a message that cannot be read, is for the next call to tell: these were
            # taken and have to be handed over.
            if not self._more():
                break
            messages.append(self._coder.decode(*self._receive_frame(0)))
        return messages

    def __iter__(self) -> Iterator[Any]:
        """Receive messages until the other end is closed.

        When it was not closed, but its process died or the way there was cut, the loop ends with
        `Ended`.
        """
        while True:
            try:
                message = self.receive()
            except Ended as error:
                if error.clean:
                    return
                raise
            yield message

    # ---- what it is

    @property
    def address(self) -> str:
        """The address that was listened on, a URL."""
        return self._address

    @property
    def peer_address(self) -> str | None:
        """Where the other end is, a URL; None for the client of a Unix socket, which has none."""
        return self._peer_address

    @property
    def peer(self) -> Peer | None:
        """The process at the other end, where the system tells: on Unix sockets."""
        return self._peer

    @property
    def encrypted(self) -> bool:
        """Whether it is TLS."""
        return self._tls is not None

    @property
    def link(self) -> Link:
        """What this link is, and who is on it."""
        self._check_open()
        here = place.own()
        there = self._peer or _unknown(self._peer_address)
        return Link(
            name=self._address,
            id="",
            kind="connection",
            carrier="stream",
            capacity=None,
            direction="two-way",
            max_processes=2,
            established="connected",
            message_size="variable",
            max_message=self._largest,
            senders=(here, there),
            receivers=(here, there),
            access="pair",
            memory=None,
            max_deliveries=None,
            dead_letters=None,
            creator=here if self._accepted else there,
            bytes=self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
            + self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
        )

    def __enter__(self) -> Self:
        """Give this end; the block closes it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close this end."""
        self.close()

    def __repr__(self) -> str:
        """Show what it connects."""
        state = " (closed)" if self.closed else ""
        return f"<Connection {self._peer_address or self._peer or self._address}{state}>"


class _Newcomer:
    """A connection that has not introduced itself yet."""

    __slots__ = ("deadline", "greeting", "socket")

    def __init__(self, connection: socket.socket, greeting: Greeting) -> None:
        self.socket = connection
        self.greeting = greeting
        self.deadline = monotonic() + _INTRODUCTION


class Listener:
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
        "_address",
        "_closed",
        "_coder",
        "_context",
        "_file",
        "_largest",
        "_lock",
        "_newcomers",
        "_pid",
        "_poll",
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
        self._newcomers: OrderedDict[int, _Newcomer] = OrderedDict()
        self._socket, self._address, self._file = place.seat(where, open_to_all=open_to_all)
        self._socket.setblocking(False)
        self._closed = False
        self._watch()

    def _watch(self) -> None:
        self._pid = os.getpid()
        self._newcomers.clear()
        self._poll = select.epoll()
        self._poll.register(self._socket, select.EPOLLIN)

    @property
    def address(self) -> str:
        """Where it listens, a URL; with the real port where port 0 was asked for."""
        return self._address

    def accept(self, timeout: float | None = None) -> Connection:
        """Wait for somebody to connect and to introduce themselves as asked.

        Raises `Empty` when nobody did within `timeout` seconds, `Closed`.
        """
        deadline = Deadline(timeout)
        left = deadline.remaining()
        if not self._lock.acquire(timeout=-1 if left is None else left):
            raise Empty(f"another thread is waiting at {self._address}")
        try:
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
                if late and not found:
                    raise Empty(f"nobody connected to {self._address} in time")
        finally:
            self._lock.release()

    def fileno(self) -> int:
        """Return a descriptor that is readable when `accept` has something to do."""
        self._check_open()
        return self._poll.fileno()

    def close(self) -> None:
        """Stop listening; idempotent. Connections that were accepted go on."""
        if self._closed:
            return
        self._closed = True
        if os.getpid() == self._pid:
            if self._file is not None:
                self._file.remove()
            # Wakes a thread that waits in accept(), and shows those who connect that it is over.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        with self._lock:
            for newcomer in self._newcomers.values():
                newcomer.socket.close()
            self._newcomers.clear()
            self._poll.close()
            self._socket.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def __enter__(self) -> Self:
        """Give the listener; the block closes it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

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
        if os.getpid() != self._pid:
            # The forked child waits by itself: what it accepts is not the parent's.
            self._watch()
            self._file = None

    def _patience(self, deadline: Deadline) -> float | None:
        """Seconds until there is something to do, whatever comes."""
        left = deadline.remaining()
        if left is not None:
            left = min(left, _LONGEST_POLL)
        if self._newcomers:
            oldest = next(iter(self._newcomers.values()))
            first = max(0.0, oldest.deadline - monotonic()) + 0.001
            left = first if left is None else min(left, first)
        return left

    def _admit(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:  # gone again, or another process was faster
            return
        try:
            connection.setblocking(True)
            if self._scheme != "unix":
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            elif self._token is None:
                place.check_neighbour(connection)
            greeting = Greeting(
                "server", token=self._token, largest=self._largest, context=self._context
            )
            if len(self._newcomers) >= _NEWCOMERS:
                self._dismiss(next(iter(self._newcomers.values())))
            self._newcomers[connection.fileno()] = _Newcomer(connection, greeting)
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
                outgoing = greeting.take()
                # It fits into an empty socket; who does not even take that is dropped.
                if outgoing and connection.send(outgoing, socket.MSG_DONTWAIT) < len(outgoing):
                    raise AccessDenied("it does not read")
            if not greeting.done:
                return None
            peer_address = place.peer_url(self._scheme, connection)
        except BlockingIOError:
            return None
        except (LiaisonError, OSError):
            self._dismiss(newcomer)
            return None
        made = Connection._of(  # pyright: ignore[reportPrivateUsage]
            connection,
            greeting,
            self._coder,
            address=self._address,
            peer_address=peer_address,
            ours=self._largest,
            unfinished=False,
        )
        made._accepted = True  # pyright: ignore[reportPrivateUsage]
        self._poll.unregister(connection)
        del self._newcomers[connection.fileno()]
        return made

    def _dismiss(self, newcomer: _Newcomer) -> None:
        self._newcomers.pop(newcomer.socket.fileno(), None)
        newcomer.socket.close()

    def _dismiss_the_slow(self) -> None:
        now = monotonic()
        while self._newcomers:
            oldest = next(iter(self._newcomers.values()))
            if oldest.deadline > now:
                break
            self._dismiss(oldest)


def listen(
    address: str | Address,
    *,
    token: str | bytes | None = None,
    tls: Any = None,
    max_message: int = _LARGEST,
    type: Any = None,
    codec: Codec | str | None = None,
    insecure: bool = False,
) -> Listener:
    """Listen at ``unix:///path``, ``tcp://host:port`` or ``tls://host:port``.

    - ``token``: a secret that who connects has to know too, and to prove it, and vice versa. Make
      it by `secrets.token_hex`; one that can be guessed will be.
    - ``tls``: ``(certificate, key)``, paths of PEM files, or an `ssl.SSLContext`.
    - ``max_message``: bytes of the largest message that is taken from others; 64 MiB.
    - ``type``, ``codec``: as for mailboxes.
    - ``insecure=True`` allows what is refused otherwise: an address that is not this machine's
      alone without TLS and a token, and pickles from where any user of this machine could connect.

    A Unix socket's file is its user's alone (0600), takes the place of a dead listener's, and is
    removed when the listener is closed. Port 0 takes a free port, see `Listener.address`.

    Raises `NameTaken` when somebody listens there, `AccessDenied`, `NotFound`, and `InvalidAddress`
    or `ValueError` for what is not safe or not possible.

    >>> import liaison
    >>> with liaison.listen("tcp://127.0.0.1:0", token="not a good one") as listener:
    ...     listener.address.startswith("tcp://127.0.0.1:")
    True
    """
    where = _parse(address)
    key = _key(token)
    context = None
    if where.scheme == "tls" or tls is not None:
        from liaison.carriers.stream.tls import context_for

        context = context_for(tls, server=True)
    _check_pickle(where, codec, key, insecure)
    return Listener(
        where,
        token=key,
        context=context,
        coder=Coder(type, codec),
        largest=_size(max_message),
        open_to_all=insecure or (context is not None and key is not None),
    )


def connect(
    address: str | Address,
    *,
    token: str | bytes | None = None,
    tls: Any = None,
    timeout: float | None = None,
    max_message: int = _LARGEST,
    type: Any = None,
    codec: Codec | str | None = None,
    insecure: bool = False,
) -> Connection:
    """Connect to where somebody listens.

    The arguments are those of `listen`, but for ``tls``: the path of a PEM file with the
    certificates to trust, or an `ssl.SSLContext`; with ``tls://`` and without it, those that the
    system trusts. Without a token and TLS it returns before the other end has answered; whether
    that asks for a token is then seen by who receives.

    Raises `NotFound` when nobody listens there, `CallTimeout` after `timeout` seconds,
    `AccessDenied` when either end cannot prove who it is, `Corrupt` when it is not liaison that
    listens there, `VersionMismatch`, and `InvalidAddress` or `ValueError` for what is not safe.

    >>> import liaison
    >>> liaison.connect("unix:///nowhere/at/all")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    liaison.errors.NotFound: nobody listens at unix:///nowhere/at/all: ...
    """
    where = _parse(address)
    key = _key(token)
    context, hostname = None, None
    if where.scheme == "tls" or tls is not None:
        from liaison.carriers.stream.tls import context_for

        context = context_for(tls, server=False)
        hostname = where.hosts[0][0] if where.hosts else None
        if not context.verify_mode and key is None and not insecure:
            raise ValueError(
                "this SSLContext checks no certificate, so anybody could answer: give a token= "
                "too, or insecure=True"
            )
    _check_pickle(where, codec, key, insecure)
    largest, coder, deadline = _size(max_message), Coder(type, codec), Deadline(timeout)
    open_to_all = insecure or (context is not None and key is not None)
    connection, answered = place.dial(where, deadline, open_to_all=open_to_all)
    try:
        if where.scheme == "unix" and key is None:
            place.check_neighbour(connection)
        greeting = Greeting(
            "client", token=key, largest=largest, context=context, hostname=hostname
        )
        unfinished = key is None and context is None
        _introduce(connection, greeting, deadline, str(where), wait=not unfinished)
        return Connection._of(  # pyright: ignore[reportPrivateUsage]
            connection,
            greeting,
            coder,
            address=str(where),
            peer_address=answered,
            ours=largest,
            unfinished=unfinished,
        )
    except BaseException:
        connection.close()
        raise


def _introduce(
    connection: socket.socket, greeting: Greeting, deadline: Deadline, where: str, *, wait: bool
) -> None:
    try:
        while True:
            connection.settimeout(_for_python(deadline))
            if outgoing := greeting.take():
                connection.sendall(outgoing, socket.MSG_NOSIGNAL)
            if not wait or greeting.done:
                break
            data = connection.recv(greeting.appetite)
            try:
                greeting.receive(data)
            except LiaisonError:
                if outgoing := greeting.take():  # an alert says why, so that it can be read there
                    connection.send(outgoing, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
                raise
        connection.settimeout(None)
    except TimeoutError:
        raise CallTimeout(f"{where} did not introduce itself in time") from None
    except LiaisonError as error:
        raise error.__class__(f"{where}: {error}") from error
    except ConnectionError as error:
        raise AccessDenied(
            f"{where} closed the connection during the introduction: has it the same token= and "
            "tls=?"
        ) from error


def _for_python(deadline: Deadline) -> float | None:
    left = deadline.remaining()
    return None if left is None else max(left, 0.001)  # 0 would be "do not block" for ever


def _parse(address: str | Address) -> Address:
    where = address if isinstance(address, Address) else Address.parse(address)
    if where.scheme not in _SCHEMES:
        raise InvalidAddress(
            f"{where} is no socket: use unix:///path, tcp://host:port or tls://host:port"
        )
    return where


def _key(token: object) -> bytes | None:
    if token is None:
        return None
    if not isinstance(token, str | bytes):
        raise TypeError(f"a token is a str or bytes, not {token.__class__.__name__}")
    if not token:
        raise ValueError("the token is empty: make one by secrets.token_hex(), or leave it out")
    return token.encode() if isinstance(token, str) else token


def _size(value: int) -> int:
    number = operator.index(value)
    if not 1 <= number <= frames.LARGEST:
        raise ValueError(f"max_message={number} is out of range: it is 1 to {frames.LARGEST}")
    return number


def _check_pickle(where: Address, codec: object, key: bytes | None, insecure: bool) -> None:
    if codec == "pickle" and where.scheme != "unix" and key is None and not insecure:
        raise ValueError(
            'codec="pickle" runs code of whoever is at the other end, and any user may be there: '
            "give a token=, use a Unix socket, or insecure=True"
        )


def _unknown(address: str | None) -> Peer:
    from liaison.link import Peer

    host = Address.parse(address).hosts[0][0] if address else ""
    return Peer(name=None, pid=0, host=host, started=0.0, command="")
