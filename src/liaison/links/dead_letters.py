"""Dead letters: where messages go that nobody can handle, or that nobody received.

A message is sent there first and taken away here afterwards: dying between the two leaves it in
both places rather than in neither.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from time import monotonic, sleep

from liaison.address import Address
from liaison.carriers import shm
from liaison.errors import Busy, Full, InvalidAddress, NotFound
from liaison.links import mailbox  # which needs this one: looked into when both are there

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Any

    from liaison._native.space import SpaceHandle

__all__ = ["beside", "bury", "default_dead_letters", "mourn"]

_PATIENCE = 2.0  # seconds for somebody else who moves a port's messages; it may have been stopped


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


def bury(end: Any, format: int, payload: memoryview, attempt: int) -> None:
    """Send a message that was delivered too often to its link's dead letters."""
    with mailbox.Mailbox(beside(Address.parse(end.address), end.dead_letters)) as dead:
        try:
            dead._forward(format, payload)  # type: ignore[attr-defined]
        except Full:
            raise Full(
                f"a message of {end.address} was delivered {attempt} times and belongs to its dead "
                f"letters, but {dead.address} is full; receive from that first"
            ) from None


def mourn(space: SpaceHandle, address: str) -> bool:
    """Move what a port's dead receiver did not settle to its dead letters; then the port is gone.

    Returns whether there was such a port. Raises `Full` when the dead letters have no room,
    with the rest left where it is, and `Busy` when somebody living does not let go of a message.
    """
    end = monotonic() + _PATIENCE
    while True:
        try:
            burial = shm.Burial(space, Address.parse(address).name, address)
            break
        except NotFound:
            return False
        except Busy:  # somebody is at it
            if monotonic() > end:
                raise
            sleep(0.001)
    with closing(burial), ExitStack() as opened:
        dead: Any = None

        def forward(format: int, payload: memoryview) -> None:
            nonlocal dead
            if dead is None:  # made when it is needed, not before
                dead = opened.enter_context(
                    mailbox.Mailbox(beside(Address.parse(address), burial.dead_letters))
                )
            dead._forward(format, payload)

        try:
            burial.move(forward)
        except Full:
            raise Full(
                f"the receiver of {address} has ended, and what it did not receive belongs to its "
                f"dead letters, but {burial.dead_letters} is full; receive from that first"
            ) from None
    return True
