"""An endpoint for its observers."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from liaison import errors
from liaison._native import endpoint as native
from liaison._native.names import label_of
from liaison.carriers import contract
from liaison.carriers.shm.pairs import Caller, Own, Way, names_of, remove_pairs, ways_to
from liaison.carriers.shm.space import open_space
from liaison.link import Peer, Statistics

if TYPE_CHECKING:
    from collections.abc import Generator

    from liaison.address import Address
    from liaison.link import Link

__all__ = ["ObservedEndpoint"]


class ObservedEndpoint(contract.ObservedEndpoint):
    """An endpoint in shared memory, observed; see `liaison.carriers.contract.ObservedEndpoint`."""

    def __init__(self, where: Address) -> None:
        self._where = where
        self._own = Own.begin(where, "observe", {})
        self._space = open_space(where, create=False)
        self._id: str = self._own.about()["id"]

    @property
    def address(self) -> str:
        return str(self._where.called(label_of(self._own)))

    @property
    def aliases(self) -> list[str]:
        name = label_of(self._own)
        return [one for one in names_of(self._space, self._id) if one != name]

    def known_as(self) -> dict[str, list[Peer]]:
        found: dict[str, list[Peer]] = {}
        with self._ways() as ways:
            for way in ways:
                users = found.setdefault(way.called or self._where.name, [])
                users += self._senders(way)
        return {name: users for name, users in sorted(found.items()) if users}

    @property
    def link(self) -> Link:
        with self._ways() as ways:
            senders = {peer: None for way in ways for peer in self._senders(way)}
            total = sum(way.link.bytes for way in ways)
        link = self._own.link
        return link.but(senders=tuple(senders), bytes=link.bytes + total)

    def statistics(self) -> Statistics:
        """The counts of all its links together, and the room on the fullest of them."""
        with self._ways() as ways:
            each = [way.statistics() for way in ways]
        room = min((one.free for one in each), default=self._own.link.capacity or 0)
        return Statistics.together(each).but(free=room)

    def peek(self, max: int = 10) -> list[Any]:
        found: list[Any] = []
        with self._ways() as ways:
            for way in ways:
                found += way.peek(max - len(found))
        return found

    def __len__(self) -> int:
        with self._ways() as ways:
            return sum(map(len, ways))

    def destroy(self, *, force: bool = False) -> None:
        """Destroy it, with all that was sent to it.

        Raises `NotOwner` while a living process has it, without ``force``.
        """
        holder = native.holder(self._own)
        if holder is not None and not force:
            raise errors.NotOwner(
                f"{self.address} is the name of a living process ({holder}); "
                "let that destroy it, or use force=True"
            )
        with suppress(errors.Destroyed):
            self._own.destroy(force=True)
        remove_pairs(self._where, self._id)

    @property
    def closed(self) -> bool:
        return self._own.closed

    def close(self) -> None:
        self._own.close()

    @contextmanager
    def _ways(self) -> Generator[list[Way]]:
        with ExitStack() as stack:
            yield [stack.enter_context(closing(way)) for way in ways_to(self._where, self._id)]

    def _senders(self, way: Way) -> list[Peer]:
        name = Caller(self._space, way)()
        return [peer.but(name=name) for peer in way.link.senders]
