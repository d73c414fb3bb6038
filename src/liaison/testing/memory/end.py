"""A party's end of a link that has one box."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liaison import errors
from liaison._native.carrier import closed, closing
from liaison.carriers import contract
from liaison.deadline import Deadline
from liaison.link import Link, Peer, Statistics
from liaison.testing.memory.belonging import Bell, Belonging
from liaison.testing.memory.box import Box, Item, Waiter
from liaison.testing.memory.held import Delivery, Loan, Receipt
from liaison.testing.memory.party import player, world_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from liaison.address import Address
    from liaison.carriers.contract import How, Policy, Reading
    from liaison.link import Established
    from liaison.testing.memory.party import Party

__all__ = ["End", "LinkEnd"]

Parcel = tuple[int, bytes]  # the format of a message, and its bytes


class End(Belonging, contract.End):
    """An end of a box; see `liaison.carriers.contract.End`."""

    established: Established = "named"
    _observing = False
    _news: Bell | None = None  # rings when there may be room, or something to learn

    def __init__(self, party: Party, box: Box, reading: Reading) -> None:
        self.party = party
        self.box = box
        self._coder = reading.coder()

    # ---- with one of these every operation begins

    def check(self) -> None:
        """Raise the error of an end that is closed, or of a link that was destroyed."""
        self.present()
        if self.over:
            raise errors.Closed(f"this end of {self.address} was closed; open it again")
        if self.box.destroyed:
            raise errors.Destroyed(f"{self.address} was destroyed")

    def may_learn(self) -> None:
        """Raise the error that says why nothing more can become known of a message."""
        self.check()

    def take_part(self) -> None:
        """Raise the error of an end that only observes."""
        if not self.over and self._observing:
            raise errors.AccessDenied(f"{self.address} was opened to observe it")
        self.check()

    def may_send(self) -> None:
        """Raise the error of an end that may not send."""
        self.take_part()
        if self.box.ending:
            raise errors.Destroyed(f"{self.address} takes no more")

    def is_receiver(self) -> None:
        """Raise the error of an end that is no receiver's."""
        self.take_part()
        if self.box.kind == "port" and self.box.receiver is not self:
            raise errors.AccessDenied(f"{self.address} has one receiver")

    def may_receive(self) -> None:
        """Raise the error of an end that may not receive."""
        self.is_receiver()
        if self.box.ending and not (self.box.queue or self.box.returned):
            raise errors.Destroyed(f"the last sender of {self.address} has gone")

    @property
    def address(self) -> str:
        return self.box.address

    @property
    def rendezvous(self) -> bool:
        return self.box.capacity == 0

    def ring(self) -> None:
        """Something has changed."""
        super().ring()
        if self._news is not None:
            self._news.ring(True)

    # ---- sending

    def pack(self, message: Any) -> Parcel:
        self.take_part()
        format, head, body = self._coder.encode(message)
        self.take_part()
        return format, head + bytes(body)

    def _reserve(self, size: int, receipt: bool, deadline: Deadline) -> bool:
        """Wait for room, with the lock held; whether there is some."""
        box = self.box
        if size > box.largest:
            raise errors.TooLarge(f"the message has {size} bytes and can never fit")
        self.may_send()
        box.tell(self.party, "sends")

        def room() -> bool:
            self.may_send()
            if box.free < 1 or not box.has_memory_for(size):
                return False
            return not receipt or len(box.receipts) < box.room

        box.senders_waiting += 1
        try:
            return self.until(room, deadline)
        finally:
            box.senders_waiting -= 1

    def commit(self, format: int, payload: bytes | bytearray, deadline: Deadline) -> Item | None:
        """The item; None when nobody came to a rendezvous."""
        box = self.box
        item = box.accept(format, payload, self.party)
        if box.capacity == 0:

            def met() -> bool:
                return item.attempt > 0 or box.destroyed or self.over

            try:
                self.until(met, deadline)
            finally:
                if not item.attempt:
                    self._withdraw(item)
            if not item.attempt:
                self.take_part()
                return None
        return item

    def _withdraw(self, item: Item) -> None:
        if item in self.box.queue:
            self.box.queue.remove(item)
            self.box.accepted -= 1
            self.box.arrange()

    def _put(self, message: Any, deadline: Deadline, receipt: bool = False) -> Item | None:
        """The item, or None."""
        with self.locked():
            format, payload = self.pack(message)
            if not self._reserve(len(payload), receipt, deadline):
                return None
            return self.commit(format, payload, deadline)

    def full(self) -> errors.LiaisonError:
        """The error when something was not sent in time."""
        if self.rendezvous:
            return errors.NoReceiver(f"nobody came to receive from {self.address} in time")
        return errors.Full(f"{self.address} had no room in time")

    def send(
        self, message: Any, *, timeout: float | None = None, receipt: bool = False
    ) -> Receipt | None:
        item = self._put(message, Deadline(timeout), receipt)
        if item is None:
            raise self.full()
        return Receipt(self, item) if receipt else None

    def try_send(self, message: Any) -> bool:
        return self._put(message, Deadline(0)) is not None

    def send_many(self, messages: Iterable[Any], *, timeout: float | None = None) -> int:
        deadline = Deadline(timeout)
        if self.over or self._observing:  # sending nothing to a link that is gone is no mistake
            self.take_part()
        count = 0
        for message in messages:
            if self._put(message, deadline) is None:
                if count:
                    break
                raise self.full()
            count += 1
        return count

    def loan(self, size: int, *, timeout: float | None = None) -> Loan:
        if size < 0:
            raise ValueError(f"a loan has 0 or more bytes, not {size}")
        deadline = Deadline(timeout)
        with self.locked() as box:
            self.take_part()
            if not self._reserve(size, False, deadline):
                raise errors.Full(f"{self.address} had no room in time")
            loan = Loan(self, size)
            box.loaned.add(loan)
            return loan

    # ---- sending in steps

    def post(self, parcel: Parcel, receipt: bool = False, final: bool = False) -> Any:
        format, payload = parcel
        with self.locked() as box:
            receipt = receipt or self.rendezvous
            if self._reserve(len(payload), receipt, Deadline(0)):
                item = box.accept(format, payload, self.party)
                return Receipt(self, item) if receipt else True
        if final:
            raise self.full()
        return None

    def room(self) -> int:
        """A descriptor that is readable when something has changed since."""
        with self.locked():
            self.check()
            if self._news is None:
                self._news = Bell()
            self._news.ring(False)
            return self._news.descriptor

    def offer(self, loan: Loan) -> Receipt | None:
        with self.locked() as box:
            return Receipt(self, box.accept(0, loan.written(), self.party))

    def withdraw(self, receipt: Receipt, raising: bool = False) -> None:
        with self.locked():
            if receipt.item.attempt:
                return
            self._withdraw(receipt.item)
            if raising:
                self.take_part()
                raise self.full()

    def reached(self, receipt: Receipt, settled: bool, final: bool = False) -> Peer | None:
        with self.locked():
            if receipt.reached("acknowledged" if settled else "received"):
                return receipt.receiver
        if final:
            raise errors.Empty(f"the message of {self.address} has not come so far in time")
        return None

    # ---- receiving

    def lease_item(self, deadline: Deadline) -> Item:
        """A leased item; Empty or Busy."""
        with self.locked() as box:
            while True:
                item = self._next(box, deadline)
                if not box.max_deliveries or item.attempt <= box.max_deliveries:
                    return item
                box.dead_letter(item)

    def _next(self, box: Box, deadline: Deadline) -> Item:
        self.may_receive()
        box.tell(self.party, "receives")
        item = self.await_item(Waiter(self), box.waiting, self.may_receive, deadline)
        if item is not None:
            return item
        if not box.may_receive(self):
            raise errors.Busy(f"{self.address} is another's turn")
        raise errors.Empty(f"no message came to {self.address} in time")

    def decode(self, item: Item) -> Any:
        """The message."""
        return self._coder.decode(item.format, memoryview(item.payload))

    def read_item(self, item: Item) -> Any:
        """The message; settled if it cannot be had."""
        try:
            return self.decode(item)
        except errors.DecodeError:
            if self.box.dead_letters_at:
                self.box.dead_letter(item)
            else:
                self.box.settle(item, "acknowledged")
            raise
        except BaseException:
            self.box.give_back(item)
            raise

    def receive(self, *, timeout: float | None = None) -> Any:
        deadline = Deadline(timeout)
        with self.locked() as box:
            item = self.lease_item(deadline)
            message = self.read_item(item)
            box.settle(item, "acknowledged")
            return message

    def try_receive(self, default: Any = None) -> Any:
        try:
            return self.receive(timeout=0)
        except (errors.Empty, errors.Busy):
            return default

    def take(self, default: Any, nanoseconds: int = 0) -> Any:
        try:
            return self.receive(timeout=nanoseconds / 1e9)
        except (errors.Empty, errors.Busy):
            return default

    def receive_many(self, max: int, *, timeout: float | None = None) -> list[Any]:
        if max < 1:
            raise ValueError(f"max is 1 or more, not {max}")
        deadline = Deadline(timeout)
        with self.locked() as box:
            taken = [self.lease_item(deadline)]
            messages = [self.read_item(taken[0])]
            try:
                while len(messages) < max:
                    item = self.lease_item(Deadline(0))
                    try:
                        messages.append(self.decode(item))
                    except BaseException:
                        box.give_back(item)
                        raise
                    taken.append(item)
            except errors.LiaisonError:
                pass  # none are left, or one that is for the next call to tell of
            for item in taken:
                box.settle(item, "acknowledged")
            return messages

    def lease(self, *, timeout: float | None = None) -> Delivery:
        return Delivery(self, self.lease_item(Deadline(timeout)))

    # ---- seeing

    def __len__(self) -> int:
        with self.locked() as box:
            self.check()
            return len(box.queue) + len(box.returned)

    def peek(self, max: int = 10) -> list[Any]:
        if max < 0:
            raise ValueError(f"max is 0 or more, not {max}")
        with self.locked() as box:
            self.check()
            messages: list[Any] = []
            for item in [*box.returned, *box.queue][:max]:
                try:
                    messages.append(self.decode(item))
                except errors.DecodeError as error:
                    messages.append(error.payload)
            return messages

    def statistics(self) -> Statistics:
        with self.locked() as box:
            self.check()
            return Statistics(
                accepted=box.accepted,
                taken=box.taken,
                waiting=len(box.queue) + len(box.returned),
                returned=len(box.returned),
                leased=len(box.leased),
                loaned=len(box.loaned),
                free=box.free,
                receivers_waiting=len(box.waiters()),
                senders_waiting=box.senders_waiting,
                memory_used=0,
                memory_reserved=0,
                memory_limit=0,
            )

    @property
    def link(self) -> Link:
        with self.locked() as box:
            self.present()
            if self.over:
                raise errors.Closed(f"this end of {self.address} was closed")
            senders = [party.peer for party, did in box.roles.items() if "sends" in did]
            receivers = [party.peer for party, did in box.roles.items() if "receives" in did]
            return Link(
                name=box.name,
                id=box.id,
                kind=box.kind,
                carrier="memory",
                capacity=box.capacity,
                direction="one-way",
                max_processes=2 if box.access == "pair" else 1 << 20,
                established=self.established,
                message_size="fixed" if box.max_message else "variable",
                max_message=box.largest,
                senders=tuple(senders),
                receivers=tuple(receivers),
                access=box.access,
                memory=box.memory or None,
                max_deliveries=box.max_deliveries or None,
                dead_letters=box.dead_letters_at or None,
                creator=box.creator.peer,
                bytes=sum(len(item.payload) for item in [*box.queue, *box.returned, *box.leased]),
                lifetime=box.lifetime,
            )

    def fileno(self) -> int:
        with self.locked():
            self.is_receiver()
            return self.descriptor()

    def has_something(self) -> bool:
        """Whether there is a message, in nobody else's turn, or an end to be told of."""
        box = self.box
        waits = (box.queue or box.returned) and box.may_receive(self)
        return bool(waits or box.destroyed or box.ending)

    # ---- ending

    def close(self) -> None:
        if self.over:
            return
        for notify in closing:
            notify(self)
        with self.locked() as box:
            self.over = True
            self.ring()
            if self in box.ends:
                box.forget(self.is_)
            box.arrange()
        for notify in closed:
            notify(self)

    def __del__(self) -> None:
        if not self.over and self.party.alive:
            self.close()

    def destroy(self, *, force: bool = False) -> None:
        with self.locked() as box:
            self.check()
            if not force and box.creator.alive and box.creator is not self.party:
                raise errors.NotOwner(f"{self.address} was created by another process, which lives")
            left = [*box.returned, *box.queue] if box.kind == "port" and box.dead_letters_at else []
            box.destroy()
            for item in left:
                box.send_to_dead_letters(item)


