"""Shared memory against the reference: the same operations, the same results and errors."""

import os
from functools import reduce
from operator import or_

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from liaison.testing import PATIENCE, Watchdog, until
from tests.conformance.comparison import Comparison, who

WORDS = """
import dataclasses, liaison
ends, held = {}, {}

def keep(key, value):
    held[key] = value
    return value is not None

def seen(link):
    facts = dataclasses.asdict(link)
    for name in ("id", "carrier", "bytes", "max_processes", "memory", "max_message"):
        del facts[name]
    facts["creator"] = facts["creator"]["pid"]
    for side in ("senders", "receivers"):
        facts[side] = sorted(peer["pid"] for peer in facts[side])
    return facts

def counted(statistics):
    facts = dataclasses.asdict(statistics)
    return {name: value for name, value in facts.items() if not name.startswith("memory")}

def lease(key, end):
    held[key] = delivery = end.lease(timeout=0)
    return bytes(delivery.view), delivery.attempt, delivery.sender.pid

def look_for_the_dead(end):
    loans = []
    try:
        while True:
            loans.append(end.loan(1, timeout=0))
    except (liaison.LiaisonError, ValueError):
        for loan in loans:
            loan.discard()

def loan(key, end, message):
    held[key] = loan = end.loan(len(message), timeout=0)
    loan[:] = message
"""


def _mailbox(*options):
    return "Mailbox", reduce(or_, options)


def _queue(*options):
    return "MessageQueue", reduce(or_, options)


def _port(*options):
    return "Port", reduce(or_, options)


ARENA = {"memory": 1 << 20}  # room for any six messages
links = st.sampled_from(["a", "a", "b"])
# As source: what a report shows stays short. A message of up to 72 bytes lies in its place.
messages = st.sampled_from(
    [
        *("b''", "b'one'", "b'two'", "b'x' * 50", "bytes(72)", "bytes(73)", "bytes(3000)"),
        *("bytes(20_000)", "7", "'text'", "[{}]"),
    ]
)
made = st.one_of(
    st.builds(
        _mailbox,
        st.sampled_from([{}, {"capacity": 0}, {"capacity": 1}, {"capacity": 3}]),
        st.sampled_from([{}, {}, {"access": "exclusive"}, {"access": "pair"}]),
        st.sampled_from([{}, {}, {"max_message": 50}, {"max_message": 20_000}]),
        st.sampled_from([{}, {}, {"max_deliveries": 1}, {"max_deliveries": 2}]),
    ),
    st.builds(_mailbox, st.sampled_from([{"capacity": 1}, {"capacity": 6}]), st.just(ARENA)),
    st.builds(
        _queue,
        st.sampled_from([{}, {"max_messages": 2}]),
        st.sampled_from([{}, {"message_size": 50}]),
    ),
    st.builds(
        _port,
        st.sampled_from([{}, {"capacity": 2}]),
        st.sampled_from([{}, {}, {"dead_letters": "grave"}]),
        st.sampled_from([{}, {}, {"lifetime": "senders"}]),
    ),
)


