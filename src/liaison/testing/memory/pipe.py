"""Pipes: a box, of which each end either sends or receives; a named pipe is two, one a way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liaison import errors
from liaison._native.carrier import TwoWay
from liaison.carriers import contract
from liaison.carriers.contract import Policy, Reading
from liaison.deadline import Deadline
from liaison.testing.memory.box import Box
from liaison.testing.memory.end import End
from liaison.testing.memory.party import player, world_of, worlds

if TYPE_CHECKING:
    from collections.abc import Callable

    from liaison.address import Address
    from liaison.link import Link
    from liaison.testing.memory.belonging import Belonging
    from liaison.testing.memory.party import Party, World

__all__ = ["Pair", "PipeEnd", "named_pipe", "pipe"]


class Way(Box):
    """A pipe, or one way of a named one."""

    pair: Pair | None = None  # the named pipe that it is part of

    def has(self, reads: bool) -> bool:
        """Whether there is an end that does this."""
        return any(end.reads is reads for end in self.ends if isinstance(end, PipeEnd))

    def is_broken(self) -> bool:
        """Whether nobody is left who could receive."""
        return not self.has(True) and not (self.pair and self.pair.waits)

    def is_over(self, party: Party) -> bool:
        """Whether nothing will come to this party any more."""
        if self.has(False) or self.queue or self.returned or (self.pair and self.pair.waits):
            return False
        holders = [item.holder for item in self.leased]
        return not any(holder and holder.party is not party for holder in holders)

    def forget(self, gone: Callable[[Belonging], bool]) -> None:
        """Do without the ends that have `gone`."""
        super().forget(gone)
        if self.pair:
            self.pair.look()

    def destroy(self) -> None:
        """Be a pipe no more."""
        super().destroy()
        if self.pair:
            self.pair.unlink()


class PipeEnd(End, contract.PipeEnd):
    """An end that either sends or receives; see `liaison.carriers.contract.PipeEnd`."""

    established = "inherited"
    box: Way
    _rest = b""  # of a message of which bytes were read

    def __init__(self, party: Party, box: Way, reading: Reading, reads: bool | None) -> None:
        super().__init__(party, box, reading)
        self.reads = reads
        self._observing = reads is None
        with self.locked():
            self.present()
            if reads is not None:
                box.ends.append(self)
                box.tell(party, "receives" if reads else "sends")
            self.over = False

    def descriptors(self) -> tuple[int, ...]:
        """None: no program can be given it."""
        return ()

    def handed(self) -> tuple[Callable[..., PipeEnd], tuple[Any, ...]]:
        """How the party that is given it has it."""
        self.check()
        return _arrived, (self.party.world.name, self.box.id)

    @property
    def handle(self) -> str:
        """Nothing: no program can be told of it."""
        raise errors.Unsupported(f"{self.address}: no other program reaches this process's memory")

    # ---- what each may do, and until when

    def _only(self, reads: bool) -> None:
        self.take_part()
        if self.reads is not reads:
            does = "receive" if self.reads else "send"
            raise errors.AccessDenied(f"with this end of {self.address} you can only {does}")

    def may_send(self) -> None:
        """What the writing end can do while somebody reads."""
        self._only(reads=False)
        if self.box.is_broken():
            sent, taken = self.box.accepted, self.box.taken
            raise errors.Disconnected(f"{self.address} is broken", sent=sent, confirmed=taken)

    def may_receive(self) -> None:
        """What the reading end can do until all was read."""
        self._only(reads=True)
        if self.box.is_over(self.party):
            pair = self.box.pair
            clean = pair is None or all(side.alive for side in pair.sides)
            raise errors.Ended(f"{self.address} has ended", clean=clean, received=self.box.taken)

    def may_learn(self) -> None:
        """What can be known of a message while somebody may still receive it."""
        self.check()
        if self.box.is_broken():
            raise errors.Disconnected(f"{self.address} is broken")

    def has_something(self) -> bool:
        """Whether there is a message, the rest of one, or the end."""
        return bool(self._rest) or super().has_something() or self.box.is_over(self.party)

    def fileno(self) -> int:
        with self.locked():
            self._only(reads=True)
            return self.descriptor()

    # ---- bytes

    @property
    def largest_message(self) -> int:
        return self.box.largest

    def _take_rest(self) -> bytes:
        with self.locked():
            rest, self._rest = self._rest, b""
            self.ring()
            return rest

    def receive(self, *, timeout: float | None = None) -> Any:
        """Receive what was read in part, or else a message."""
        Deadline(timeout)
        self.take_part()
        return self._take_rest() or super().receive(timeout=timeout)

    def receive_many(self, max: int, *, timeout: float | None = None) -> list[Any]:
        """Receive what was read in part, or else messages."""
        if max >= 1 and not self.over and (rest := self._take_rest()):
            return [rest]
        return super().receive_many(max, timeout=timeout)

    def chunk(self, *, timeout: float | None = None) -> tuple[bytes, int]:
        deadline = Deadline(timeout)
        with self.locked() as box:
            self._only(reads=True)
            if rest := self._take_rest():
                return rest, 0
            item = self.lease_item(deadline)
            box.settle(item, "acknowledged")
            if item.format != 0:
                raise errors.DecodeError(
                    f"a message of {self.address} is not bytes", payload=item.payload
                )
            return item.payload, 0

    def put_back(self, rest: bytes, at: int) -> None:
        with self.locked():
            self._rest = rest[at:] + self._rest
            self.ring()

    def write(self, data: Any, most: int) -> int:
        with memoryview(data) as view, view.cast("B") as source:
            self._only(reads=False)
            for at in range(0, len(source), step := min(most, self.largest_message)):
                self.send(bytes(source[at : at + step]))
            return len(source)


class Pair:
    """A named pipe: two ways, of which each leads to the side of the same number."""

    kind = "named pipe"

    def __init__(self, world: World, where: Address, policy: Policy, creator: Party) -> None:
        self.world = world
        self.address = str(where)
        self.sides = [creator]
        self.ways = [Way(world, where, policy, creator) for _ in range(2)]
        for way in self.ways:
            way.pair = self

    def forget(self, gone: Callable[[Belonging], bool]) -> None:
        """Nothing: its ways do."""

    @property
    def waits(self) -> bool:
        """Whether the other side has still to come."""
        return len(self.sides) == 1

    def side(self, party: Party) -> int:
        """Which side the party is, also if only from now on."""
        if party not in self.sides:
            if not self.waits:
                raise errors.Busy(f"{self.address} has its two sides")
            self.sides.append(party)
        return self.sides.index(party)

    def observed(self, reading: Reading) -> NamedPipeEnd:
        """An observer's end of the first way."""
        return NamedPipeEnd(player(self.world), self.ways[0], reading, None)

    def look(self) -> None:
        """Nobody can open a pipe of which a side has ended."""
        here = set[Any]().union(*(way.parties for way in self.ways))
        if any(side not in here for side in self.sides):
            self.unlink()

    def unlink(self) -> None:
        """Be found no more."""
        if self.world.links.get(self.address) is self:
            del self.world.links[self.address]


