"""The reference carrier: what `liaison.carriers.contract` says, under one lock, with plain data.

It is there to be read and believed, and to be compared with: no process can reach another one's
memory here, so that "processes" are parties, played by threads of one process. One condition of one
lock is told of every change, and who waits looks again. Slow, and nothing to hide. Here is what has
one place for messages; endpoints and pipes are made of such places, in files of their own.

It lives among the tests because nobody should use it: what it carries is gone with its process, and
a program that is tested with it would not be tested with what it will use (`shm` needs no set-up).
"""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
import uuid
import weakref
from collections import deque
from contextlib import contextmanager, suppress

from liaison import errors
from liaison.carriers.contract import MailboxContract
from liaison.codec import Coder
from liaison.deadline import Deadline, nanoseconds
from liaison.link import Link, Peer, Statistics
from liaison.links.mailbox import Mailbox
from liaison.links.port import Port
from liaison.links.queue import MessageQueue

__all__ = [
    "LARGEST",
    "PARTS",
    "Box",
    "Delivery",
    "End",
    "Here",
    "Killed",
    "Party",
    "Waiter",
    "World",
    "worlds",
]

# Seconds: a signal that comes right before CPython's lock sleeps is handled when that wakes, so
# none sleeps for ever.
SLICE = 1.0
OFFERS = 64  # messages that can be offered at a rendezvous at once
LARGEST = 1 << 30
DEFAULTS = {"queue": (10, 8192)}  # capacity, max_message
ORDER = ["queued", "received", "acknowledged", "dead-lettered"]


class Killed(BaseException):
    """The party was killed: what it did ends here, and nothing of it runs any more."""


# What gives a party its classes: each takes the party and returns them by name.
PARTS = []


class Party:
    """Who plays a process."""

    def __init__(self, world, pid):
        self.world = world
        self.pid = pid
        self.alive = True
        self.called = None  # its endpoint's name: the one said last
        self.facts = Peer(None, pid, platform.node(), time.time(), " ".join(sys.argv)[:127])
        self.names = {}
        for part in PARTS:
            self.names |= part(self)

    @property
    def peer(self):
        return self.facts.but(name=self.called)

    def kill(self):
        """Die at once: what it held goes back, what it waited for is given up."""
        with self.world.changed:
            self.alive = False
            for box in list(self.world.boxes):
                box.forget(lambda end: end._party is self)
            self.world.changed.notify_all()


class World:
    """All links there are, and the one lock."""

    def __init__(self):
        self.changed = threading.Condition(threading.RLock())
        self.links = {}  # address: Box, or what holds several, of those that can be opened
        self.boxes = weakref.WeakSet()  # those that were destroyed as well
        self.pids = os.getpid()
        self.process = os.getpid()
        self.parties = []
        self.here = self.party()
        worlds[id(self)] = self

    def party(self):
        """One more process; the first is the one that asks."""
        party = Party(self, self.pids)
        self.pids += 1_000_000  # no process has such a number
        self.parties.append(party)
        return party


worlds = weakref.WeakValueDictionary()


class _Bare:
    """Before the kind among the bases: an end is made here and by no other carrier."""

    __slots__ = ()

    @classmethod
    def _bare(cls, where):
        if where.scheme != "shm":  # bare names are taken for that
            raise errors.InvalidAddress(f"{where}: the reference carries names alone")
        return object.__new__(cls)

    def __reduce__(self):
        world = self._party.world
        place = id(world), world.parties.index(self._party)
        return _reopen, (*place, type(self).__name__, self.address, self._arguments)


def _reopen(world, party, kind, address, arguments):
    type, codec = arguments
    return worlds[world].parties[party].names[kind].open(address, type=type, codec=codec)


class Item:
    """A message."""

    def __init__(self, number, format, payload, sender):
        self.number = number
        self.format = format
        self.payload = payload
        self.sender = sender
        self.attempt = 0
        self.holder = None  # the end that has it
        self.state = "queued"
        self.receiver = None  # the party that received it last


