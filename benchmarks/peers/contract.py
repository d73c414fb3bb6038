"""What the benchmark asks of a contender: links between processes, and the ends of them."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

Role = Literal["sender", "receiver", "ping", "pong"]


class Unsupported(Exception):
    """This contender cannot do what the scenario asks; the message tells a reader why."""


def _no_sending(message: bytes) -> None:
    raise Unsupported("this end only receives")


def _no_receiving() -> bytes:
    raise Unsupported("this end only sends")


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class End:
    """What one process holds of a link: callables.

    Wherever it can be, each is the contender's own bound method, so that nothing of the benchmark
    stands between the loop and what is measured.
    """

    send: Callable[[bytes], Any] = _no_sending
    receive: Callable[[], Any] = _no_receiving
    send_many: Callable[[list[bytes]], Any] | None = None
    receive_many: Callable[[int], Sequence[Any]] | None = None
    loan: Callable[[int], None] | None = None
    """Borrow that many bytes of shared memory and send them, untouched."""
    lease: Callable[[], None] | None = None
    """Take a message, look at it where it lies, and give it back."""
    take: Callable[[], Any] | None = None
    """Take a message; what comes has `acknowledge`."""
    close: Callable[[], None] = _nothing


class Link(ABC):
    """Made by the parent, pickled to the children, who open their ends."""

    @abstractmethod
    def open(self, role: Role) -> End: ...

    def side(self, role: Role) -> Link:
        """What the process in that role is given: mostly the link itself."""
        return self

    def close(self) -> None:
        """In the parent, once the children have ended: remove what would outlive them.

        Called also after children were killed in the middle, so it takes nothing for granted.
        """


@dataclass(frozen=True, slots=True)
class Crossed(Link):
    """Two one-way links: how contenders that only have those talk both ways."""

    there: Link
    back: Link

    def open(self, role: Role) -> End:
        # Both sides open `there` first: some contenders wait in opening for the other side.
        if role == "ping":
            sender, receiver = self.there.open("sender"), self.back.open("receiver")
        else:
            receiver, sender = self.there.open("receiver"), self.back.open("sender")

        def close() -> None:
            sender.close()
            receiver.close()

        return End(sender.send, receiver.receive, close=close)

    def close(self) -> None:
        self.there.close()
        self.back.close()


class Peer(ABC):
    """A contender."""

    name: ClassVar[str]
    module: ClassVar[str]
    """What must be importable."""
    imports: ClassVar[str] = ""
    """What a program that uses it imports, where that is another module."""
    package: ClassVar[str | None] = None
    """Its name on PyPI; `None` for the standard library."""
    hint: ClassVar[str] = ""
    """What else is needed to install it."""
    shared_by_many: ClassVar[str | None] = None
    """Why several senders and receivers cannot share a link; `None` when they can."""
    opened_by_name: ClassVar[bool] = False
    """Whether an unrelated process can open a link, by its name."""
    batches: ClassVar[bool] = False
    in_place: ClassVar[bool] = False

    @abstractmethod
    def one_way(self, size: int, depth: int) -> Link:
        """A link for messages of `size` bytes that holds up to `depth` of them where it can.

        Raises `Unsupported` for what this contender cannot carry.
        """

    def two_way(self, size: int) -> Link:
        """A link on which two processes take turns."""
        return Crossed(self.one_way(size, 16), self.one_way(size, 16))

    def stream(self, size: int) -> Link:
        """A link over a Unix stream socket, both ways; sending waits for who reads."""
        raise Unsupported("has no stream sockets")

    def version(self) -> str:
        """Its version, or "" for the standard library's. ImportError where it is missing."""
        importlib.import_module(self.module)
        return importlib.metadata.version(self.package) if self.package else ""

    def missing(self) -> str:
        """What to tell a reader on whose machine it is not installed."""
        return f"not installed: pip install {self.package}{self.hint}"

    def tidy(self) -> None:
        """At the very end of a run: remove what is nobody's any more."""


def load(module: str) -> Any:
    """An optional module; importing by name keeps type checkers content where it is missing."""
    return importlib.import_module(module)


def fresh_name() -> str:
    """A name nobody else uses; short, since one contender allows 28 characters."""
    return f"lbench-{os.getpid()}-{secrets.token_hex(4)}"
