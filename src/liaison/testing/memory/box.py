"""A box: what a link holds, and all that happens to it."""

from __future__ import annotations

import uuid
import weakref
from collections import deque
from typing import TYPE_CHECKING

from liaison import errors
from liaison.address import Address
from liaison.carriers.contract import Policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from liaison.carriers.contract import State
    from liaison.link import Peer
    from liaison.testing.memory.belonging import Belonging
    from liaison.testing.memory.held import Loan, Receipt
    from liaison.testing.memory.party import Party, World

__all__ = ["LARGEST", "Box", "Item", "Waiter"]

LARGEST = 1 << 30  # bytes of a message
_OFFERS = 64  # messages that can be offered at a rendezvous at once
_DEFAULTS = {"queue": (10, 8192)}  # capacity, max_message


class Item:
    """A message."""

    def __init__(self, number: int, format: int, payload: bytes, sender: Party) -> None:
        self.number = number
        self.format = format
        self.payload = payload
        self.sender = sender
        self.attempt = 0
        self.holder: Belonging | None = None  # the end that has it
        self.state: State = "queued"
        self.receiver: Party | None = None  # who received it last


class Waiter:
    """One that waits for a message."""

    def __init__(self, end: Belonging) -> None:
        self.end = end
        self.item: Item | None = None


