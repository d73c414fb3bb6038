"""The reference carrier's endpoints; see `tests.conformance.reference`.

What a name leads to is a desk, at which at most one party sits, with an `Endpoint`. Who sends to a
desk has a box of its own there, and so what a pair has sent each other is in two boxes.
"""

from __future__ import annotations

import uuid
from functools import partial

from liaison import errors
from liaison.address import Address, check_name
from liaison.carriers.contract import EndpointContract
from liaison.closing import Closing
from liaison.codec import Coder
from liaison.deadline import Deadline
from liaison.link import Link, Peer, Statistics
from liaison.links.end import parsed, size
from tests.conformance.reference import LARGEST, PARTS, Box, Delivery, End, Here, Waiter

__all__ = ["Desk", "Endpoint", "Letters"]


class Desk:
    """What an endpoint's names lead to; it stays when its process has ended."""

    kind = "endpoint"

    def __init__(self, world, where, capacity, creator):
        self.world = world
        self.where = where  # with the name that it has now
        self.id = uuid.uuid4().hex
        self.capacity = 256 if capacity is None else capacity
        self.creator = creator
        self.names = {str(where)}
        self.letters = []  # from whom nothing was taken for the longest time comes first
        self.holder = None  # the endpoint of who sits there
        self.waiting = []  # Waiters, the oldest first
        self.destroyed = False
        world.boxes.add(self)

    def letters_from(self, desk):
        return next((letters for letters in self.letters if letters.sender is desk), None)

    def arrange(self):
        for letters in list(self.letters):
            letters.arrange()
        if self.holder:
            self.holder._ring()
        self.world.changed.notify_all()

    def forget(self, gone):
        if self.holder and gone(self.holder):
            holder, self.holder = self.holder, None
            self.waiting.clear()
            if holder._passing:
                self.destroy()

    def destroy(self):
        self.destroyed = True
        for address in self.names:
            del self.world.links[address]
        for letters in self.letters:
            letters.destroy()


class Letters(Box):
    """What one desk has sent to another."""

    def __init__(self, sender, desk, creator):
        policy = {
            "kind": "direct",
            "capacity": min(sender.capacity, desk.capacity),
            "max_message": 0,
            "access": "pair",
        }
        super().__init__(desk.world, desk.where, policy, creator)
        self.sender = sender
        self.desk = desk

    def waiters(self):
        return [waiter for waiter in self.desk.waiting if waiter.wants(self.sender)]

    def take(self, endpoint):
        self.desk.letters.remove(self)
        self.desk.letters.append(self)
        return super().take(endpoint._end_at(self))

    def arrange(self):
        super().arrange()
        if self.desk.holder:
            self.desk.holder._ring()

    def peer_of(self, item):
        return item.sender.peer.but(name=self.sender.where.name)


class Reader(Waiter):
    """One that waits for what a source sends, or anyone."""

    def __init__(self, endpoint, source):
        super().__init__(endpoint)
        self.source = source

    def wants(self, sender):
        if self.item is not None or self.end._closed or not self.end._party.alive:
            return False
        links = sender.world.links
        return self.source is None or links.get(str(self.source)) is sender


