"""Interprocess communication on one machine at memory speed, and across machines by address.

>>> import liaison
>>> with liaison.Mailbox("greetings") as box:
...     box.send("hello")
...     print(box.receive())
...     box.destroy()
hello
"""

from __future__ import annotations

from typing import TYPE_CHECKING as _TYPE_CHECKING

from liaison import errors
from liaison.errors import (
    AccessDenied,
    Busy,
    CallTimeout,
    Closed,
    Corrupt,
    Deadlock,
    DecodeError,
    Destroyed,
    Empty,
    EncodeError,
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
    VersionMismatch,
)
from liaison.link import Link, Peer, Statistics
from liaison.links.mailbox import Mailbox
from liaison.space import Space, spaces

if _TYPE_CHECKING:
    __version__: str
    from liaison.carriers.contract import DeliveryContract as Delivery
    from liaison.carriers.contract import LoanContract as Loan
    from liaison.carriers.contract import ReceiptContract as Receipt
else:
    from liaison._native.mailbox import Delivery, Loan, Receipt

__all__ = [
    "AccessDenied",
    "Busy",
    "CallTimeout",
    "Closed",
    "Corrupt",
    "Deadlock",
    "DecodeError",
    "Delivery",
    "Destroyed",
    "Empty",
    "EncodeError",
    "Full",
    "InvalidAddress",
    "LeaseLost",
    "LiaisonError",
    "Link",
    "Loan",
    "Mailbox",
    "Mismatch",
    "NameTaken",
    "NoReceiver",
    "NoSpace",
    "NotFound",
    "NotOwner",
    "Peer",
    "PeerDied",
    "Receipt",
    "RemoteError",
    "Space",
    "Statistics",
    "TooLarge",
    "VersionMismatch",
    "__version__",
    "errors",
    "spaces",
]


def __getattr__(name: str) -> str:
    if name == "__version__":  # looked up when asked for: reading the metadata takes a while
        from importlib.metadata import version

        return version("liaison-ipc")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
