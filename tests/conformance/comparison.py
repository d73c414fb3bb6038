"""Two carriers that have the same done to them, and must give the same."""

import shutil
import tempfile
from itertools import count

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from liaison.carriers.shm import space as shm
from tests.conformance.carriers import Memory, SharedMemory

PROCESSES = 3
who = st.integers(0, PROCESSES - 1)


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

    words = ""  # what each process runs first
    side = Side

    def __init__(self):
        super().__init__()
        self.root = tempfile.mkdtemp(prefix="liaison-test-", dir="/dev/shm")
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("LIAISON_ROOT", self.root)
        self.patch.delenv("LIAISON_SPACE", raising=False)
        self.keys = count()
        self.ends = {}  # by key, the process that has it first
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
        return shared
