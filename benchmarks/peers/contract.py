"""What a contender has to provide: links between processes, and their ends."""

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
    """One process's end of a link: callables.

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
    """Receive a message, look at it in place, and acknowledge it."""
    take: Callable[[], Any] | None = None
    """Lease a message; return an object with `acknowledge`."""
    close: Callable[[], None] = _nothing


class Link(ABC):
    """A link, created by the parent and pickled for the children, which open their ends."""

    @abstractmethod
    def open(self, role: Role) -> End: ...

    def side(self, role: Role) -> Link:
        """What the process in that role gets: mostly the link itself."""
        return self

    def close(self) -> None:
        """In the parent, after the children have ended: remove what would outlive them.

        Called also after children were killed in the middle, so it takes nothing for granted.
        """


@dataclass(frozen=True, slots=True)
class Crossed(Link):
    """A two-way link made of two one-way links."""

    there: Link
    back: Link

    def open(self, role: Role) -> End:
        # Both sides open `there` first, because some contenders wait for the other side.
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
    """The module that must be importable."""
    imports: ClassVar[str] = ""
    """The module that a program imports, if that is another one."""
    package: ClassVar[str | None] = None
    """Its name on PyPI; `None` for the standard library."""
    hint: ClassVar[str] = ""
    """Further requirements for its installation."""
    shared_by_many: ClassVar[str | None] = None
    """Why several senders and receivers cannot share a link; `None` when they can."""
    opened_by_name: ClassVar[bool] = False
    """Whether an unrelated process can open a link by name."""
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
        """A two-way link over a Unix stream socket; sending waits for the reader."""
        raise Unsupported("has no stream sockets")

    def version(self) -> str:
        """Its version, or "" for the standard library. Raises ImportError if it is missing."""
        importlib.import_module(self.module)
        return importlib.metadata.version(self.package) if self.package else ""

    def missing(self) -> str:
        """The text for readers if it is not installed."""
        return f"not installed: pip install {self.package}{self.hint}"

    def tidy(self) -> None:
        """At the end of a run: remove what no process uses any more."""


def load(module: str) -> Any:
    """An optional module; importing by name keeps type checkers content where it is missing."""
    return importlib.import_module(module)


def fresh_name() -> str:
    """A unique name; short, because one contender allows 28 characters."""
    return f"lbench-{os.getpid()}-{secrets.token_hex(4)}"
