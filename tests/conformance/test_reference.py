"""Shared memory against the reference: the same operations, the same results and errors."""

from functools import reduce
from operator import or_

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.conformance.comparison import (
    WORDS,
    Comparison,
    case_of,
    on_an_end,
    on_what_is_held,
    who,
)

MORE_WORDS = """
def receipt(key, end, message):
    held[key] = value = end.send(message, timeout=0, receipt=True)
    return value is not None

def loan(key, end, message):
    held[key] = loan = end.loan(len(message), timeout=0)
    loan[:] = message

def seen(link):
    facts = link.as_dict()
    for name in ("id", "carrier", "bytes", "max_processes", "memory", "max_message"):
        del facts[name]
    facts["dead_letters"] = facts["dead_letters"] and facts["dead_letters"].rpartition("/")[2]
    facts["creator"] = facts["creator"]["pid"]
    for side in ("senders", "receivers"):
        facts[side] = sorted(peer["pid"] for peer in facts[side])
    return facts

def counted(end):
    facts = end.statistics().as_dict()
    return {name: value for name, value in facts.items() if not name.startswith("memory")}

def look_for_the_dead(end):
    loans = []
    try:
        while True:
            loans.append(end.loan(1, timeout=0))
    except (liaison.LiaisonError, ValueError):
        for loan in loans:
            loan.discard()
"""


def _made(kind, *choices):
    """A kind of link, with one of each of these options."""
    return st.builds(lambda *options: (kind, reduce(or_, options)), *map(st.sampled_from, choices))


links = st.sampled_from(["a", "a", "b"])
# As source: what a report shows stays short. A message of up to 72 bytes lies in its place.
messages = st.sampled_from(
    [
        *("b''", "b'one'", "b'two'", "b'x' * 50", "bytes(72)", "bytes(73)", "bytes(3000)"),
        *("bytes(20_000)", "7", "'text'", "[{}]"),
    ]
)
made = st.one_of(
    _made(
        "Mailbox",
        [{}, {"capacity": 0}, {"capacity": 1}, {"capacity": 3}],
        [{}, {}, {"access": "exclusive"}, {"access": "pair"}],
        [{}, {}, {"max_message": 50}, {"max_message": 20_000}],
        [{}, {}, {"max_deliveries": 1}, {"max_deliveries": 2}],
    ),
    _made("Mailbox", [{"capacity": 1}, {"capacity": 6}], [{"memory": 1 << 20}]),  # room for any six
    _made("MessageQueue", [{}, {"max_messages": 2}], [{}, {"message_size": 50}]),
    _made(
        "Port",
        [{}, {"capacity": 2}],
        [{}, {}, {"dead_letters": "letters"}],
        [{}, {}, {"lifetime": "senders"}],
    ),
)


class Both(Comparison):
    """With a few links that have one place for messages."""

    words = WORDS + MORE_WORDS

    # ---- opening

    @rule(who=who, name=links, made=made, how=st.sampled_from(["", ".create"]))
    def make(self, who, name, made, how):
        kind, options = made
        how = "" if kind == "Port" else how
        words = "".join(f", {word}={value!r}" for word, value in options.items())
        self.opens(who, kind, f"{kind}{how}({name!r}{words})")

    @rule(
        who=who,
        name=st.sampled_from(["a", "b", "a.dead", "letters"]),
        kind=st.sampled_from(["Mailbox", "Mailbox", "MessageQueue", "Port"]),
        how=st.sampled_from(["open", "open", "observe"]),
    )
    def open(self, who, name, kind, how):
        self.opens(who, kind, f"{kind}.{how}({name!r})")

    # ---- sending

    @on_an_end(message=messages)
    def send(self, number, end, message):
        self.do(number, f"{end}.send({message}, timeout=0)")

    @on_an_end(message=messages)
    def try_send(self, number, end, message):
        self.do(number, f"{end}.try_send({message})")

    @on_an_end(many=st.lists(messages, max_size=4))
    def send_many(self, number, end, many):
        self.do(number, f"{end}.send_many([{', '.join(many)}], timeout=0)")

    @on_an_end(message=messages)
    def send_with_receipt(self, number, end, message):
        self.holds(number, "receipt", f"{end}, {message}")

    @on_what_is_held(
        "receipt",
        ask=st.sampled_from(
            ["state", "wait_received(timeout=0).pid", "wait_acknowledged(timeout=0).pid"]
        ),
    )
    def ask_a_receipt(self, number, receipt, ask):
        self.do(number, f"{receipt}.{ask}")

    @on_what_is_held("receipt")
    def drop_a_receipt(self, number, receipt):
        self.drop(number, receipt)

    @on_an_end(message=messages.filter(lambda source: source[0] == "b"))
    def loan(self, number, end, message):
        self.holds(number, "loan", f"{end}, {message}")

    @on_what_is_held("loan", how=st.sampled_from([".send(timeout=0)", ".discard()", "; pass"]))
    def end_a_loan(self, number, loan, how):
        self.do(number, f"{loan}{how}")
        self.drop(number, loan)

    def drop(self, number, held):
        self.do(number, f"del {held}")
        del self.held[held]

    # ---- receiving

    @on_an_end(
        how=st.sampled_from(
            ["receive(timeout=0)", "try_receive('none')", "receive_many(2, timeout=0)"]
        )
    )
    def receive(self, number, end, how):
        self.do(number, f"{end}.{how}")

    @on_an_end()
    def lease(self, number, end):
        self.holds(number, "lease", end)

    @on_what_is_held(
        "lease", how=st.sampled_from([".acknowledge()", ".release()", "; pass"]), late=st.booleans()
    )
    def end_a_lease(self, number, lease, how, late):
        self.do(number, f"{lease}{how}")
        if late:
            self.do(number, f"{lease}.acknowledge()")
        self.drop(number, lease)

    # ---- seeing

    @on_an_end(
        look=st.sampled_from(["len({})", "{}.peek()", "{}.peek(1)", "counted({})", "seen({}.link)"])
    )
    def look(self, number, end, look):
        self.do(number, look.format(end))

    # ---- ending

    @on_an_end()
    def close(self, number, end):
        self.do(number, f"{end}.close()")

    @on_an_end(force=st.booleans())
    def destroy(self, number, end, force):
        self.do(number, f"{end}.destroy(force={force})")

    def settled(self):
        """Have shared memory look for the dead; whether it has come to what the reference did."""
        for side in self.sides:
            for name in "ab":  # somebody notices the ports that have ended
                side.do(0, f"Mailbox.open({name!r}).close()")
            for end, (number, _) in self.ends.items():
                side.do(number, f"look_for_the_dead({end})")
        return super().settled()

    def questions(self):
        return [(number, f"counted({end})") for end, (number, _) in self.ends.items()]


TestBoth = case_of(
    Both, "Shared memory does what the reference does, whatever processes do and suffer.", "25"
)