class Box:
    """What the link holds. All its methods are called with the lock held."""

    def __init__(self, world, where, policy, creator):
        self.world = world
        self.where = where
        self.address = str(where)
        self.id = uuid.uuid4().hex
        self.kind = policy["kind"] or "mailbox"
        capacity, max_message = DEFAULTS.get(self.kind, (1024, 0))
        self.capacity = capacity if policy["capacity"] < 0 else policy["capacity"]
        self.max_message = policy["max_message"] or max_message
        self.memory = policy.get("memory") or 0
        self.access = policy.get("access") or "any"
        self.max_deliveries = policy.get("max_deliveries") or 0
        self.dead_letters = policy.get("dead_letters") or ""
        self.lifetime = (policy.get("lifetime") or "receiver") if self.kind == "port" else None
        self.creator = creator
        self.places = self.capacity or OFFERS
        self.queue = deque()
        self.returned = []  # in the order in which they were sent
        self.leased = set()
        self.loaned = weakref.WeakSet()  # a Loan that nobody has is discarded
        self.receipts = weakref.WeakSet()
        self.ends = []
        self.roles = {}  # party: of "sends" and "receives", what it did or is there for
        self.waiting = []  # Waiters, the oldest first
        self.senders_waiting = 0
        self.turn = None  # the party that may receive, of an exclusive link
        self.receiver = None  # the end that may receive, of a port
        self.had_sender = False
        self.ending = False  # a port whose last sender has gone
        self.destroyed = False
        self.accepted = self.taken = 0
        world.boxes.add(self)

    # ---- what it is

    def differs(self, policy):
        """Whether what was said of it is not so."""
        said = {
            "kind": policy.get("kind"),
            "capacity": policy.get("capacity", -1),
            "max_message": policy.get("max_message") or None,
            "memory": policy.get("memory") or None,
            "access": policy.get("access"),
            "max_deliveries": policy.get("max_deliveries") or None,
            "dead_letters": policy.get("dead_letters") or None,
        }
        if said["capacity"] < 0:
            said["capacity"] = None
        return any(
            value is not None and value != getattr(self, name) for name, value in said.items()
        )

    def peer_of(self, item):
        """Who sent it, as its receiver is told."""
        return item.sender.peer

    @property
    def parties(self):
        return {end._party for end in self.ends}

    def tell(self, party, role):
        self.roles.setdefault(party, set()).add(role)

    @property
    def free(self):
        used = len(self.queue) + len(self.returned) + len(self.leased) + len(self.loaned)
        return self.places - used

    @property
    def largest(self):
        return self.max_message or self.memory or LARGEST

    def has_memory_for(self, size):
        held = [len(item.payload) for item in [*self.queue, *self.returned, *self.leased]]
        held += [len(loan) for loan in self.loaned]
        return not self.memory or sum(held) + size <= self.memory

    @property
    def grave(self):
        if self.dead_letters or not self.max_deliveries:
            return self.dead_letters
        return f"{self.address}.dead"

    # ---- what happens

    def arrange(self):
        """Give what there is to those who wait, the oldest first; then tell everybody."""
        while True:
            if self.access == "exclusive":
                if self.turn is not None and not self.keeps_turn(self.turn):
                    self.turn = None
                if self.turn is None and self.waiters():
                    self.turn = self.waiters()[0].end._party
            waiter = next((one for one in self.waiters() if self.may_receive(one.end)), None)
            if waiter is None or not (self.returned or self.queue):
                break
            waiter.item = self.take(waiter.end)
        for end in self.ends:
            end._ring()
        self.world.changed.notify_all()

    def waiters(self):
        """Those that have nothing yet, the oldest first."""
        return [waiter for waiter in self.waiting if waiter.item is None]

    def keeps_turn(self, party):
        return any(item.holder._party is party for item in self.leased) or any(
            waiter.end._party is party for waiter in self.waiters()
        )

    def may_receive(self, end):
        return self.access != "exclusive" or self.turn in (None, end._party)

    def take(self, end):
        if self.returned:
            item = self.returned.pop(0)
        else:
            item = self.queue.popleft()
            self.taken += 1
        item.attempt += 1
        item.holder = end
        self.leased.add(item)
        item.state, item.receiver = "received", end._party
        return item

    def accept(self, format, payload, sender):
        item = Item(self.accepted, format, bytes(payload), sender)
        self.accepted += 1
        self.queue.append(item)
        self.arrange()
        return item

    def settle(self, item, state):
        self.leased.discard(item)
        item.holder = None
        item.state = state
        self.arrange()

    def give_back(self, item):
        self.leased.discard(item)
        item.holder = None
        item.state = "queued"
        self.returned.append(item)
        self.returned.sort(key=lambda one: one.number)
        self.arrange()

    def bury(self, item):
        """Move a leased message to the dead letters; where they have no room it goes back."""
        try:
            self.send_to_grave(item)
        except BaseException:
            self.give_back(item)
            raise
        self.settle(item, "dead-lettered")

    def send_to_grave(self, item):
        with self.world.here.names["Mailbox"](self.grave) as grave:
            box = grave._box
            if box.free < 1:
                raise errors.Full(f"{self.grave} is full")
            box.accept(item.format, item.payload, item.sender)

    # ---- how ends end

    def forget(self, gone):
        """Do without the ends that have `gone`."""
        for item in [item for item in self.leased if gone(item.holder)]:
            self.give_back(item)
        for loan in [loan for loan in self.loaned if gone(loan._end)]:
            self.loaned.discard(loan)
        self.waiting = [waiter for waiter in self.waiting if not gone(waiter.end)]
        self.receipts = weakref.WeakSet(one for one in self.receipts if self.lives(one._end))
        self.ends = [end for end in self.ends if not gone(end)]
        self.roles = {party: did for party, did in self.roles.items() if party in self.parties}
        if self.kind == "port" and not self.destroyed:
            if gone(self.receiver):
                self.end_port()
            elif self.lifetime == "senders" and self.had_sender and self.ends == [self.receiver]:
                self.ending = True
                self.world.links.pop(self.address, None)
        self.arrange()

    @staticmethod
    def lives(end):
        return end._party.alive

    def end_port(self):
        left = [*self.returned, *self.queue]
        self.destroy()
        if self.grave:
            for item in left:
                self.send_to_grave(item)
                item.state = "dead-lettered"

    def destroy(self):
        self.destroyed = True
        if self.world.links.get(self.address) is self:
            del self.world.links[self.address]
        self.arrange()


