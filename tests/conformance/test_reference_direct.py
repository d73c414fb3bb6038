"""Endpoints and named pipes against the reference: the same operations, results and errors."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.conformance.comparison import (
    WORDS,
    Comparison,
    Side,
    case_of,
    on_an_end,
    on_what_is_held,
    who,
)

MORE_WORDS = """
def tried(call):
    # What a line raises is told by name: an EOFError would end the process.
    try:
        return "returns", call()
    except Exception as error:
        return "raises", type(error)

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
names = st.sampled_from(["a", "b", "c"])
pipes = st.sampled_from(["p", "q"])
capacities = st.sampled_from(["", ", capacity=1", ", capacity=2"])
messages = st.sampled_from(["b'one'", "b'two\\n'", "b'three\\nfour'", "7", "[1, 'two']"])


class Direct(Side):
    """A process in which every line was tried, and says itself what came of it."""

    def do(self, number, line):
        return self.plain(self.ask(number, f"tried(lambda: {line})"))

    def plain(self, value):
        return value if isinstance(value, type) else super().plain(value)


class Both(Comparison):
    """With endpoints and named pipes."""

    words = WORDS + MORE_WORDS
    side = Direct

    # ---- endpoints

    @rule(who=who, name=names, capacity=capacities)
    def be_called(self, who, name, capacity):
        self.opens(who, "Endpoint", f"Endpoint({name!r}{capacity})")

    @on_an_end(
        "Endpoint",
        to=names,
        message=messages,
        how=st.sampled_from(["send({}, {}, timeout=0)", "try_send({}, {})"]),
    )
    def send(self, number, end, to, message, how):
        self.do(number, f"{end}.{how.format(repr(to), message)}")

    @on_an_end("Endpoint", source=names)
    def receive(self, number, end, source):
        self.do(number, f"{end}.receive({source!r}, timeout=0)")

    @on_an_end("Endpoint")
    def receive_from_anyone(self, number, end):
        # Who has the first turn is not said.
        self.do(number, f"sorted(map(repr, drain({end})))")

    @on_an_end("Endpoint", source=names)
    def lease(self, number, end, source):
        self.holds(number, "lease", f"{end}, {source!r}")

    @on_an_end("Endpoint", name=names, how=st.sampled_from(["rename", "retire"]))
    def change_its_names(self, number, end, name, how):
        self.do(number, f"{end}.{how}({name!r})")

    @on_an_end("Endpoint")
    def ask_its_names(self, number, end):
        self.do(number, f"({end}.name, {end}.address.rpartition('/')[2], {end}.aliases)")

    # ---- named pipes

    @rule(who=who, name=pipes, capacity=capacities)
    def open(self, who, name, capacity):
        self.opens(who, "NamedPipe", f"NamedPipe({name!r}{capacity})")

    @on_an_end(
        "NamedPipe",
        message=messages,
        how=st.sampled_from(["send({}, timeout=0)", "try_send({})", "send_many([{}], timeout=0)"]),
    )
    def send_through(self, number, end, message, how):
        self.do(number, f"{end}.{how.format(message)}")

    @on_an_end(
        "NamedPipe",
        how=st.sampled_from(["receive(timeout=0)", "try_receive()", "receive_many(2, timeout=0)"]),
    )
    def receive_through(self, number, end, how):
        self.do(number, f"{end}.{how}")

    @on_an_end("NamedPipe", how=st.sampled_from(["read(2)", "readline(3)"]))
    def read(self, number, end, how):
        self.do(number, f"{end}.{how} if len({end}) else None")

    @on_an_end("NamedPipe")
    def lease_from(self, number, end):
        self.holds(number, "lease", end)

    # ---- both

    @on_what_is_held(how=st.sampled_from(["acknowledge", "release"]), again=st.booleans())
    def settle(self, number, lease, how, again):
        for _ in range(1 + again):
            self.do(number, f"{lease}.{how}()")
        self.do(number, f"held.pop({lease[5:-1]}) and None")
        del self.held[lease]

    @on_an_end()
    def look(self, number, end):
        self.do(number, f"looked({end})")
        self.do(number, f"ready({end})")

    @on_an_end(how=st.sampled_from(["close()", "close()", "destroy()"]))
    def end(self, number, end, how):
        self.do(number, f"{end}.{how}")

    def questions(self):
        for end, (number, kind) in self.ends.items():
            for ask in ("looked", "ready", *(["room"] if kind == "NamedPipe" else [])):
                yield number, f"{ask}({end})"


TestBoth = case_of(
    Both,
    "Endpoints and named pipes do what the reference's do, whatever processes suffer.",
    "12",
)
