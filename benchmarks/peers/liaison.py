"""liaison itself, used as a user would."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .contract import Crossed, End, Link, Peer, Role, Unsupported, fresh_name, load

# A space of its own, apart from the user's links.
SPACE = f"bench-{os.getpid()}"

# Up to here a mailbox has its defaults; larger ones get `memory=`.
_DEFAULTS_UP_TO = 1024


def space_directory() -> Path:
    """The directory of the space of this run."""
    return Path(load("liaison").Space(SPACE).path)


@dataclass(frozen=True, slots=True)
class _Mailbox(Link):
    """A mailbox or a queue, which have the same methods."""

    address: str
    creator: Any
    kind: str = "Mailbox"

    def open(self, role: Role) -> End:
        box: Any = getattr(load("liaison"), self.kind).open(self.address)

        def loan(size: int) -> None:
            with box.loan(size) as message:
                message.send()

        def lease() -> None:
            with box.lease() as delivery:
                delivery.view  # noqa: B018 (looking at it is the point)

        return End(
            send=box.send,
            receive=box.receive,
            send_many=box.send_many,
            receive_many=box.receive_many,
            loan=loan,
            lease=lease,
            take=box.lease,
            close=box.close,
        )

    def close(self) -> None:
        self.creator.destroy(force=True)
        self.creator.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _Mailbox, (self.address, None, self.kind)  # children open it by its name


@dataclass(frozen=True, slots=True)
class _Port(Link):
    """Its receiver creates it in its own process; the sender waits for that."""

    address: str

    def open(self, role: Role) -> End:
        liaison: Any = load("liaison")
        if role == "receiver":
            port = liaison.Port(self.address)
            return End(receive=port.receive, close=port.close)
        deadline = time.monotonic() + 20
        while True:
            try:
                port = liaison.Port.open(self.address)
            except liaison.NotFound:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.001)
            else:
                return End(send=port.send, close=port.close)


@dataclass(frozen=True, slots=True)
class _PipeSide(Link):
    """One process's ends of two pipes. They have no name, so they are passed as arguments."""

    reader: Any
    writer: Any

    def open(self, role: Role) -> End:
        return End(self.writer.send, self.reader.receive, close=self.close)

    def close(self) -> None:
        self.writer.close()
        self.reader.close()


@dataclass(frozen=True, slots=True)
class _Pipes(Link):
    ping: _PipeSide
    pong: _PipeSide

    def open(self, role: Role) -> End:
        return self.side(role).open(role)

    def side(self, role: Role) -> Link:
        return self.ping if role == "ping" else self.pong

    def close(self) -> None:
        self.ping.close()
        self.pong.close()


@dataclass(frozen=True, slots=True)
class _Direct(Link):
    """Two endpoints, by name; the first message sets up the link of the pair."""

    first: str
    second: str

    def open(self, role: Role) -> End:
        mine, other = (self.first, self.second) if role == "ping" else (self.second, self.first)
        endpoint: Any = load("liaison").Endpoint(mine)
        return End(
            partial(endpoint.send, other),
            partial(endpoint.receive, other),
            close=endpoint.destroy,
        )


@dataclass(frozen=True, slots=True)
class Kind:
    """One of our own kinds of links."""

    needs: str
    """Of which name in the module."""
    link: Callable[[int], Link]
    """For messages of so many bytes: what two processes take turns on, or hand over."""

    def is_there(self) -> bool:
        return hasattr(load("liaison"), self.needs)


def _address() -> str:
    return f"shm://{SPACE}/{fresh_name()}"


def _mailbox(**how: Any) -> Link:
    address = _address()
    return _Mailbox(address, load("liaison").Mailbox.create(address, **how))


def _queue(size: int) -> Link:
    address = _address()
    return _Mailbox(
        address, load("liaison").MessageQueue.create(address, message_size=size), "MessageQueue"
    )


def _pipes() -> Link:
    there, back = load("liaison").pipe(), load("liaison").pipe()
    return _Pipes(_PipeSide(back[0], there[1]), _PipeSide(there[0], back[1]))


KINDS: dict[str, Kind] = {
    "mailbox": Kind("Mailbox", lambda size: Crossed(_mailbox(), _mailbox())),
    "queue": Kind("MessageQueue", lambda size: Crossed(_queue(size), _queue(size))),
    "port": Kind("Port", lambda size: Crossed(_Port(_address()), _Port(_address()))),
    "pipe": Kind("pipe", lambda size: _pipes()),
    "direct": Kind("Endpoint", lambda size: _Direct(_address(), _address())),
    "hand-over": Kind("Mailbox", lambda size: _mailbox(capacity=0)),
}
"""By the names that the figures have."""


@dataclass(frozen=True, slots=True)
class _Connection(Link):
    path: str

    def open(self, role: Role) -> End:
        liaison: Any = load("liaison")
        address = f"unix://{self.path}"
        if role in ("receiver", "pong"):
            with liaison.listen(address) as listener:
                connection = listener.accept(timeout=30)
        else:
            deadline = time.monotonic() + 30
            while True:
                try:
                    connection = liaison.connect(address)
                    break
                except liaison.NotFound:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.001)
        return End(send=connection.send, receive=connection.receive, close=connection.close)

    def close(self) -> None:
        Path(self.path).unlink(missing_ok=True)


class Liaison(Peer):
    name = "liaison"
    module = "liaison"
    package = "liaison-ipc"
    opened_by_name = True
    batches = True
    in_place = True

    def one_way(self, size: int, depth: int) -> Link:
        liaison: Any = load(self.module)
        if not hasattr(liaison, "Mailbox"):
            raise Unsupported("this build has no mailboxes")
        address = f"shm://{SPACE}/{fresh_name()}"
        if size <= _DEFAULTS_UP_TO:
            return _Mailbox(address, liaison.Mailbox.create(address))
        memory = depth * (size + 4096)
        return _Mailbox(address, liaison.Mailbox.create(address, capacity=depth, memory=memory))

    def stream(self, size: int) -> Link:
        return _Connection(str(Path(tempfile.gettempdir(), fresh_name())))

    def tidy(self) -> None:
        shutil.rmtree(space_directory(), ignore_errors=True)
