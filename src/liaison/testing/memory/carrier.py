"""The carrier itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liaison.carriers import contract
from liaison.errors import Busy
from liaison.testing.memory.desk import Desk
from liaison.testing.memory.end import LinkEnd
from liaison.testing.memory.endpoint import EndpointEnd
from liaison.testing.memory.observer import ObservedEndpoint
from liaison.testing.memory.party import world_of, worlds
from liaison.testing.memory.pipe import Pair, named_pipe, pipe
from liaison.testing.memory.space import WorldEnd

if TYPE_CHECKING:
    from liaison._native.carrier import CarrierEnd
    from liaison.address import Address
    from liaison.carriers.contract import How, Policy, Reading
    from liaison.testing.memory.pipe import PipeEnd

__all__ = ["CARRIER", "Memory"]


class Memory(contract.Carrier):
    """Links in the memory of one process, between parties."""

    carries_pipes = True

    def open(self, where: Address, how: How, policy: Policy, reading: Reading) -> CarrierEnd:
        if how == "observe" and policy.kind is None:
            found = world_of(where).links.get(str(where))
            if isinstance(found, Desk):
                return ObservedEndpoint(where)
            if isinstance(found, Pair):
                return found.observed(reading)
        return LinkEnd(where, how, policy, reading)

    def pipe(self, space: Address, policy: Policy, reading: Reading) -> tuple[PipeEnd, PipeEnd]:
        return pipe(world_of(space), policy, reading)

    def named_pipe(self, where: Address, policy: Policy, reading: Reading) -> CarrierEnd:
        return named_pipe(where, policy, reading)

    def endpoint(
        self, where: Address, capacity: int | None, reading: Reading, *, passing: bool
    ) -> EndpointEnd:
        return EndpointEnd(where, capacity, reading, passing=passing)

    def space(self, where: Address, *, create: bool, group: int | None = None) -> WorldEnd:
        return WorldEnd(where, create=create)

    def spaces(self) -> list[str]:
        return [f"memory://{name}" for name in worlds]

    def remove_space(self, where: Address, *, force: bool) -> None:
        world = WorldEnd(where, create=False)
        if world.names() and not force:
            raise Busy(f"{where} has links: {', '.join(world.names())}")
        del worlds[where.space]

    def observe_endpoint(self, where: Address) -> ObservedEndpoint:
        return ObservedEndpoint(where)


CARRIER = Memory()