class Box:
    """What the link holds. All its methods are called with the lock held."""

    def __init__(self, world: World, where: Address | None, policy: Policy, creator: Party) -> None:
        self.world = world
        self.id = uuid.uuid4().hex
        self.address = f"pipe:{self.id[:8]}" if where is None else str(where)
        self.name = "" if where is None else where.name
        self.kind = policy.kind or "mailbox"
        capacity, max_message = _DEFAULTS.get(self.kind, (1024, 0))
        self.capacity = capacity if policy.capacity is None else policy.capacity
        self.max_message = policy.max_message or max_message
        self.memory = policy.memory or 0
        self.access = policy.access or "any"
        self.max_deliveries = policy.max_deliveries or 0
        self.dead_letters = policy.dead_letters or ""
        self.lifetime = (policy.lifetime or "receiver") if self.kind == "port" else None
        self.creator = creator
        self.room = self.capacity or _OFFERS
        self.queue: deque[Item] = deque()
        self.returned: list[Item] = []  # in the order in which they were sent
        self.leased: set[Item] = set()
        self.loaned: weakref.WeakSet[Loan] = weakref.WeakSet()  # one that nobody has is discarded
        self.receipts: weakref.WeakSet[Receipt] = weakref.WeakSet()
        self.ends: list[Belonging] = []
        # Of "sends" and "receives", what each did or is there for.
        self.roles: dict[Party, set[str]] = {}
        self.waiting: list[Waiter] = []  # the oldest first
        self.senders_waiting = 0
        self.turn: Party | None = None  # who may receive, of an exclusive link
        self.receiver: Belonging | None = None  # the end that may receive, of a port
        self.had_sender = False
        self.ending = False  # a port whose last sender has gone
        self.destroyed = False
        self.accepted = self.taken = 0
        world.places.add(self)

    # ---- what it is

    def differs(self, policy: Policy) -> bool:
        """Whether what was said of it is not so."""
        return any(
            value is not None and value != getattr(self, name)
            for name, value in policy.as_dict().items()
        )

    def peer_of(self, item: Item) -> Peer:
        """Who sent it, as its receiver is told."""
        return item.sender.peer

    @property
    def parties(self) -> set[Party]:
        """Who is on it."""
        return {end.party for end in self.ends}

    def tell(self, party: Party, role: str) -> None:
        """Note what somebody does here."""
        self.roles.setdefault(party, set()).add(role)

    @property
    def free(self) -> int:
        """How many more messages it could take."""
        used = len(self.queue) + len(self.returned) + len(self.leased) + len(self.loaned)
        return self.room - used

    @property
    def largest(self) -> int:
        """The bytes of the largest message."""
        return self.max_message or self.memory or LARGEST

    def has_memory_for(self, size: int) -> bool:
        """Whether what it holds leaves so many bytes."""
        held = [len(item.payload) for item in [*self.queue, *self.returned, *self.leased]]
        held += [len(loan) for loan in self.loaned]
        return not self.memory or sum(held) + size <= self.memory

    @property
    def dead_letters_at(self) -> str:
        """The address of its dead letters; "" without any."""
        if self.dead_letters or not self.max_deliveries:
            return self.dead_letters
        return f"{self.address}.dead"

    # ---- what happens

    def arrange(self) -> None:
        """Give what there is to those who wait, the oldest first; then tell everybody."""
        while True:
            if self.access == "exclusive":
                if self.turn is not None and not self.keeps_turn(self.turn):
                    self.turn = None
                if self.turn is None and self.waiters():
                    self.turn = self.waiters()[0].end.party
            waiter = next((one for one in self.waiters() if self.may_receive(one.end)), None)
            if waiter is None or not (self.returned or self.queue):
                break
            waiter.item = self.take(waiter.end)
        for end in self.ends:
            end.ring()
        self.world.changed.notify_all()

    def waiters(self) -> list[Waiter]:
        """Those that have nothing yet, the oldest first."""
        return [waiter for waiter in self.waiting if waiter.item is None]

    def keeps_turn(self, party: Party) -> bool:
        """Whether it is still this one's turn to receive."""
        holders = [item.holder for item in self.leased]
        return any(holder and holder.party is party for holder in holders) or any(
            waiter.end.party is party for waiter in self.waiters()
        )

    def may_receive(self, end: Belonging) -> bool:
        """Whether it is nobody else's turn."""
        return self.access != "exclusive" or self.turn in (None, end.party)

    def take(self, end: Belonging) -> Item:
        """Lease the next message to an end."""
        if self.returned:
            item = self.returned.pop(0)
        else:
            item = self.queue.popleft()
            self.taken += 1
        item.attempt += 1
        item.holder = end
        self.leased.add(item)
        item.state, item.receiver = "received", end.party
        return item

    def accept(self, format: int, payload: bytes | bytearray, sender: Party) -> Item:
        """Have one more message."""
        item = Item(self.accepted, format, bytes(payload), sender)
        self.accepted += 1
        self.queue.append(item)
        self.arrange()
        return item

    def settle(self, item: Item, state: State) -> None:
        """Be done with a leased message."""
        self.leased.discard(item)
        item.holder = None
        item.state = state
        self.arrange()

    def give_back(self, item: Item) -> None:
        """Have a leased message for the next receiver."""
        self.leased.discard(item)
        item.holder = None
        item.state = "queued"
        self.returned.append(item)
        self.returned.sort(key=lambda one: one.number)
        self.arrange()

    def dead_letter(self, item: Item) -> None:
        """Move a leased message to the dead letters; where they have no room it goes back."""
        try:
            self.send_to_dead_letters(item)
        except BaseException:
            self.give_back(item)
            raise
        self.settle(item, "dead-lettered")

    def send_to_dead_letters(self, item: Item) -> None:
        """Give a message to the dead letters, which are made where there are none."""
        letters = self.world.links.get(self.dead_letters_at)
        if letters is None:
            where = Address.parse(self.dead_letters_at)
            letters = Box(self.world, where, Policy(), self.world.here)
            self.world.links[self.dead_letters_at] = letters
        if not isinstance(letters, Box):
            raise errors.Mismatch(f"{self.dead_letters_at} is a {letters.kind}")
        if letters.free < 1:
            raise errors.Full(f"{self.dead_letters_at} is full")
        letters.accept(item.format, item.payload, item.sender)

    # ---- how ends end

    def forget(self, gone: Callable[[Belonging], bool]) -> None:
        """Do without the ends that have `gone`."""
        for item in [item for item in self.leased if item.holder and gone(item.holder)]:
            self.give_back(item)
        for loan in [loan for loan in self.loaned if gone(loan.end)]:
            self.loaned.discard(loan)
        self.waiting[:] = [waiter for waiter in self.waiting if not gone(waiter.end)]
        self.receipts = weakref.WeakSet(one for one in self.receipts if one.end.party.alive)
        self.ends = [end for end in self.ends if not gone(end)]
        self.roles = {party: did for party, did in self.roles.items() if party in self.parties}
        if self.kind == "port" and not self.destroyed:
            if self.receiver and gone(self.receiver):
                self.end_port()
            elif self.lifetime == "senders" and self.had_sender and self.ends == [self.receiver]:
                self.ending = True
                self.world.links.pop(self.address, None)
        self.arrange()

    def end_port(self) -> None:
        """End with the receiver, whose messages go to the dead letters."""
        left = [*self.returned, *self.queue]
        self.destroy()
        if self.dead_letters_at:
            for item in left:
                self.send_to_dead_letters(item)
                item.state = "dead-lettered"

    def destroy(self) -> None:
        """Be a link no more."""
        self.destroyed = True
        if self.world.links.get(self.address) is self:
            del self.world.links[self.address]
        self.arrange()
