"""Which carrier an address asks for: by its scheme, and imported when it is first asked for.

Other packages add carriers by an entry point of the group ``liaison.carriers``, whose name is the
scheme and whose object is a `liaison.carriers.contract.Carrier`.
"""

from __future__ import annotations

from importlib import import_module

from liaison.errors import InvalidAddress

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from liaison.address import Address
    from liaison.carriers.contract import Carrier

__all__ = ["carrier_named", "carrier_of", "known", "local_carrier", "pipes_carrier"]

_MODULES = {
    "shm": "liaison.carriers.shm",
    "memory": "liaison.testing.memory",
    **dict.fromkeys(("unix", "tcp", "tls"), "liaison.carriers.stream"),
}

known: dict[str, Carrier] = {}
"""The carriers that were asked for, by their schemes."""


def carrier_of(where: Address) -> Carrier:
    """The carrier of the links at an address. Raises `InvalidAddress` when it carries none."""
    return known.get(where.scheme) or carrier_named(where.scheme, str(where))


def carrier_named(scheme: str, where: str = "") -> Carrier:
    """The carrier of a scheme, for what is at `where`."""
    found = known.get(scheme)
    if found is None:
        found = known[scheme] = _imported(scheme, where or f"{scheme}://")
    return found


def local_carrier() -> Carrier:
    """The carrier of this machine, by which bare names are where nothing else is said."""
    return carrier_named("shm")


def pipes_carrier(space: Address) -> Carrier:
    """The carrier of nameless pipes of a space: the space's own, or else this machine's."""
    try:
        found = carrier_of(space)
    except InvalidAddress:  # it carries sockets, or is not there yet
        return local_carrier()
    return found if found.carries_pipes else local_carrier()


def _imported(scheme: str, where: str) -> Carrier:
    module = _MODULES.get(scheme)
    if module is not None:
        return import_module(module).CARRIER
    from importlib.metadata import entry_points  # takes a while, and seldom is needed

    for entry in entry_points(group="liaison.carriers", name=scheme):
        return entry.load()
    raise InvalidAddress(
        f"{where}: no link of this kind can be carried by {scheme}://; use a bare name or shm://"
    )
