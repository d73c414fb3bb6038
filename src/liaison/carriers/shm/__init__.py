"""The carrier of one machine: links in shared memory, by the engine."""

from __future__ import annotations

from functools import cache
from importlib import import_module

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
        return open_link(where, how, policy, reading)

    carries_pipes = True

    def prepare(self, kind: str) -> None:
        for part in {"endpoint": ["endpoint", "observer"], "pipe": ["pipe"], "space": ["spaces"]}[
            kind
        ]:
            _part(part)

    def pipe(self, space: Address, policy: Policy, reading: Reading) -> tuple[PipeEnd, PipeEnd]:
        return _part("pipe").pipe(space, policy, reading)

    def inherited(self, handle: str, reads: bool, reading: Reading) -> PipeEnd:
        return _part("pipe").inherited(handle, reads, reading)

    def named_pipe(self, where: Address, policy: Policy, reading: Reading) -> TwoWay:
        return _part("pipe").named_pipe(where, policy, reading)

    def endpoint(
        self, where: Address, capacity: int | None, reading: Reading, *, passing: bool
    ) -> EndpointEnd:
        return _part("endpoint").EndpointEnd(where, capacity, reading, passing=passing)

    def space(self, where: Address, *, create: bool, group: int | None = None) -> SharedSpace:
        return _part("spaces").SharedSpace(where, create=create, group=group)

    def spaces(self) -> list[str]:
        return space_names()

    def remove_space(self, where: Address, *, force: bool) -> None:
        remove_space(where, force=force)

    def observe_endpoint(self, where: Address) -> ObservedEndpoint:
        return _part("observer").ObservedEndpoint(where)


@cache
def _part(name: str) -> ModuleType:
    """A module that a program which only needs a mailbox does not wait for."""
    return import_module(f"liaison.carriers.shm.{name}")


CARRIER = SharedMemory()