class Waiter:
    """One that waits for a message."""

    def __init__(self, end):
        self.end = end
        self.item = None


class Here:
    """What a party holds, and waits with."""

    _party: Party
    _closed = True
    _bell = -1

    def _here(self):
        if os.getpid() != self._party.world.process:
            raise RuntimeError("the reference carrier is in the memory of one process")
        if not self._party.alive:
            raise Killed

    @contextmanager
    def _locked(self):
        with self._party.world.changed:
            yield self._box

    def _until(self, condition, deadline):
        """Wait, with the lock held, until `condition()`; whether it came in time."""
        while not condition():
            left = deadline.remaining()
            if left == 0:
                return False
            self._party.world.changed.wait(SLICE if left is None else min(left, SLICE))
            self._here()
        return True

    def _descriptor(self):
        if self._bell < 0:
            self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._rung = False
            weakref.finalize(self, os.close, self._bell)
        self._ring()
        return self._bell

    def _ring(self):
        """Make the descriptor readable exactly while a receive would not have to wait."""
        if self._bell < 0:
            return
        ready = self._closed or self._has_something()
        if ready and not self._rung:
            os.eventfd_write(self._bell, 1)
        elif self._rung and not ready:
            os.eventfd_read(self._bell)
        self._rung = ready

    @property
    def closed(self):
        return self._closed


