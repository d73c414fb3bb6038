"""Two carriers that have the same done to them, and must give the same."""

import os
import shutil
import tempfile
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from liaison.carriers.shm import space as shm
from liaison.testing import PATIENCE, Watchdog, until
from tests.conformance.carriers import Memory, SharedMemory

PROCESSES = 3
who = st.integers(0, PROCESSES - 1)

# What each process runs first: what it has opened, and what it holds, is kept by a number.
WORDS = """
import liaison
ends, held = {}, {}

def keep(key, end):
    ends[key] = end
    return end.address.rpartition("/")[2]

def lease(key, end, *source):
    held[key] = delivery = end.lease(*source, timeout=0)
    return bytes(delivery.view), delivery.attempt, delivery.sender.pid, delivery.sender.name
"""


def on_an_end(kind=None, **draws):
    """A rule that is given the process of one of the ends, of that kind if it says one, and it."""
    return _on("ends", kind, draws)


def on_what_is_held(kind=None, **draws):
    """The same of what a process holds."""
    return _on("held", kind, draws)


def _on(where, kind, draws):
    def names(machine):
        return sorted(n for n, (_, one) in getattr(machine, where).items() if kind in (None, one))

    def decorate(function):
        def apply(self, data, **drawn):
            name = data.draw(st.sampled_from(names(self)))
            function(self, getattr(self, where)[name][0], name, **drawn)

        apply.__name__ = function.__name__
        return precondition(names)(rule(data=st.data(), **draws)(apply))

    return decorate


def case_of(machine, sentence, examples):
    """The test that lets a machine run."""
    test = machine.TestCase
    test.__doc__ = sentence
    test.settings = settings(
        max_examples=int(os.environ.get("LIAISON_EXAMPLES", examples)),
        stateful_step_count=40,
        suppress_health_check=list(HealthCheck),
    )
    test.pytestmark = [pytest.mark.timeout(300)]
    return test


class Side:
    """One carrier, with its processes, in which `words` were run."""

    def __init__(self, carrier, words):
        self.carrier, self.words = carrier, words
        self.actors = [None] * PROCESSES
        for number in range(PROCESSES):
            self.begin(number)

    def begin(self, number):
        self.actors[number] = self.carrier.other(self.words)

    def kill(self, number):
        self.actors[number].kill()
        self.actors[number].__exit__(None, None, None)
        self.begin(number)

    def do(self, number, line):
        """What the line gives, comparable with what it gives on the other side."""
        try:
            value = self.ask(number, line)
        except Exception as error:
            return "raises", type(error)
        return "returns", self.plain(value)

    def ask(self, number, line):
        """Have the process run the line, in this side's space; its value, or what it raises."""
        with pytest.MonkeyPatch.context() as patch:
            if self.carrier.space:  # the other side's processes have theirs already
                patch.setenv("LIAISON_SPACE", self.carrier.space)
            return self.actors[number].do(line)

    def plain(self, value):
        if isinstance(value, dict):
            # Little is known of a process that has ended.
            if "creator" in value and self.plain(value["creator"]) == 0:
                value["creator"] = 1 << 30
            return {key: self.plain(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(one) for one in value]
        for number, actor in enumerate(self.actors):
            if type(value) is int and value == actor.pid:
                return f"process {number}"
        return "a dead process" if type(value) is int and value > 1000 else value

    def close(self):
        for actor in self.actors:
            actor.__exit__(None, None, None)


class Comparison(RuleBasedStateMachine):
    """Processes that do one thing at a time, in shared memory and in the model."""

    words = WORDS
    side = Side

    def __init__(self):
        super().__init__()
        self.root = tempfile.mkdtemp(prefix="liaison-test-", dir="/dev/shm")
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("LIAISON_ROOT", self.root)
        self.patch.delenv("LIAISON_SPACE", raising=False)
        self.keys = count()
        self.ends = {}  # by what they are called there: the process that has one, and its kind
        self.held = {}

    @initialize()
    def begin(self):
        self.sides = [self.side(carrier(None), self.words) for carrier in (SharedMemory, Memory)]

    def teardown(self):
        try:
            for side in getattr(self, "sides", ()):
                side.close()
            shm._spaces.clear()
        finally:
            self.patch.undo()
            shutil.rmtree(self.root)

    def do(self, number, line):
        shared, reference = (side.do(number, line) for side in self.sides)
        assert shared == reference, line
        # Not an error of the line itself, in which the two would agree whatever they did.
        assert shared[1] not in (AttributeError, NameError, TypeError), line
        return shared

    def opens(self, number, kind, expression):
        """Have a process open an end."""
        key = next(self.keys)
        if self.do(number, f"keep({key}, {expression})")[0] == "returns":
            self.ends[f"ends[{key}]"] = number, kind

    def holds(self, number, kind, words):
        """Have a process run `kind(key, words)`, which keeps what it makes by that key."""
        key = next(self.keys)
        if self.do(number, f"{kind}({key}, {words})")[0] == "returns":
            self.held[f"held[{key}]"] = number, kind

    @rule(who=who)
    def kill(self, who):
        self.ends = {name: one for name, one in self.ends.items() if one[0] != who}
        self.held = {name: one for name, one in self.held.items() if one[0] != who}
        for side in self.sides:
            side.kill(who)
        try:
            until(self.settled, "what the dead one held comes back", patience=PATIENCE)
        except Watchdog:
            for number, line in self.questions():
                self.do(number, line)  # says which is answered otherwise
            raise

    def settled(self):
        """Whether shared memory has come to what the reference did."""
        shared, reference = self.sides
        return all(
            shared.do(number, line) == reference.do(number, line)
            for number, line in self.questions()
        )

    def questions(self):
        """Lines that show, and the processes that run them, whether a death was noticed."""
        raise NotImplementedError