class Endpoint(Closing, Here, EndpointContract):
    """A party at its desk."""

    _passing = False

    def __init__(self, name=None, *, capacity=None, type=None, codec=None):
        party = self._party
        self._here()
        if name is None:
            self._passing = True
            where = Address.current_space().called(f"process-{party.pid}-{uuid.uuid4().hex}")
        else:
            where = parsed(name)
        if where.scheme != "shm":  # bare names are taken for that
            raise errors.InvalidAddress(f"{where}: the reference carries names alone")
        capacity = size("capacity", capacity, 0, 1 << 18)
        self._arguments = type, codec
        self._sending = {}  # desk: the end by which it is sent to
        self._taking = {}  # letters: the end by which they are received
        with party.world.changed:
            links = party.world.links
            desk = links.get(str(where))
            if desk is None:
                desk = links[str(where)] = Desk(party.world, where, capacity, party)
            if desk.kind != "endpoint" or capacity not in (None, desk.capacity):
                raise errors.Mismatch(f"{where} exists and is different")
            if desk.holder is not None:
                raise errors.Busy(f"{where} is the name of a living process")
            self._box = self._desk = desk
            desk.holder = self
            self._closed = False
            party.called = self.name
            party.endpoints.append(self)

    def __reduce__(self):
        raise TypeError("an endpoint is one process's name")

    def _check(self):
        self._here()
        if self._closed:
            raise errors.Closed(f"{self._desk.where} was closed here")
        if self._desk.destroyed:
            raise errors.Destroyed(f"{self._desk.where} was destroyed")

    # ---- names

    @property
    def name(self):
        return self._desk.where.name

    @property
    def address(self):
        return str(self._desk.where)

    @property
    def aliases(self):
        with self._locked() as desk:
            self._check()
            names = {Address.parse(address).name for address in desk.names}
            return sorted(names - {self.name})

    def rename(self, new):
        check_name(new)
        with self._locked() as desk:
            self._check()
            where = desk.where.called(new)
            if desk.world.links.setdefault(str(where), desk) is not desk:
                raise errors.NameTaken(f"{where} exists")
            desk.names.add(str(where))
            desk.where = where
            self._party.called = new

    def retire(self, old):
        check_name(old)
        with self._locked() as desk:
            self._check()
            address = str(desk.where.called(old))
            if old == self.name:
                raise ValueError(f"{old} is what this endpoint is called")
            if address not in desk.names:
                raise errors.NotFound(f"{old} is none of its names")
            desk.names.remove(address)
            del desk.world.links[address]

    def _where(self, name):
        """The address that is meant. Raises `Mismatch` where it is not an endpoint's."""
        if isinstance(name, Peer):
            name = name.name or ""
        where = name if isinstance(name, Address) else None
        if where is None:
            here = "://" not in name
            where = self._desk.where.called(check_name(name)) if here else parsed(name)
        if where.scheme != "shm":
            raise errors.InvalidAddress(f"{where}: the reference carries names alone")
        found = self._desk.world.links.get(str(where))
        if found is not None and found.kind != "endpoint":
            raise errors.Mismatch(f"{where} is a {found.kind}")
        return where

    # ---- sending

    def send(self, to, message, *, timeout=None, receipt=False):
        deadline = Deadline(timeout)
        with self._locked():
            self._check()
            desk = self._desk.world.links.get(str(self._where(to)))
            if desk is None:
                raise errors.NotFound(f"there is no endpoint {to}")
            if desk not in self._sending:
                letters = desk.letters_from(self._desk)
                if letters is None:
                    letters = Letters(self._desk, desk, self._party)
                    desk.letters.append(letters)
                self._sending[desk] = self._end(letters)
            return self._sending[desk].send(message, timeout=deadline.remaining(), receipt=receipt)

    def try_send(self, to, message):
        try:
            self.send(to, message, timeout=0)
        except errors.Full:
            return False
        return True

    def _end(self, letters):
        end = object.__new__(self._party.names["_LettersEnd"])
        end._join(letters, *self._arguments)
        return end

    def _end_at(self, letters):
        if letters not in self._taking:
            self._taking[letters] = self._end(letters)
        return self._taking[letters]

    # ---- receiving

    def _take(self, source, deadline):
        """A leased item; Empty."""
        with self._locked() as desk:
            self._check()
            waiter = Reader(self, None if source is None else self._where(source))
            desk.waiting.append(waiter)
            desk.arrange()

            def came():
                if waiter.item is None:
                    self._check()
                return waiter.item is not None

            try:
                if self._until(came, deadline):
                    item, waiter.item = waiter.item, None
                    return item
                raise errors.Empty(f"no message came to {desk.where} in time")
            finally:
                if waiter in desk.waiting:
                    desk.waiting.remove(waiter)
                if waiter.item is not None and self._party.alive:  # interrupted
                    waiter.item.holder._box.give_back(waiter.item)

    def receive(self, source=None, *, timeout=None):
        deadline = Deadline(timeout)
        with self._locked():
            item = self._take(source, deadline)
            end = item.holder
            message = end._read(item)
            end._box.settle(item, "acknowledged")
            return message

    def try_receive(self, source=None, default=None):
        try:
            return self.receive(source, timeout=0)
        except errors.Empty:
            return default

    def lease(self, source=None, *, timeout=None):
        deadline = Deadline(timeout)
        with self._locked():
            item = self._take(source, deadline)
            return Delivery(item.holder, item)

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return self.receive()
        except errors.Destroyed:
            raise StopIteration from None

    # ---- seeing

    def fileno(self):
        with self._locked():
            self._check()
            return self._descriptor()

    def _has_something(self):
        desk = self._desk
        return desk.destroyed or any(box.queue or box.returned for box in desk.letters)

    def _seen(self):
        """An end of each sender's box."""
        self._check()
        return [self._end_at(letters) for letters in self._desk.letters]

    def __len__(self):
        with self._locked():
            return sum(map(len, self._seen()))

    def __bool__(self):
        return True

    def peek(self, max=10):
        if max < 0:
            raise ValueError(f"max is 0 or more, not {max}")
        with self._locked():
            return [message for end in self._seen() for message in end.peek(max)][:max]

    def statistics(self):
        with self._locked():
            return Statistics.together([end.statistics() for end in self._seen()])

    def _link(self, desk, boxes, **facts):
        here = [party.peer for party in dict.fromkeys(p for box in boxes for p in box.parties)]
        return Link(
            carrier="memory",
            direction="two-way",
            max_processes=2,
            established="automatic",
            message_size="variable",
            max_message=LARGEST,
            memory=None,
            max_deliveries=None,
            dead_letters=None,
            creator=desk.creator.peer,
            bytes=0,
            **{"senders": tuple(here), "receivers": tuple(here), **facts},
        )

    @property
    def link(self):
        with self._locked() as desk:
            self._check()
            senders = [
                box.sender.holder._party.peer.but(name=box.sender.where.name)
                for box in desk.letters
                if box.sender.holder
            ]
            facts = {"id": desk.id, "kind": "endpoint", "capacity": desk.capacity, "access": "any"}
            receivers = (self._party.peer,)
            return self._link(
                desk, [], name=self.name, senders=tuple(senders), receivers=receivers, **facts
            )

    def links(self):
        with self._locked() as desk:
            self._check()
            pairs = {}  # the other desk: the boxes between the two
            for letters in desk.letters:
                pairs.setdefault(letters.sender, []).append(letters)
            for other, end in self._sending.items():
                pairs.setdefault(other, []).append(end._box)
            return [
                self._link(
                    *(desk, boxes),
                    name=f"{self.name}~{other.where.name}",
                    id=boxes[0].id,
                    kind="direct",
                    capacity=boxes[0].capacity,
                    access="pair",
                )
                for other, boxes in pairs.items()
            ]

    # ---- ending

    def close(self):
        if self._closed:
            return
        with self._locked() as desk:
            self._closed = True
            self._ring()
            if self._party.called == self.name:
                self._party.called = None
            for end in [*self._sending.values(), *self._taking.values()]:
                end.close()
            desk.forget(lambda endpoint: endpoint is self)
            desk.arrange()

    def destroy(self, *, force=False):
        with self._locked() as desk:
            self._check()
            desk.destroy()
            self.close()


