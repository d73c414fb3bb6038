"""Interprocess communication: links in shared memory on one machine, and over sockets.

>>> import liaison
>>> with liaison.Mailbox("greetings") as box:
...     box.send("hello")
...     print(box.receive())
...     box.destroy()
hello
"""

from __future__ import annotations

from liaison import errors
from liaison.address import Address
from liaison.carriers.contract import Delivery, Loan, Receipt
from liaison.carriers.registry import local_carrier as _local_carrier
from liaison.errors import (
    AccessDenied,
    Busy,
    CallTimeout,
    Closed,
    Corrupt,
    Deadlock,
    DecodeError,
    Destroyed,
    Disconnected,
    Empty,
    EncodeError,
    Ended,
    Full,
    InvalidAddress,
    LeaseLost,
    LiaisonError,
    Mismatch,
    NameTaken,
    NoReceiver,
    NoSpace,
    NotFound,
    NotOwner,
    PeerDied,
    RemoteError,
    TooLarge,
    Unsupported,
    VersionMismatch,
)
from liaison.link import Link, Peer, Statistics
from liaison.links.mailbox import Mailbox
from liaison.links.port import Port
from liaison.links.queue import MessageQueue
from liaison.links.wait import wait

# A program that has given up its rights, or its root directory, may be unable to import the carrier
# when it opens its first link. What encodes messages comes with that link still: it takes as long
# as all the rest.
_local_carrier()

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Any as _Any

    __version__: str
    from liaison.codec import Codec
    from liaison.links.endpoint import Endpoint, receive, send
    from liaison.links.pipe import NamedPipe, PipeReader, PipeWriter, pipe
    from liaison.links.socket import Connection, Listener, connect, listen
    from liaison.space import Space, spaces

__all__ = [
    "AccessDenied",
    "Address",
    "Busy",
    "CallTimeout",
    "Closed",
    "Codec",
    "Connection",
    "Corrupt",
    "Deadlock",
    "DecodeError",
    "Delivery",
    "Destroyed",
    "Disconnected",
    "Empty",
    "EncodeError",
    "Ended",
    "Endpoint",
    "Full",
    "InvalidAddress",
    "LeaseLost",
    "LiaisonError",
    "Link",
    "Listener",
    "Loan",
    "Mailbox",
    "MessageQueue",
    "Mismatch",
    "NameTaken",
    "NamedPipe",
    "NoReceiver",
    "NoSpace",
    "NotFound",
    "NotOwner",
    "Peer",
    "PeerDied",
    "PipeReader",
    "PipeWriter",
    "Port",
    "Receipt",
    "RemoteError",
    "Space",
    "Statistics",
    "TooLarge",
    "Unsupported",
    "VersionMismatch",
    "__version__",
    "connect",
    "errors",
    "listen",
    "pipe",
    "receive",
    "send",
    "spaces",
    "wait",
]


# To import all of it takes three times as long as what most programs need: the rest is imported
# when it is first used.
_LATER = {
    name: module
    for module, names in {
        "liaison.codec": ("Codec",),
        "liaison.links.endpoint": ("Endpoint", "receive", "send"),
        "liaison.links.pipe": ("NamedPipe", "PipeReader", "PipeWriter", "pipe"),
        "liaison.links.socket": ("Connection", "Listener", "connect", "listen"),
        "liaison.space": ("Space", "spaces"),
    }.items()
    for name in names
}


def __getattr__(name: str) -> _Any:
    if name == "__version__":  # looked up when asked for: reading the metadata takes a while
        from importlib.metadata import version

        return version("liaison-ipc")
    if name in _LATER:
        from importlib import import_module

        globals()[name] = found = getattr(import_module(_LATER[name]), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