class End(Here, MailboxContract):
    """A party's end of a link."""

    def _start(self, where, how, policy, type, codec, undertaker, mourner):
        world = self._party.world
        self._where = where
        self._observing = how == "observe"
        self._coder = Coder(type, codec)
        with world.changed:
            self._box = self._found(world, where, how, policy)
            if not self._observing:
                self._attach()
            self._closed = False

    def _found(self, world, where, how, policy):
        self._here()
        box = world.links.get(str(where))
        if box is None:
            if how in ("open", "observe"):
                raise errors.NotFound(f"there is no {where}; create it with {type(self).__name__}")
            box = world.links[str(where)] = Box(world, where, policy, self._party)
            self._creator = True
            return box
        if how == "create" and policy["kind"] != "port":
            raise errors.NameTaken(f"{where} exists; open it")
        if policy["kind"] not in (None, box.kind):
            raise errors.Mismatch(f"{where} is a {box.kind}")
        if how == "create":
            raise errors.Busy(f"{where} has its receiver")
        if box.differs(policy):
            raise errors.Mismatch(f"{where} exists and is different")
        return box

    def _attach(self):
        box = self._box
        if box.access == "pair" and len(box.parties | {self._party}) > 2:
            raise errors.Busy(f"{box.address} has its two processes")
        box.ends.append(self)
        if box.kind == "port":
            if box.receiver is None:
                box.receiver = self
                box.tell(self._party, "receives")
            else:
                box.had_sender = True
                box.tell(self._party, "sends")

    # ---- what every operation begins with

    def _check(self):
        """What can be done with a link that is there."""
        self._here()
        if self._closed:
            raise errors.Closed(f"this end of {self._where} was closed; open it again")
        if self._box.destroyed:
            raise errors.Destroyed(f"{self._where} was destroyed")

    def _may_learn(self):
        """What can be done with a message that was sent."""
        self._check()

    def _take_part(self):
        if not self._closed and self._observing:
            raise errors.AccessDenied(f"{self._where} was opened to observe it")
        self._check()

    def _may_send(self):
        self._take_part()
        if self._box.ending:
            raise errors.Destroyed(f"{self._where} takes no more")

    def _may_receive(self):
        self._take_part()
        if self._box.kind == "port" and self._box.receiver is not self:
            raise errors.AccessDenied(f"{self._where} has one receiver")
        if self._box.ending and not (self._box.queue or self._box.returned):
            raise errors.Destroyed(f"the last sender of {self._where} has gone")

    @property
    def address(self):
        return str(self._where)

    @property
    def rendezvous(self):
        return self._box.capacity == 0

    # ---- sending

    def _reserve(self, size, receipt, deadline):
        """Wait for room, with the lock held; whether there is some."""
        box = self._box
        if size > box.largest:
            raise errors.TooLarge(f"the message has {size} bytes and can never fit")
        self._may_send()
        box.tell(self._party, "sends")

        def room():
            self._may_send()
            if box.free < 1 or not box.has_memory_for(size):
                return False
            return not receipt or len(box.receipts) < box.places

        box.senders_waiting += 1
        try:
            return self._until(room, deadline)
        finally:
            box.senders_waiting -= 1

    def _commit(self, format, payload, deadline):
        """The item; None when nobody came to a rendezvous."""
        box = self._box
        item = box.accept(format, payload, self._party)
        if box.capacity == 0:

            def met():
                return item.attempt or box.destroyed or self._closed

            try:
                self._until(met, deadline)
            finally:
                if not item.attempt:
                    self._withdraw(item)
            if not item.attempt:
                self._take_part()
                return None
        return item

    def _withdraw(self, item):
        if item in self._box.queue:
            self._box.queue.remove(item)
            self._box.accepted -= 1
            self._box.arrange()

    def _put(self, message, deadline, receipt=False):
        """The item, or None."""
        with self._locked():
            self._take_part()
            format, head, body = self._coder.encode(message)
            payload = head + bytes(body)
            self._take_part()
            if not self._reserve(len(payload), receipt, deadline):
                return None
            return self._commit(format, payload, deadline)

    def _full(self):
        if self.rendezvous:
            return errors.NoReceiver(f"nobody came to receive from {self._where} in time")
        return errors.Full(f"{self._where} had no room in time")

    def send(self, message, *, timeout=None, receipt=False):
        item = self._put(message, Deadline(timeout), receipt)
        if item is None:
            raise self._full()
        return Receipt(self, item) if receipt else None

    def try_send(self, message):
        return self._put(message, Deadline(0)) is not None

    def send_many(self, messages, *, timeout=None):
        deadline = Deadline(timeout)
        if self._closed or self._observing:  # sending nothing to a link that is gone is no mistake
            self._take_part()
        count = 0
        for message in messages:
            if self._put(message, deadline) is None:
                if count:
                    break
                raise self._full()
            count += 1
        return count

    def loan(self, size, *, timeout=None):
        if size < 0:
            raise ValueError(f"a loan has 0 or more bytes, not {size}")
        deadline = Deadline(timeout)
        with self._locked() as box:
            self._take_part()
            if not self._reserve(size, False, deadline):
                raise errors.Full(f"{self._where} had no room in time")
            loan = Loan(self, size)
            box.loaned.add(loan)
            return loan

    # ---- receiving

    def _take(self, deadline):
        """A leased item; Empty or Busy."""
        with self._locked() as box:
            while True:
                item = self._next(box, deadline)
                if not box.max_deliveries or item.attempt <= box.max_deliveries:
                    return item
                box.bury(item)

    def _next(self, box, deadline):
        self._may_receive()
        box.tell(self._party, "receives")
        waiter = Waiter(self)
        box.waiting.append(waiter)
        box.arrange()

        def came():
            if waiter.item is None:
                self._may_receive()
            return waiter.item is not None

        try:
            if self._until(came, deadline):
                item, waiter.item = waiter.item, None
                return item
            if not box.may_receive(self):
                raise errors.Busy(f"{self._where} is another's turn")
            raise errors.Empty(f"no message came to {self._where} in time")
        finally:
            if waiter in box.waiting:
                box.waiting.remove(waiter)
            if waiter.item is not None and self._party.alive:  # interrupted
                box.give_back(waiter.item)
            box.arrange()

    def _decode(self, item):
        return self._coder.decode(item.format, memoryview(item.payload))

    def _read(self, item):
        """The message; settled if it cannot be had."""
        try:
            return self._decode(item)
        except errors.DecodeError:
            if self._box.grave:
                self._box.bury(item)
            else:
                self._box.settle(item, "acknowledged")
            raise
        except BaseException:
            self._box.give_back(item)
            raise

    def receive(self, *, timeout=None):
        deadline = Deadline(timeout)
        with self._locked() as box:
            item = self._take(deadline)
            message = self._read(item)
            box.settle(item, "acknowledged")
            return message

    def try_receive(self, default=None):
        try:
            return self.receive(timeout=0)
        except (errors.Empty, errors.Busy):
            return default

    def receive_many(self, max, *, timeout=None):
        if max < 1:
            raise ValueError(f"max is 1 or more, not {max}")
        deadline = Deadline(timeout)
        with self._locked() as box:
            taken = [self._take(deadline)]
            messages = [self._read(taken[0])]
            try:
                while len(messages) < max:
                    item = self._take(Deadline(0))
                    try:
                        messages.append(self._decode(item))
                    except BaseException:
                        box.give_back(item)
                        raise
                    taken.append(item)
            except errors.LiaisonError:
                pass  # none are left, or one that is for the next call to tell of
            for item in taken:
                box.settle(item, "acknowledged")
            return messages

    def lease(self, *, timeout=None):
        return Delivery(self, self._take(Deadline(timeout)))

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return self.receive()
        except errors.Destroyed:
            raise StopIteration from None

    # ---- seeing

    def __len__(self):
        with self._locked() as box:
            self._check()
            return len(box.queue) + len(box.returned)

    def __bool__(self):
        return True

    def peek(self, max=10):
        if max < 0:
            raise ValueError(f"max is 0 or more, not {max}")
        with self._locked() as box:
            self._check()
            messages = []
            for item in [*box.returned, *box.queue][:max]:
                try:
                    messages.append(self._decode(item))
                except errors.DecodeError as error:
                    messages.append(error.payload)
            return messages

    def statistics(self):
        with self._locked() as box:
            self._check()
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
    def link(self):
        with self._locked() as box:
            self._here()
            if self._closed:
                raise errors.Closed(f"this end of {self._where} was closed")
            senders = [party.peer for party, did in box.roles.items() if "sends" in did]
            receivers = [party.peer for party, did in box.roles.items() if "receives" in did]
            return Link(
                name=self._where.name,
                id=box.id,
                kind=box.kind,
                carrier="memory",
                capacity=box.capacity,
                direction="one-way",
                max_processes=2 if box.access == "pair" else 1 << 20,
                established="named",
                message_size="fixed" if box.max_message else "variable",
                max_message=box.largest,
                senders=tuple(senders),
                receivers=tuple(receivers),
                access=box.access,
                memory=box.memory or None,
                max_deliveries=box.max_deliveries or None,
                dead_letters=box.grave or None,
                creator=box.creator.peer,
                bytes=sum(len(item.payload) for item in [*box.queue, *box.returned, *box.leased]),
                lifetime=box.lifetime,
            )

    def fileno(self):
        with self._locked():
            self._take_part()
            return self._descriptor()

    def _has_something(self):
        box = self._box
        return bool(box.queue or box.returned or box.destroyed or box.ending)

    # ---- ending

    def close(self):
        if self._closed:
            return
        with self._locked() as box:
            self._closed = True
            self._ring()
            if self in box.ends:
                box.forget(lambda end: end is self)
            box.arrange()

    def __del__(self):
        if not self._closed and self._party.alive:
            self.close()

    def destroy(self, *, force=False):
        with self._locked() as box:
            self._check()
            if not force and box.creator.alive and box.creator is not self._party:
                raise errors.NotOwner(f"{self._where} was created by another process, which lives")
            left = [*box.returned, *box.queue] if box.kind == "port" and box.grave else []
            box.destroy()
            for item in left:
                box.send_to_grave(item)


