"""Dead letters: the address of messages that nobody can handle, or that nobody received."""

from __future__ import annotations

from liaison.address import Address
from liaison.errors import InvalidAddress

__all__ = ["beside", "default_dead_letters"]


def beside(where: Address, address: str) -> Address:
    """An address as the users of the link at `where` mean it: a bare name is in its space."""
    meant = Address.parse(address)
    if "://" not in address:
        return where.called(meant.name)
    if meant.scheme != where.scheme:
        raise InvalidAddress(
            f"{meant}: dead letters go where the link is; use a bare name or {where.scheme}://"
        )
    if where.owner is not None and meant.called(where.name) != where:
        # Whoever moves them there has other rights than whoever said so: what a member of the group
        # writes would land in a space that is another member's alone.
        raise InvalidAddress(
            f"{meant}: the dead letters of a link in a shared space stay in that space; use a bare "
            "name"
        )
    return meant


def default_dead_letters(where: Address) -> str:
    """Where they go when nothing was said. Raises `InvalidAddress` when that is too long."""
    return str(beside(where, f"{where.name}.dead"))