class LinkEnd(End):
    """An end of a mailbox, a queue or a port."""

    def __init__(self, where: Address, how: How, policy: Policy, reading: Reading) -> None:
        world = world_of(where)
        with world.changed:
            self.party = player(world)
            self.present()
            super().__init__(self.party, self._found(where, how, policy), reading)
            self._observing = how == "observe"
            if not self._observing:
                self._attach()
            self.over = False

    def _found(self, where: Address, how: How, policy: Policy) -> Box:
        world = self.party.world
        box = world.links.get(str(where))
        if box is None:
            if how in ("open", "observe"):
                raise errors.NotFound(f"there is no {where}; create it with {_MAKERS[policy.kind]}")
            made = world.links[str(where)] = Box(world, where, policy, self.party)
            return made
        if how == "create" and policy.kind != "port":
            raise errors.NameTaken(f"{where} exists; open it with open(...)")
        if policy.kind not in (None, box.kind) or not isinstance(box, Box):
            raise errors.Mismatch(f"{where} is a {box.kind}")
        if how == "create":
            raise errors.Busy(f"{where} has its receiver")
        if box.differs(policy):
            raise errors.Mismatch(f"{where} exists and is different")
        return box

    def _attach(self) -> None:
        box = self.box
        if box.access == "pair" and len(box.parties | {self.party}) > 2:
            raise errors.Busy(f"{box.address} has its two processes")
        box.ends.append(self)
        if box.kind == "port":
            if box.receiver is None:
                box.receiver = self
                box.tell(self.party, "receives")
            else:
                box.had_sender = True
                box.tell(self.party, "sends")


_MAKERS = {
    "mailbox": "Mailbox(...)",
    "queue": "MessageQueue(...)",
    "port": "Port(...)",
    None: "what makes its kind of link",
}
