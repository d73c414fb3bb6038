"""What each carrier promises: all that crosses from the links above to whoever carries them.

A carrier is one object, a `Carrier`, which `liaison.carriers.registry` finds by the scheme of an
address. It makes ends, and a user's object has one. An end owns what it gives out until that is
settled. Where a method waits, ``timeout`` is in seconds: None waits for ever, 0 does not wait, and
Ctrl-C interrupts. Every method may be called from many threads, and after a fork from the child.

What it raises stands at the methods of the links, `liaison.Mailbox` and the rest.
"""

from __future__ import annotations

from liaison.carriers.contract.carrier import Carrier, Policy, Reading
from liaison.carriers.contract.end import End, PipeEnd, Several
from liaison.carriers.contract.held import Delivery, Loan, Receipt

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Any as _Any

    from liaison.carriers.contract.carrier import How as How
    from liaison.carriers.contract.connection import ConnectionEnd, ListenerEnd, Terms
    from liaison.carriers.contract.endpoint import Correspondent as Correspondent
    from liaison.carriers.contract.endpoint import EndpointEnd, ObservedEndpoint
    from liaison.carriers.contract.held import State as State
    from liaison.carriers.contract.space import Cleaned, Listed, SpaceEnd

__all__ = [
    "Carrier",
    "Cleaned",
    "ConnectionEnd",
    "Delivery",
    "End",
    "EndpointEnd",
    "Listed",
    "ListenerEnd",
    "Loan",
    "ObservedEndpoint",
    "PipeEnd",
    "Policy",
    "Reading",
    "Receipt",
    "Several",
    "SpaceEnd",
    "Terms",
]

# What a program that only needs a mailbox does not wait for.
_LATER = {
    "ConnectionEnd": "connection",
    "ListenerEnd": "connection",
    "Terms": "connection",
    "EndpointEnd": "endpoint",
    "ObservedEndpoint": "endpoint",
    "Cleaned": "space",
    "Listed": "space",
    "SpaceEnd": "space",
}


def __getattr__(name: str) -> _Any:
    if name in _LATER:
        from importlib import import_module

        globals()[name] = found = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
