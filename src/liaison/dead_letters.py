"""The address of a link's dead letters: messages that were never acknowledged."""

from __future__ import annotations

from liaison.address import Address
from liaison.errors import InvalidAddress

__all__ = ["beside", "default_dead_letters"]


def beside(where: Address, address: str) -> Address:
    """Return the address of dead letters of the link at `where`; a bare name is in its space."""
    meant = Address.parse(address)
    if "://" not in address:
        return where.called(meant.name)
    if meant.scheme != where.scheme:
        raise InvalidAddress(
            f"{meant}: dead letters go where the link is; use a bare name or {where.scheme}://"
        )
    if where.owner is not None and meant.called(where.name) != where:
        # The process that moves the messages has other rights than the one that chose the address:
        # a member of the group could so write into a space that is private to another member.
        raise InvalidAddress(
            f"{meant}: the dead letters of a link in a shared space stay in that space; use a bare "
            "name"
        )
    return meant


def default_dead_letters(where: Address) -> str:
    """Return the default address, ``NAME.dead``. Raises `InvalidAddress` when it is too long."""
    return str(beside(where, f"{where.name}.dead"))