class Both(Comparison):
    """With a few links that have one place for messages."""

    words = WORDS

    def some_end(self, data):
        key = data.draw(st.sampled_from(sorted(self.ends)))
        return self.ends[key], f"ends[{key}]"

    def some_held(self, data, what):
        keys = [key for key, (_, kind) in self.held.items() if kind == what]
        key = data.draw(st.sampled_from(sorted(keys)))
        return key, self.held[key][0], f"held[{key}]"

    def holds(self, what):
        return any(kind == what for _, kind in self.held.values())

    # ---- opening

    def opens(self, number, expression):
        key = next(self.keys)
        if self.do(number, f"ends[{key}] = {expression}")[0] == "returns":
            self.ends[key] = number

    @rule(who=who, name=links, made=made)
    def make(self, who, name, made):
        kind, options = made
        words = "".join(f", {word}={value!r}" for word, value in options.items())
        self.opens(who, f"{kind}({name!r}{words})")

    @rule(who=who, name=links, made=made)
    def create(self, who, name, made):
        kind, options = made
        if kind != "Port":
            words = "".join(f", {word}={value!r}" for word, value in options.items())
            self.opens(who, f"{kind}.create({name!r}{words})")

    @rule(
        who=who,
        name=st.sampled_from(["a", "b", "a.dead", "grave"]),
        kind=st.sampled_from(["Mailbox", "Mailbox", "MessageQueue", "Port"]),
        how=st.sampled_from(["open", "open", "observe"]),
    )
    def open(self, who, name, kind, how):
        self.opens(who, f"{kind}.{how}({name!r})")

    # ---- sending

    @precondition(lambda self: self.ends)
    @rule(data=st.data(), message=messages)
    def send(self, data, message):
        number, end = self.some_end(data)
        self.do(number, f"{end}.send({message}, timeout=0)")

    @precondition(lambda self: self.ends)
    @rule(data=st.data(), message=messages)
    def try_send(self, data, message):
        number, end = self.some_end(data)
        self.do(number, f"{end}.try_send({message})")

    @precondition(lambda self: self.ends)
    @rule(data=st.data(), many=st.lists(messages, max_size=4))
    def send_many(self, data, many):
        number, end = self.some_end(data)
        self.do(number, f"{end}.send_many([{', '.join(many)}], timeout=0)")

    @precondition(lambda self: self.ends)
    @rule(data=st.data(), message=messages)
    def send_with_receipt(self, data, message):
        number, end = self.some_end(data)
        key = next(self.keys)
        line = f"keep({key}, {end}.send({message}, timeout=0, receipt=True))"
        if self.do(number, line)[0] == "returns":
            self.held[key] = number, "receipt"

    @precondition(lambda self: self.holds("receipt"))
    @rule(
        data=st.data(),
        ask=st.sampled_from(
            ["state", "wait_received(timeout=0).pid", "wait_acknowledged(timeout=0).pid"]
        ),
    )
    def ask_a_receipt(self, data, ask):
        _, number, receipt = self.some_held(data, "receipt")
        self.do(number, f"{receipt}.{ask}")

    @precondition(lambda self: self.holds("receipt"))
    @rule(data=st.data())
    def drop_a_receipt(self, data):
        key, number, receipt = self.some_held(data, "receipt")
        self.do(number, f"del {receipt}")
        del self.held[key]

    @precondition(lambda self: self.ends)
    @rule(data=st.data(), message=messages.filter(lambda source: source[0] == "b"))
    def loan(self, data, message):
        number, end = self.some_end(data)
        key = next(self.keys)
        if self.do(number, f"loan({key}, {end}, {message})")[0] == "returns":
            self.held[key] = number, "loan"

    @precondition(lambda self: self.holds("loan"))
    @rule(data=st.data(), how=st.sampled_from([".send(timeout=0)", ".discard()", "; pass"]))
    def end_a_loan(self, data, how):
        key, number, loan = self.some_held(data, "loan")
        self.do(number, f"{loan}{how}")
        self.do(number, f"del {loan}")
        del self.held[key]

    # ---- receiving

    @precondition(lambda self: self.ends)
    @rule(
        data=st.data(),
        how=st.sampled_from(
            ["receive(timeout=0)", "try_receive('none')", "receive_many(2, timeout=0)"]
        ),
    )
    def receive(self, data, how):
        number, end = self.some_end(data)
        self.do(number, f"{end}.{how}")

    @precondition(lambda self: self.ends)
    @rule(data=st.data())
    def lease(self, data):
        number, end = self.some_end(data)
        key = next(self.keys)
        if self.do(number, f"lease({key}, {end})")[0] == "returns":
            self.held[key] = number, "lease"

    @precondition(lambda self: self.holds("lease"))
    @rule(data=st.data(), how=st.sampled_from([".acknowledge()", ".release()", "; pass"]))
    def end_a_lease(self, data, how):
        key, number, lease = self.some_held(data, "lease")
        self.do(number, f"{lease}{how}")
        if data.draw(st.booleans()):
            self.do(number, f"{lease}.acknowledge()")
        self.do(number, f"del {lease}")
        del self.held[key]

    # ---- seeing

    @precondition(lambda self: self.ends)
    @rule(
        data=st.data(),
        look=st.sampled_from(
            ["len({})", "{}.peek()", "{}.peek(1)", "counted({}.statistics())", "seen({}.link)"]
        ),
    )
    def look(self, data, look):
        number, end = self.some_end(data)
        self.do(number, look.format(end))

    # ---- ending

    @precondition(lambda self: self.ends)
    @rule(data=st.data())
    def close(self, data):
        number, end = self.some_end(data)
        self.do(number, f"{end}.close()")

    @precondition(lambda self: self.ends)
    @rule(data=st.data(), force=st.booleans())
    def destroy(self, data, force):
        number, end = self.some_end(data)
        self.do(number, f"{end}.destroy(force={force})")

    @rule(who=who)
    def kill(self, who):
        self.ends = {key: number for key, number in self.ends.items() if number != who}
        self.held = {key: held for key, held in self.held.items() if held[0] != who}
        for side in self.sides:
            side.kill(who)
        try:
            until(
                self.settled,
                "what the dead one held comes back",
                patience=PATIENCE,
            )
        except Watchdog:
            self.look_at_all()
            raise

    def look_at_all(self):
        for key, number in self.ends.items():
            self.do(number, f"counted(ends[{key}].statistics())")

    def settled(self):
        """Have shared memory look for the dead; whether it has come to what the reference did."""
        shared, reference = self.sides
        for name in "ab":  # somebody notices the ports that have ended
            for side in self.sides:
                side.do(0, f"Mailbox.open({name!r}).close()")
        for key, number in self.ends.items():
            line = f"counted(ends[{key}].statistics())"
            for side in self.sides:
                side.do(number, f"look_for_the_dead(ends[{key}])")
            if shared.do(number, line) != reference.do(number, line):
                return False
        return True


TestBoth = Both.TestCase
TestBoth.__doc__ = "Shared memory does what the reference does, whatever processes do and suffer."
TestBoth.settings = settings(
    max_examples=int(os.environ.get("LIAISON_EXAMPLES", "25")),
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
TestBoth.pytestmark = [pytest.mark.timeout(300)]