class LettersEnd(End):
    """An end of what one desk has sent to another; which of the two has it says what it is for."""

    def _join(self, letters, type, codec):
        self._box = letters
        self._where = letters.where
        self._observing = False
        self._coder = Coder(type, codec)
        self._attach()
        self._closed = False


# ---- the textbook's primitives


def mine(party):
    """The newest endpoint of the party; None: it has none."""
    return next((one for one in reversed(party.endpoints) if not one.closed), None)


def send(party, target, message, *, timeout=None):
    """Send to whatever is called so."""
    with party.world.changed:
        box = party.world.links.get(str(parsed(target)))
        if box is None or box.kind == "endpoint":
            (mine(party) or party.names["Endpoint"]()).send(target, message, timeout=timeout)
            return
    with party.names[MAKERS[box.kind]].open(target) as end:
        end.send(message, timeout=timeout)


def receive(party, source=None, *, timeout=None):
    """Receive from whatever is called so."""
    box = None if source is None else party.world.links.get(str(parsed(source)))
    if box is None or box.kind == "endpoint":
        if (endpoint := mine(party)) is None:
            raise errors.NotFound("this process has no endpoint")
        return endpoint.receive(source, timeout=timeout)
    with party.names[MAKERS[box.kind]].open(source) as end:
        return end.receive(timeout=timeout)


MAKERS = {"mailbox": "Mailbox", "queue": "MessageQueue", "port": "Port"}


def _endpoints(party):
    party.endpoints = []  # that it has made
    return {
        "Endpoint": type("Endpoint", (Endpoint,), {"_party": party}),
        "_LettersEnd": type("LettersEnd", (LettersEnd,), {"_party": party}),
        "send": partial(send, party),
        "receive": partial(receive, party),
    }


PARTS.append(_endpoints)