def _lost(end):
    return errors.LeaseLost(f"this message of {end.address} is no longer yours")


class Delivery:
    """A message under lease."""

    def __init__(self, end, item):
        self._end = end
        self._item = item
        self._settled = False
        self.attempt = item.attempt
        self.sender = end._box.peer_of(item)
        self._decoded = None
        self._window = None

    def _mine(self):
        self._end._here()
        if self._settled or self._item.holder is not self._end:
            raise _lost(self._end)

    @property
    def message(self):
        if self._decoded is None:
            self._mine()
            self._decoded = (self._end._decode(self._item),)
        return self._decoded[0]

    @property
    def view(self):
        self._mine()
        if self._window is None:
            self._window = memoryview(self._item.payload)
        return self._window

    def __len__(self):
        return len(self._item.payload)

    def __bool__(self):
        return True

    def _settle(self):
        self._mine()
        if self._window is not None:
            self._window.release()
        self._settled = True

    def acknowledge(self):
        with self._end._locked() as box:
            self._settle()
            if box.destroyed:
                raise errors.Destroyed(f"{self._end.address} was destroyed")
            box.settle(self._item, "acknowledged")

    def release(self):
        with self._end._locked() as box:
            self._settle()
            if box.destroyed:
                raise errors.Destroyed(f"{self._end.address} was destroyed")
            if box.max_deliveries and self.attempt >= box.max_deliveries:
                box.bury(self._item)
            else:
                box.give_back(self._item)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self._settled:
            return
        if kind is None:
            self.acknowledge()
        else:
            with suppress(BufferError, errors.LiaisonError):  # the block's own matters more
                self.release()

    def __del__(self):
        if not self._settled and self._item.holder is self._end and self._end._party.alive:
            with self._end._locked() as box:
                self._settled = True
                box.give_back(self._item)


