"""An endpoint, as the party has it that sits at its desk, and what has come for it there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liaison import errors
from liaison._native.carrier import CarrierEnd, arriving, closed, closing
from liaison._native.link import end_of
from liaison.address import Address, check_name
from liaison.carriers import contract
from liaison.carriers.contract import Policy, Reading
from liaison.deadline import Deadline
from liaison.link import Link, Peer, Statistics
from liaison.testing.memory.belonging import Belonging
from liaison.testing.memory.box import Box, Waiter
from liaison.testing.memory.desk import Desk, link_at, link_of
from liaison.testing.memory.end import End
from liaison.testing.memory.held import Delivery, Receipt
from liaison.testing.memory.party import player, world_of

if TYPE_CHECKING:
    from liaison.carriers.contract import Correspondent
    from liaison.testing.memory.box import Item
    from liaison.testing.memory.party import Party

__all__ = ["EndpointEnd"]


class Letters(Box):
    """What one desk has sent to another."""

    def __init__(self, sender: Desk, desk: Desk, creator: Party) -> None:
        capacity = min(sender.capacity, desk.capacity)
        policy = Policy(kind="direct", access="pair", capacity=capacity)
        super().__init__(desk.world, desk.where, policy, creator)
        self.sender = sender
        self.desk = desk

    def waiters(self) -> list[Waiter]:
        """Those who wait at the desk for what this sender sends, or for it alone."""
        return [
            *super().waiters(),
            *(waiter for waiter in self.desk.waiting if waiter.wants(self.sender)),
        ]

    def take(self, end: Belonging) -> Item:
        """Lease the next message; the others' are first then."""
        self.desk.letters.remove(self)
        self.desk.letters.append(self)
        return super().take(end.end_at(self) if isinstance(end, EndpointEnd) else end)

    def arrange(self) -> None:
        """Give what there is to those who wait."""
        super().arrange()
        if self.desk.holder:
            self.desk.holder.ring()

    def peer_of(self, item: Item) -> Peer:
        """Who sent it, with the name that its endpoint has now."""
        return item.sender.peer.but(name=self.sender.where.name)


class Reader(Waiter):
    """One that waits for what a source sends, or anyone."""

    end: EndpointEnd

    def __init__(self, endpoint: EndpointEnd, source: Address | None) -> None:
        super().__init__(endpoint)
        self.source = source

    def wants(self, sender: Desk) -> bool:
        """Whether what this sender sends is for it."""
        if self.item is not None or self.end.over or not self.end.party.alive:
            return False
        links = sender.world.links
        return self.source is None or links.get(str(self.source)) is sender


