"""Any sequence of operations by several processes, some of which die, against a plain model."""

import os
import shutil
import tempfile
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from liaison import Full, Mailbox
from liaison.carriers.shm import space as shm
from liaison.testing import until
from tests.links.actor import Actor

PROCESSES = 3
who = st.integers(0, PROCESSES - 1)
sizes = st.sampled_from([0, 5, 72, 73, 3000, 20_000])
LINES = [
    "box = Mailbox.open('model')",
    "leases, loans = {}, {}",
    (
        "def lease(key):\n"
        "    leases[key] = delivery = box.lease(timeout=0)\n"
        "    return delivery.message, delivery.attempt"
    ),
    (
        "def loan(key, message):\n"
        "    loans[key] = loan = box.loan(len(message), timeout=0)\n"
        "    loan[:] = message"
    ),
]


class Model(RuleBasedStateMachine):
    """A mailbox used by processes that do one thing at a time, and what it should hold."""

    def __init__(self):
        super().__init__()
        self.root = tempfile.mkdtemp(prefix="liaison-test-", dir="/dev/shm")
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("LIAISON_ROOT", self.root)
        self.keys = count()
        self.accepted = self.taken = 0
        self.queued = []  # [order, message, attempts so far], as sent
        self.returned = []  # the same, by order
        self.leased = {}  # key: (process, [order, message, attempt])
        self.loaned = {}  # key: (process, message)

    @initialize(
        capacity=st.integers(1, 6), options=st.sampled_from([{}, {"memory": 1 << 20}, "fixed"])
    )
    def begin(self, capacity, options):
        if options == "fixed":
            options = {"max_message": 20_000}
        self.capacity = capacity
        self.box = Mailbox.create("model", capacity=capacity, **options)
        self.actors = [Actor(*LINES, fork=True) for _ in range(PROCESSES)]

    def teardown(self):
        try:
            if hasattr(self, "box"):
                for actor in self.actors:
                    actor.__exit__(None, None, None)
                self.box.destroy()
                self.box.close()
                shm._spaces.clear()
                for part in ("links", "names", "bells"):
                    assert os.listdir(f"{self.root}/{os.geteuid()}/default/{part}") == []
        finally:
            self.patch.undo()
            shutil.rmtree(self.root)

    # ---- what is there

    @property
    def used(self):
        return len(self.queued) + len(self.returned) + len(self.leased) + len(self.loaned)

    def full(self):
        return self.used == self.capacity

    def message(self, size):
        head = f"{next(self.keys)} ".encode()
        return (head + bytes(size))[: max(size, len(head))]

    def accept(self, message):
        self.queued.append([self.accepted, message, 0])
        self.accepted += 1

    def take(self):
        """The message that a receiver should get next; with its attempt."""
        if self.returned:
            entry = self.returned.pop(0)
        else:
            entry = self.queued.pop(0)
            self.taken += 1
        entry[2] += 1
        return entry

    def give_back(self, entry):
        self.returned.append(entry)
        self.returned.sort()

    # ---- what processes do

    @rule(who=who, size=sizes)
    def send(self, who, size):
        message = self.message(size)
        sent = self.actors[who].do(f"box.try_send({message!r})")
        assert sent is not self.full()
        if sent:
            self.accept(message)

    @rule(who=who, sizes=st.lists(sizes, min_size=1, max_size=4))
    def send_many(self, who, sizes):
        messages = [self.message(size) for size in sizes]
        room = self.capacity - self.used
        try:
            sent = self.actors[who].do(f"box.send_many({messages!r}, timeout=0)")
        except Full:
            sent = 0
        assert sent == min(room, len(messages))
        for message in messages[:sent]:
            self.accept(message)

    @precondition(lambda self: self.queued or self.returned)
    @rule(who=who)
    def receive(self, who):
        received = self.actors[who].do("box.receive(timeout=0)")
        assert received == self.take()[1]

    @rule(who=who, most=st.integers(1, 8))
    def receive_many(self, who, most):
        there = len(self.queued) + len(self.returned)
        received = self.actors[who].do(f"box.receive_many({most}, timeout=0)") if there else []
        assert received == [self.take()[1] for _ in range(min(most, there))]

    @precondition(lambda self: not (self.queued or self.returned))
    @rule(who=who)
    def find_nothing(self, who):
        assert self.actors[who].do("box.try_receive('nothing')") == "nothing"

    @precondition(lambda self: self.queued or self.returned)
    @rule(who=who)
    def lease(self, who):
        key = next(self.keys)
        message, attempt = self.actors[who].do(f"lease({key})")
        entry = self.take()
        assert [message, attempt] == entry[1:]
        self.leased[key] = who, entry

    @precondition(lambda self: self.leased)
    @rule(data=st.data(), how=st.sampled_from(["acknowledge", "release", "drop"]))
    def settle(self, data, how):
        key = data.draw(st.sampled_from(sorted(self.leased)))
        who, entry = self.leased.pop(key)
        call = "" if how == "drop" else f".{how}()"
        self.actors[who].do(f"leases.pop({key}){call}; pass")
        if how != "acknowledge":
            self.give_back(entry)

    @rule(who=who, size=sizes)
    def loan(self, who, size):
        key, message = next(self.keys), self.message(size)
        try:
            self.actors[who].do(f"loan({key}, {message!r})")
        except Full:
            assert self.full()
        else:
            assert not self.full()
            self.loaned[key] = who, message

    @precondition(lambda self: self.loaned)
    @rule(data=st.data(), how=st.sampled_from(["send", "discard"]))
    def end_loan(self, data, how):
        key = data.draw(st.sampled_from(sorted(self.loaned)))
        who, message = self.loaned.pop(key)
        self.actors[who].do(f"loans.pop({key}).{how}()")
        if how == "send":
            self.accept(message)

    # ---- what becomes of them

    def forget(self, who):
        for key in [key for key, (holder, _) in self.leased.items() if holder == who]:
            self.give_back(self.leased.pop(key)[1])
        for key in [key for key, (holder, _) in self.loaned.items() if holder == who]:
            del self.loaned[key]

    @rule(who=who)
    def close(self, who):
        self.actors[who].do("box.close()")
        self.forget(who)
        self.actors[who].do(LINES[1])
        self.actors[who].do(LINES[0])

    @rule(who=who, fork=st.sampled_from([True, True, True, False]))
    def die(self, who, fork):
        with self.actors[who] as victim:
            victim.kill()
        self.actors[who] = Actor(*LINES, fork=fork)
        self.forget(who)
        until(self.swept, "what the dead one held comes back")

    def swept(self):
        """Ask for room until there is none, which makes the mailbox look for the dead."""
        loans = []
        try:
            while True:
                loans.append(self.box.loan(1, timeout=0))
        except Full:
            for loan in loans:
                loan.discard()
        now = self.box.statistics()
        return (now.leased, now.loaned) == (len(self.leased), len(self.loaned))

    # ---- what must hold

    @invariant()
    def the_mailbox_holds_what_the_model_holds(self):
        if not hasattr(self, "box"):
            return
        waiting = [entry[1] for entry in self.returned + self.queued]
        assert self.box.peek(100) == waiting
        assert len(self.box) == len(waiting)
        now = self.box.statistics()
        assert (now.accepted, now.taken) == (self.accepted, self.taken)
        assert (now.waiting, now.returned) == (len(waiting), len(self.returned))
        assert (now.leased, now.loaned) == (len(self.leased), len(self.loaned))
        assert now.free == self.capacity - self.used


TestModel = Model.TestCase
TestModel.__doc__ = "Whatever processes do and suffer, the mailbox holds what the model holds."
TestModel.settings = settings(
    max_examples=int(os.environ.get("LIAISON_EXAMPLES", "60")),
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
TestModel.pytestmark = [pytest.mark.timeout(300)]