class NamedPipeEnd(PipeEnd):
    """An end of one way of a named pipe; what it tells is of both ways."""

    established = "named"

    @property
    def link(self) -> Link:
        with self.locked() as way:
            seen = super().link
            assert way.pair is not None
            both = set[Any]().union(*(each.parties for each in way.pair.ways))
            peers = tuple(party.peer for party in way.pair.sides if party in both)
            return seen.but(
                direction="two-way", senders=peers, receivers=peers, max_processes=2, access="pair"
            )


def named_pipe(where: Address, policy: Policy, reading: Reading) -> TwoWay:
    """A party's side of a named pipe: an end of each way."""
    world = world_of(where)
    with world.changed:
        party = player(world)
        pair = world.links.get(str(where))
        policy = policy.but(kind="named pipe")
        if pair is None:
            pair = world.links[str(where)] = Pair(world, where, policy, party)
        if not isinstance(pair, Pair) or pair.ways[0].differs(policy):
            raise errors.Mismatch(f"{where} exists and is different")
        side = pair.side(party)
        here = NamedPipeEnd(party, pair.ways[side], reading, True)
        there = NamedPipeEnd(party, pair.ways[1 - side], reading, False)
        for way in pair.ways:
            way.arrange()
        return TwoWay(here, there)


def pipe(world: World, policy: Policy, reading: Reading) -> tuple[PipeEnd, PipeEnd]:
    """The two ends of a new pipe, both the party's."""
    with world.changed:
        party = player(world)
        way = Way(world, None, policy.but(kind="pipe"), party)
        return PipeEnd(party, way, reading, True), PipeEnd(party, way, reading, False)


def _arrived(world: str, id: str, reads: bool, reading: Reading) -> PipeEnd:
    """The same end, as the party has it that this thread plays."""
    (way,) = (place for place in worlds[world].places if isinstance(place, Way) and place.id == id)
    return PipeEnd(player(worlds[world]), way, reading, reads)
