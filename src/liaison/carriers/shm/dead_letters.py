"""Links in shared memory, and their dead letters: messages that nobody can handle, or received.

A message is sent there first and taken away here afterwards: dying between the two leaves it in
both places rather than in neither.
"""

from __future__ import annotations

from time import monotonic, sleep

from liaison._native.orphan import Orphan
from liaison.address import Address
from liaison.carriers.contract import Policy, Reading
from liaison.carriers.shm.end import MailboxEnd
from liaison.dead_letters import beside
from liaison.errors import Busy, Full, NotFound

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Any

    from liaison._native.space import SpaceHandle
    from liaison.carriers.contract import How

__all__ = ["empty_orphan", "open_link", "sizes"]

_PATIENCE = 2.0  # seconds for somebody else who moves a port's messages; it may have been stopped


def open_link(where: Address, how: How, policy: Policy, reading: Reading) -> MailboxEnd:
    """An end of the link at `where`, whose dead letters are seen to."""
    end = MailboxEnd.__new__(MailboxEnd)
    words: dict[str, Any] = {
        **sizes(policy),
        "kind": policy.kind,
        "access": policy.access,
        "max_deliveries": policy.max_deliveries or 0,
        "dead_letters": policy.dead_letters or "",
        "lifetime": policy.lifetime,
    }
    end.start(where, how, reading, dead_letter, empty_orphan, **words)
    return end


def sizes(policy: Policy) -> dict[str, int]:
    """The engine's words for what was said of its size, or left unsaid."""
    return {
        "capacity": -1 if policy.capacity is None else policy.capacity,
        "max_message": policy.max_message or 0,
        "memory": policy.memory or 0,
    }


def _dead_letters_of(link: str, dead_letters: str) -> MailboxEnd:
    """The mailbox of a link's dead letters, made where it is missing."""
    where = beside(Address.parse(link), dead_letters)
    return open_link(where, "open or create", Policy(kind="mailbox"), Reading.of(None, None))


def dead_letter(end: MailboxEnd, format: int, payload: memoryview, attempt: int) -> None:
    """Send a message that was delivered too often to its link's dead letters."""
    dead = _dead_letters_of(end.address, end.dead_letters)
    try:
        dead.forward(format, payload)
    except Full:
        raise Full(
            f"a message of {end.address} was delivered {attempt} times and belongs to its dead "
            f"letters, but {dead.address} is full; receive from that first"
        ) from None
    finally:
        dead.close()


def empty_orphan(space: SpaceHandle, address: str) -> bool:
    """Move what a port's dead receiver did not settle to its dead letters; then the port is gone.

    Returns whether there was such a port. Raises `Full` when the dead letters have no room,
    with the rest left where it is, and `Busy` when somebody living does not let go of a message.
    """
    end = monotonic() + _PATIENCE
    while True:
        try:
            orphan = Orphan(space, Address.parse(address).name, address)
            break
        except NotFound:
            return False
        except Busy:  # somebody is at it
            if monotonic() > end:
                raise
            sleep(0.001)
    dead: MailboxEnd | None = None

    def forward(format: int, payload: memoryview) -> None:
        nonlocal dead
        if dead is None:  # made when it is needed, not before
            dead = _dead_letters_of(address, orphan.dead_letters)
        dead.forward(format, payload)

    try:
        orphan.move(forward)
    except Full:
        raise Full(
            f"the receiver of {address} has ended, and what it did not receive belongs to its "
            f"dead letters, but {orphan.dead_letters} is full; receive from that first"
        ) from None
    finally:
        if dead is not None:
            dead.close()
        orphan.close()
    return True
