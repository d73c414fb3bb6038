"""Ends of pipes in shared memory: made, opened by a name, or inherited."""

from __future__ import annotations

from liaison._native import pipe as native
from liaison._native.carrier import TwoWay
from liaison.address import Address
from liaison.carriers import contract
from liaison.carriers.shm.dead_letters import sizes
from liaison.carriers.shm.end import MailboxEnd
from liaison.carriers.shm.space import in_space, place_of, space_at

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from liaison.carriers.contract import Policy, Reading
    from liaison.carriers.shm.space import Place

__all__ = ["PipeEnd", "inherited", "named_pipe", "pipe"]


class PipeEnd(MailboxEnd, native.PipeEnd):
    """A pipe's end in shared memory; see `liaison.carriers.contract.PipeEnd`."""

    __slots__ = ()

    @property
    def handle(self) -> str:
        """What to tell a program that inherits the `descriptors()` of this end of a pipe."""
        memory, token = self.descriptors()
        owner, name, root = place_of(self.home)
        return f"shm:{memory}:{token}:{owner}:{name}:{root}"

    def handed(self) -> tuple[Callable[..., PipeEnd], tuple[Any, ...]]:
        """The same for a process that is sent this end, as multiprocessing's own are sent."""
        from multiprocessing.reduction import DupFd

        memory, token = map(DupFd, self.descriptors())
        return _sent, (memory, token, place_of(self.home))


def pipe(space: Address, policy: Policy, reading: Reading) -> tuple[PipeEnd, PipeEnd]:
    """The reading and the writing end of a new pipe."""
    reader, writer = (PipeEnd.__new__(PipeEnd) for _ in range(2))
    in_space(
        space if space.scheme == "shm" else Address("shm", space="default"),
        lambda space: native.open_pipe(
            reader, writer, space, *(reading.coder, reading.bytes_only), **sizes(policy)
        ),
        create=True,
    )
    return reader, writer


def named_pipe(where: Address, policy: Policy, reading: Reading) -> TwoWay:
    """This process's side of a named pipe."""
    reader, writer = (PipeEnd.__new__(PipeEnd) for _ in range(2))
    in_space(
        where,
        lambda space: native.open_named_pipe(
            *(reader, writer, space, where.name, str(where)),
            *(reading.coder, reading.bytes_only),
            **sizes(policy),
        ),
        create=True,
    )
    return TwoWay(reader, writer)


def inherited(handle: str, reads: bool, reading: Reading) -> PipeEnd:
    """The end of a pipe whose descriptors this process has inherited."""
    parts = handle.split(":", 5)
    if len(parts) != 6 or not all(part.isascii() and part.isdigit() for part in parts[1:4]):
        raise ValueError(f"{handle!r} is no handle of a pipe's end")
    memory, token, owner = map(int, parts[1:4])
    return _received(memory, token, (owner, parts[4], parts[5]), reads, reading)


def _received(memory: int, token: int, place: Place, reads: bool, reading: Reading) -> PipeEnd:
    """The end of a pipe that these descriptors are, which are this process's own now."""
    end = PipeEnd.__new__(PipeEnd)
    end.adopt(space_at(place), memory, token, reads, reading.coder, reading.bytes_only)
    return end


def _sent(memory: Any, token: Any, place: Place, reads: bool, reading: Reading) -> PipeEnd:
    return _received(memory.detach(), token.detach(), place, reads, reading)


contract.PipeEnd.register(PipeEnd)
