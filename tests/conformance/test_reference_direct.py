"""Endpoints and named pipes against the reference: the same operations, results and errors."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from liaison.testing import PATIENCE, until
from tests.conformance.comparison import Comparison, Side, who

WORDS = """
import liaison
ends, held = {}, {}

def tried(call):
    # What a line raises is told by name: an EOFError would end the process.
    try:
        return "returns", call()
    except Exception as error:
        return "raises", type(error)

def keep(key, end):
    ends[key] = end
    return end.address.rpartition("/")[2]

def lease(key, end, *source):
    held[key] = delivery = end.lease(*source, timeout=0)
    return bytes(delivery.view), delivery.attempt, delivery.sender.pid, delivery.sender.name

def settle(key, how):
    getattr(held[key], how)()

def drain(end):
    found = []
    while (message := end.try_receive(None)) is not None:
        found.append(message)
    return found

def looked(end):
    now = end.statistics()
    return now.waiting, now.leased, now.loaned, len(end)

def ready(end):
    return len(liaison.wait([end], timeout=0))

def room(end):
    end.loan(1, timeout=0).discard()
"""
NAMES = ["a", "b", "c"]
PIPES = ["p", "q"]
names = st.sampled_from(NAMES)
pipes = st.sampled_from(PIPES)
capacities = st.sampled_from(["", "capacity=1", "capacity=2"])
messages = st.sampled_from(["b'one'", "b'two\\n'", "b'three\\nfour'", "7", "[1, 'two']"])


class Direct(Side):
    """A process in which every line was tried, and says itself what came of it."""

    def do(self, number, line):
        return self.plain(self.ask(number, f"tried(lambda: {line})"))

    def plain(self, value):
        return value if isinstance(value, type) else super().plain(value)


class Both(Comparison):
    """With endpoints and named pipes; `ends` tells the kind as well."""

    words = WORDS
    side = Direct

    def some_end(self, data, kind=None):
        keys = [key for key, (_, one) in self.ends.items() if kind in (None, one)]
        key = data.draw(st.sampled_from(sorted(keys)))
        return self.ends[key][0], f"ends[{key}]"

    def has(self, kind):
        return any(one == kind for _, one in self.ends.values())

    def opens(self, number, kind, words):
        key = next(self.keys)
        line = f"keep({key}, {kind}({', '.join(word for word in words if word)}))"
        if self.do(number, line)[0] == "returns":
            self.ends[key] = number, kind

    # ---- endpoints

    @rule(who=who, name=names, capacity=capacities)
    def be_called(self, who, name, capacity):
        self.opens(who, "Endpoint", [repr(name), capacity])

    @precondition(lambda self: self.has("Endpoint"))
    @rule(data=st.data(), to=names, message=messages, how=st.sampled_from(["send", "try_send"]))
    def send(self, data, to, message, how):
        number, end = self.some_end(data, "Endpoint")
        timeout = ", timeout=0" if how == "send" else ""
        self.do(number, f"{end}.{how}({to!r}, {message}{timeout})")

    @precondition(lambda self: self.has("Endpoint"))
    @rule(data=st.data(), source=names)
    def receive(self, data, source):
        number, end = self.some_end(data, "Endpoint")
        self.do(number, f"{end}.receive({source!r}, timeout=0)")

    @precondition(lambda self: self.has("Endpoint"))
    @rule(data=st.data())
    def receive_from_anyone(self, data):
        number, end = self.some_end(data, "Endpoint")
        # Who has the first turn is not said.
        self.do(number, f"sorted(map(repr, drain({end})))")

    @precondition(lambda self: self.has("Endpoint"))
    @rule(data=st.data(), source=names)
    def lease(self, data, source):
        number, end = self.some_end(data, "Endpoint")
        key = next(self.keys)
        if self.do(number, f"lease({key}, {end}, {source!r})")[0] == "returns":
            self.held[key] = number

    @precondition(lambda self: self.has("Endpoint"))
    @rule(data=st.data(), new=names)
    def rename(self, data, new):
        number, end = self.some_end(data, "Endpoint")
        self.do(number, f"{end}.rename({new!r})")

    @precondition(lambda self: self.has("Endpoint"))
    @rule(data=st.data(), old=names)
    def retire(self, data, old):
        number, end = self.some_end(data, "Endpoint")
        self.do(number, f"{end}.retire({old!r})")

    @precondition(lambda self: self.has("Endpoint"))
    @rule(data=st.data())
    def ask_its_names(self, data):
        number, end = self.some_end(data, "Endpoint")
        self.do(number, f"({end}.name, {end}.address.rpartition('/')[2], {end}.aliases)")

    # ---- named pipes

    @rule(who=who, name=pipes, capacity=capacities)
    def open(self, who, name, capacity):
        self.opens(who, "NamedPipe", [repr(name), capacity])

    @precondition(lambda self: self.has("NamedPipe"))
    @rule(
        data=st.data(),
        message=messages,
        how=st.sampled_from(["send({}, timeout=0)", "try_send({})", "send_many([{}], timeout=0)"]),
    )
    def send_through(self, data, message, how):
        number, end = self.some_end(data, "NamedPipe")
        self.do(number, f"{end}.{how.format(message)}")

    @precondition(lambda self: self.has("NamedPipe"))
    @rule(
        data=st.data(),
        how=st.sampled_from(["receive(timeout=0)", "try_receive()", "receive_many(2, timeout=0)"]),
    )
    def receive_through(self, data, how):
        number, end = self.some_end(data, "NamedPipe")
        self.do(number, f"{end}.{how}")

    @precondition(lambda self: self.has("NamedPipe"))
    @rule(data=st.data(), how=st.sampled_from(["read(2)", "readline(3)"]))
    def read(self, data, how):
        number, end = self.some_end(data, "NamedPipe")
        self.do(number, f"{end}.{how} if len({end}) else None")

    @precondition(lambda self: self.has("NamedPipe"))
    @rule(data=st.data())
    def lease_from(self, data):
        number, end = self.some_end(data, "NamedPipe")
        key = next(self.keys)
        if self.do(number, f"lease({key}, {end})")[0] == "returns":
            self.held[key] = number

    # ---- both

    @precondition(lambda self: self.held)
    @rule(data=st.data(), how=st.sampled_from(["acknowledge", "release"]), again=st.booleans())
    def settle(self, data, how, again):
        key = data.draw(st.sampled_from(sorted(self.held)))
        number = self.held.pop(key)
        for _ in range(1 + again):
            self.do(number, f"settle({key}, {how!r})")
        self.do(number, f"held.pop({key}) and None")

    @precondition(lambda self: self.ends)
    @rule(data=st.data())
    def look(self, data):
        number, end = self.some_end(data)
        self.do(number, f"looked({end})")
        self.do(number, f"ready({end})")

    @precondition(lambda self: self.ends)
    @rule(data=st.data(), how=st.sampled_from(["close()", "close()", "destroy()"]))
    def end(self, data, how):
        number, end = self.some_end(data)
        self.do(number, f"{end}.{how}")

    @rule(who=who)
    def kill(self, who):
        self.ends = {key: one for key, one in self.ends.items() if one[0] != who}
        self.held = {key: number for key, number in self.held.items() if number != who}
        for side in self.sides:
            side.kill(who)
        until(self.settled, "the death is noticed", patience=PATIENCE)

    def settled(self):
        """Whether shared memory has come to what the reference did."""
        shared, reference = self.sides
        for key, (number, kind) in self.ends.items():
            asked = ["looked", "ready", "room"] if kind == "NamedPipe" else ["looked", "ready"]
            for ask in asked:
                line = f"{ask}(ends[{key}])"
                if shared.do(number, line) != reference.do(number, line):
                    return False
        return True


TestBoth = Both.TestCase
TestBoth.__doc__ = (
    "Endpoints and named pipes do what the reference's do, whatever processes suffer."
)
TestBoth.settings = settings(
    max_examples=int(os.environ.get("LIAISON_EXAMPLES", "12")),
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
TestBoth.pytestmark = [pytest.mark.timeout(300)]