class EndpointEnd(Belonging, contract.EndpointEnd):
    """A party at its desk; see `liaison.carriers.contract.EndpointEnd`."""

    box: Desk

    def __init__(
        self, where: Address, capacity: int | None, reading: Reading, *, passing: bool
    ) -> None:
        world = world_of(where)
        self.party = party = player(world)
        self.present()
        self.passing = passing
        self._reading = reading
        self._sending: dict[Desk, LettersEnd] = {}  # the ends by which others are sent to
        self._taking: dict[Letters, LettersEnd] = {}  # those by which letters are received
        with world.changed:
            desk = world.links.get(str(where))
            if desk is None:
                desk = world.links[str(where)] = Desk(world, where, capacity, party)
            if not isinstance(desk, Desk) or capacity not in (None, desk.capacity):
                raise errors.Mismatch(f"{where} exists and is different")
            if desk.holder is not None:
                raise errors.Busy(f"{where} is the name of a living process")
            self.box = desk
            desk.holder = self
            self.over = False
            self._news = News(self)
            party.endpoints.append(self)

    def check(self) -> None:
        self.present()
        if self.over:
            raise errors.Closed(f"{self.box.where} was closed here")
        if self.box.destroyed:
            raise errors.Destroyed(f"{self.box.where} was destroyed")

    # ---- names

    @property
    def name(self) -> str:
        return self.box.where.name

    @property
    def address(self) -> str:
        return str(self.box.where)

    @property
    def aliases(self) -> list[str]:
        with self.locked() as desk:
            self.check()
            return desk.aliases

    def rename(self, new: str) -> None:
        check_name(new)
        with self.locked() as desk:
            self.check()
            where = desk.where.called(new)
            if desk.world.links.setdefault(str(where), desk) is not desk:
                raise errors.NameTaken(f"{where} exists")
            if new != self.name:
                self.party.endpoints.remove(self)
                self.party.endpoints.append(self)
            desk.names.add(str(where))
            desk.where = where

    def retire(self, old: str) -> None:
        check_name(old)
        with self.locked() as desk:
            self.check()
            address = str(desk.where.called(old))
            if old == self.name:
                raise ValueError(f"{old} is what this endpoint is called")
            if address not in desk.names:
                raise errors.NotFound(f"{old} is none of its names")
            desk.names.remove(address)
            del desk.world.links[address]

    def _where(self, name: Correspondent) -> Address:
        """The address that is meant. Raises `Mismatch` where it is not an endpoint's."""
        meant: Any = end_of(name)
        if isinstance(meant, EndpointEnd):
            meant = meant.box.where
        if isinstance(meant, Peer):
            if not meant.name:
                raise errors.NotFound(f"{meant} has no endpoint")
            meant = meant.name
        if isinstance(meant, Address):
            where = meant
        elif not isinstance(meant, str):
            raise TypeError(f"an endpoint is named by a str, not {type(meant).__name__}")
        elif "://" in meant:
            where = Address.parse(meant)
        else:
            where = self.box.where.called(check_name(meant))
        if where.scheme != self.box.where.scheme:
            raise errors.InvalidAddress(f"{where}: only what is in this memory is reached from it")
        found = self.box.world.links.get(str(where))
        if found is not None and found.kind != "endpoint":
            raise errors.Mismatch(f"{where} is a {found.kind}")
        return where

    def _desk_of(self, to: Correspondent) -> Desk | None:
        found = self.box.world.links.get(str(self._where(to)))
        return found if isinstance(found, Desk) else None

    # ---- sending

    def way_to(self, to: Correspondent) -> LettersEnd:
        with self.locked():
            self.check()
            desk = self._desk_of(to)
            if desk is None:
                raise errors.NotFound(f"there is no endpoint {to}")
            if desk not in self._sending:
                letters = desk.letters_from(self.box)
                if letters is None:
                    letters = Letters(self.box, desk, self.party)
                    desk.letters.append(letters)
                    if desk.holder:
                        desk.holder.hear()
                self._sending[desk] = LettersEnd(self.party, letters, self._reading)
            return self._sending[desk]

    def is_over(self, to: Correspondent) -> bool:
        with self.locked():
            return self._desk_of(to) is None

    def send(
        self,
        to: Correspondent,
        message: Any,
        *,
        timeout: float | None = None,
        receipt: bool = False,
    ) -> Receipt | None:
        deadline = Deadline(timeout)
        with self.locked():
            return self.way_to(to).send(message, timeout=deadline.remaining(), receipt=receipt)

    def try_send(self, to: Correspondent, message: Any) -> bool:
        try:
            self.send(to, message, timeout=0)
        except errors.Full:
            return False
        return True

    def end_at(self, letters: Letters) -> LettersEnd:
        """The end by which letters are received."""
        if letters not in self._taking:
            self._taking[letters] = LettersEnd(self.party, letters, self._reading)
        return self._taking[letters]

    # ---- receiving

    @property
    def news(self) -> News:
        return self._news

    def hear(self) -> None:
        """There is a new sender."""
        self._news.told = True
        self._news.ring()
        for notify in arriving:
            notify(self._news)

    def way_from(self, source: Correspondent) -> LettersEnd | None:
        with self.locked() as desk:
            self.check()
            self._news.told = False
            self._news.ring()
            sender = self._desk_of(source)
            letters = desk.letters_from(sender) if sender else None
            return self.end_at(letters) if letters else None

    def ended(self, way: CarrierEnd) -> None:
        """Nothing: what says so is the endpoint that was destroyed."""
        self.check()

    def _take(self, source: Correspondent | None, deadline: Deadline) -> Item:
        """A leased item; Empty."""
        with self.locked() as desk:
            self.check()
            waiter = Reader(self, None if source is None else self._where(source))
            item = self.await_item(waiter, desk.waiting, self.check, deadline)
            if item is None:
                raise errors.Empty(f"no message came to {desk.where} in time")
            return item

    def receive(self, source: Correspondent | None = None, *, timeout: float | None = None) -> Any:
        deadline = Deadline(timeout)
        with self.locked():
            item = self._take(source, deadline)
            end: Any = item.holder
            message = end.read_item(item)
            end.box.settle(item, "acknowledged")
            return message

    def try_receive(self, source: Correspondent | None = None, default: Any = None) -> Any:
        try:
            return self.receive(source, timeout=0)
        except errors.Empty:
            return default

    def lease(
        self, source: Correspondent | None = None, *, timeout: float | None = None
    ) -> Delivery:
        deadline = Deadline(timeout)
        with self.locked():
            item = self._take(source, deadline)
            end: Any = item.holder
            return Delivery(end, item)

    # ---- seeing

    def fileno(self) -> int:
        with self.locked():
            self.check()
            return self.descriptor()

    def has_something(self) -> bool:
        """Whether there is a message, or an end to be told of."""
        desk = self.box
        return desk.destroyed or any(box.queue or box.returned for box in desk.letters)

    def _seen(self) -> list[LettersEnd]:
        """An end of each sender's box."""
        self.check()
        return [self.end_at(letters) for letters in self.box.letters]

    def __len__(self) -> int:
        with self.locked():
            return sum(map(len, self._seen()))

    def peek(self, max: int = 10) -> list[Any]:
        if max < 0:
            raise ValueError(f"max is 0 or more, not {max}")
        with self.locked():
            return [message for end in self._seen() for message in end.peek(max)][:max]

    def statistics(self) -> Statistics:
        with self.locked():
            return Statistics.together([end.statistics() for end in self._seen()])

    @property
    def link(self) -> Link:
        with self.locked() as desk:
            self.check()
            return link_of(desk)

    def links(self) -> list[Link]:
        with self.locked() as desk:
            self.check()
            pairs: dict[Desk, list[Box]] = {}  # the other desk: the boxes between the two
            for letters in desk.letters:
                pairs.setdefault(letters.sender, []).append(letters)
            for other, end in self._sending.items():
                pairs.setdefault(other, []).append(end.box)
            return [
                link_at(
                    *(desk, [party.peer for box in boxes for party in box.parties]),
                    name=f"{self.name}~{other.where.name}",
                    id=boxes[0].id,
                    kind="direct",
                    capacity=boxes[0].capacity,
                    access="pair",
                )
                for other, boxes in pairs.items()
            ]

    # ---- ending

    def close(self) -> None:
        if self.over:
            return
        for notify in closing:
            notify(self)
            notify(self._news)
        with self.locked() as desk:
            self.over = True
            self.ring()
            self.party.endpoints.remove(self)
            for end in [*self._sending.values(), *self._taking.values()]:
                end.close()
            desk.forget(self.is_)
            desk.arrange()
            self._news.ring()
        for notify in closed:
            notify(self)

    def destroy(self, *, force: bool = False) -> None:
        with self.locked() as desk:
            self.check()
            desk.destroy()
            self.close()


class News(Belonging, CarrierEnd):
    """What tells an endpoint of new senders."""

    told = False

    def __init__(self, endpoint: EndpointEnd) -> None:
        self.party = endpoint.party
        self.box = endpoint.box

    @property
    def closed(self) -> bool:
        """Whether nobody will be told any more."""
        return self.box.destroyed or self.box.holder is None

    def has_something(self) -> bool:
        """Whether somebody new has come, or nobody will."""
        return self.told or self.closed

    def ready(self) -> bool:
        return self.has_something()

    def fileno(self) -> int:
        with self.locked():
            return self.descriptor()


class LettersEnd(End):
    """An end of what one desk has sent to another; which of the two has it says what it is for."""

    box: Letters

    def __init__(self, party: Party, letters: Letters, reading: Reading) -> None:
        super().__init__(party, letters, reading)
        letters.ends.append(self)
        self.over = False