class Loan:
    """Memory to write a message into."""

    def __init__(self, end, size):
        self._end = end
        self._memory = bytearray(size)
        self._window = None
        self._settled = False

    def _mine(self):
        self._end._here()
        if self._settled or self not in self._end._box.loaned:
            raise _lost(self._end)

    @property
    def view(self):
        self._mine()
        if self._window is None:
            self._window = memoryview(self._memory)
        return self._window

    def __buffer__(self, flags):
        return self.view

    def __len__(self):
        return len(self._memory)

    def __getitem__(self, index):
        return self.view[index]

    def __setitem__(self, index, value):
        self.view[index] = value

    def _settle(self):
        self._mine()
        if self._window is not None:
            self._window.release()
        self._settled = True

    def send(self, *, timeout=None):
        nanoseconds(timeout)
        with self._end._locked() as box:
            self._settle()
            self._end._take_part()
            box.loaned.discard(self)
            if self._end._commit(0, self._memory, Deadline(timeout)) is None:
                raise self._end._full()

    def discard(self):
        if self._settled:
            return
        with self._end._locked() as box:
            if self._window is not None:
                self._window.release()
            self._settled = True
            box.loaned.discard(self)
            box.arrange()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.discard()

    def __del__(self):
        if not self._settled and self._end._party.alive:
            self.discard()


class Receipt:
    """Tells a sender what became of its message."""

    def __init__(self, end, item):
        self._end = end
        self._item = item
        with end._locked() as box:
            box.receipts.add(self)

    @property
    def state(self):
        return self._item.state

    def _wait(self, state, timeout):
        deadline = Deadline(timeout)

        def reached():
            if ORDER.index(self._item.state) >= ORDER.index(state):
                return True
            self._end._may_learn()
            return False

        with self._end._locked():
            if not self._end._until(reached, deadline):
                raise errors.Empty(f"the message was not {state} in time")
            return self._item.receiver.peer

    def wait_received(self, timeout=None):
        return self._wait("received", timeout)

    def wait_acknowledged(self, timeout=None):
        return self._wait("acknowledged", timeout)

    def __del__(self):
        with self._end._locked() as box:
            box.receipts.discard(self)
            box.world.changed.notify_all()


def _mailboxes(party):
    body = {"_party": party, "__slots__": ()}
    kinds = (Mailbox, MessageQueue, Port)
    return {kind.__name__: type(kind.__name__, (_Bare, kind, End), body) for kind in kinds}


PARTS.append(_mailboxes)
