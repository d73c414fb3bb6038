"""An end in shared memory, by the engine, and what its link is."""

from __future__ import annotations

from liaison._native import end as native
from liaison._native.delivery import Delivery
from liaison._native.loan import Loan
from liaison._native.mailbox import MailboxEnd as NativeEnd
from liaison._native.receipt import Receipt
from liaison._native.several import Several
from liaison.carriers import contract
from liaison.carriers.shm.space import in_space
from liaison.link import Link

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from liaison._native.space import SpaceHandle
    from liaison.address import Address
    from liaison.carriers.contract import How, Reading
    from liaison.link import Established, Kind, Peer

__all__ = ["MailboxEnd", "link_of"]

_ESTABLISHED: dict[Kind, Established] = {
    "endpoint": "automatic",
    "pipe": "inherited",
}  # others: by name
_LARGEST_DIRECT = 1 << 30  # bytes: what the engine lets an arena grow to

_HOW: dict[How, int] = {
    "open": native.OPEN,
    "create": native.CREATE,
    "open or create": native.OPEN_OR_CREATE,
    "observe": native.OBSERVE,
}


def link_of(facts: dict[str, Any], senders: Iterable[Peer] | None = None) -> Link:
    """A link, of the engine's facts; `senders`, where these are others than those that it tells."""
    attached = facts.pop("attached")
    pair_capacity = facts.pop("pair_capacity")
    kind = facts["kind"]
    if kind == "endpoint":  # what it is to its users, and not what its own messages are
        facts |= {
            "capacity": pair_capacity,
            "max_processes": 2,
            "message_size": "variable",
            "max_message": _LARGEST_DIRECT,
        }
    both = kind == "named pipe"  # each of its two processes sends and receives
    return Link(
        carrier="shm",
        direction="two-way" if kind == "endpoint" or both else "one-way",
        established=_ESTABLISHED.get(kind, "named"),
        senders=tuple(
            (peer for peer, sends, _ in attached if sends or both) if senders is None else senders
        ),
        receivers=tuple(peer for peer, _, receives in attached if receives or both),
        **facts,
    )


class MailboxEnd(NativeEnd):
    """A mailbox's end in shared memory; see `liaison.carriers.contract.End`."""

    __slots__ = ()

    def start(
        self,
        where: Address,
        how: How,
        reading: Reading,
        dead_letter: Callable[[Any, int, memoryview, int], None],
        empty_orphan: Callable[[SpaceHandle, str], object],
        name: str = "",
        **words: Any,
    ) -> None:
        """Open or create the link, by the engine's words for what it is to be."""

        def begin(space: SpaceHandle) -> None:
            self.begin_link(
                *(space, name or where.name, str(where), _HOW[how]),
                *(reading.coder, reading.bytes_only, dead_letter, empty_orphan),
                default_dead_letters=f"{where}.dead",
                **words,
            )

        in_space(where, begin, create=how in ("create", "open or create"))

    @property
    def link(self) -> Link:
        """What this link is, and who is on it at this moment."""
        return link_of(self.facts())

    def several(self, links: list[Any]) -> Several | None:
        """What waits for these links together, where all are mailboxes of this one's space."""
        return Several.of(links)


contract.End.register(MailboxEnd)
contract.Several.register(Several)
contract.Delivery.register(Delivery)
contract.Loan.register(Loan)
contract.Receipt.register(Receipt)
