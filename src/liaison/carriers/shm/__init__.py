"""The carrier of one machine: links in shared memory, by the engine."""

from __future__ import annotations

from functools import cache

from liaison.carriers.contract import Carrier
from liaison.carriers.shm.dead_letters import open_link
from liaison.carriers.shm.space import remove_space, space_names

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from types import ModuleType

    from liaison._native.carrier import TwoWay
    from liaison.address import Address
    from liaison.carriers.contract import How, Policy, Reading
    from liaison.carriers.shm.end import MailboxEnd
    from liaison.carriers.shm.endpoint import EndpointEnd
    from liaison.carriers.shm.observer import ObservedEndpoint
    from liaison.carriers.shm.pipe import PipeEnd
    from liaison.carriers.shm.spaces import SharedSpace

__all__ = ["CARRIER", "SharedMemory"]


class SharedMemory(Carrier):
    """Links in shared memory, between the processes of this machine."""

    def open(self, where: Address, how: How, policy: Policy, reading: Reading) -> MailboxEnd:
        """An end of the link at `where`; see `liaison.carriers.contract.Carrier.open`."""
        return open_link(where, how, policy, reading)

    carries_pipes = True

    def prepare(self, kind: str) -> None:
        """Import what a program that only needs a mailbox does not wait for."""
        for load in {
            "endpoint": (_endpoints, _observers),
            "pipe": (_pipes,),
            "space": (_spaces,),
        }[kind]:
            load()

    def pipe(self, space: Address, policy: Policy, reading: Reading) -> tuple[PipeEnd, PipeEnd]:
        """The reading and the writing end of a new pipe."""
        return _pipes().pipe(space, policy, reading)

    def inherited(self, handle: str, reads: bool, reading: Reading) -> PipeEnd:
        """The end of a pipe whose descriptors this process has inherited."""
        return _pipes().inherited(handle, reads, reading)

    def named_pipe(self, where: Address, policy: Policy, reading: Reading) -> TwoWay:
        """This process's side of a named pipe."""
        return _pipes().named_pipe(where, policy, reading)

    def endpoint(
        self, where: Address, capacity: int | None, reading: Reading, *, passing: bool
    ) -> EndpointEnd:
        """Be the endpoint at `where`."""
        return _endpoints().EndpointEnd(where, capacity, reading, passing=passing)

    def space(self, where: Address, *, create: bool, group: int | None = None) -> SharedSpace:
        """The space at `where`."""
        return _spaces().SharedSpace(where, create=create, group=group)

    def spaces(self) -> list[str]:
        """What spaces of the caller's there are."""
        return space_names()

    def remove_space(self, where: Address, *, force: bool) -> None:
        """Remove the space at `where`, if nothing keeps it."""
        remove_space(where, force=force)

    def observe_endpoint(self, where: Address) -> ObservedEndpoint:
        """The endpoint at `where`, for who only looks."""
        return _observers().ObservedEndpoint(where)


@cache
def _endpoints() -> ModuleType:
    from liaison.carriers.shm import endpoint

    return endpoint


@cache
def _pipes() -> ModuleType:
    from liaison.carriers.shm import pipe

    return pipe


@cache
def _observers() -> ModuleType:
    from liaison.carriers.shm import observer

    return observer


@cache
def _spaces() -> ModuleType:
    from liaison.carriers.shm import spaces

    return spaces


CARRIER = SharedMemory()
