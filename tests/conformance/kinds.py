"""The kinds of links that the suite knows: a further one is an entry in `KINDS`.

Tests do not name kinds, but for what one kind alone promises: they ask a `Stage` for a sending and
a receiving end, both here, or one of them in another process, where it is the variable ``end``.
Which ends a link has, and how one gets them, is said here and nowhere else.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial

import pytest

import liaison
from liaison.links.observer import observed
from tests.beside import Beside
from tests.conformance.carriers import CARRIERS, IN_TASKS
from tests.conformance.ends import Far, correspondent

__all__ = ["FEATURES", "KINDS", "Kind", "Stage", "on", "stages"]

# What a kind may have beside `send`, `receive` and their kin; `test_absence.py` tries each.
FEATURES = {
    "lease": "a message can be kept until it is acknowledged",
    "loan": "a message can be written where it will lie",
    "receipt": "the sender learns who received",
    "peek": "what waits can be seen",
    "statistics": "what happened is counted",
    "len": "what waits is counted",
    "bounded": "it holds as many messages as it was created for, and no more",
    "buffered": "a message can be sent before anybody comes for it",
    "rendezvous": "it can be created so that sender and receiver meet",
    "access": "it can be said who may receive",
    "dead letters": "what is delivered too often goes elsewhere",
    "max_message": "a largest message can be said",
    "receivers": "more than one end may receive",
    "many": "more than two processes may be on it",
    "both ways": "what one end sends the other receives, at the same time the other way too",
    "named": "it has a name, by which others find it",
    "open": "`open` finds what is there, `create` makes what is not, `observe` only looks",
    "batches": "several messages can be sent or received by one call",
    "local": "both ends may be one process's",
    "unbroken": "it goes on when the processes of one side have ended",
    "destroy": "who uses it can destroy it",
    "quiet": "its descriptor is quiet again when a receive found nothing",
    "pickle": "an end can be sent to another process",
    "outlives": "it is there though its creator has closed it",
}


@dataclass(frozen=True)
class Kind:
    """A kind of link, or one with a policy that changes what can be done with it.

    - `lacks`: for each feature that it has not, the error by which that shows; None where nothing
      is refused, because what would be asked for is what the kind is.
    - `arguments`: what its constructor calls an option, where that is not what a mailbox says.
    """

    name: str
    shown: str  # as Link.kind says it
    maker: str
    opener: str
    lacks: dict[str, type[BaseException] | None] = field(default_factory=dict)
    options: dict[str, object] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    connect: Callable[[Stage, dict[str, object], str], object] | None = None
    established: str = "named"
    carriers: tuple[str, ...] = ("shm", "memory")

    @property
    def features(self):
        return frozenset(FEATURES) - self.lacks.keys()

    def expression(self, maker, address, options):
        """The source that makes or opens it; what cannot be written is given by name."""
        words = [repr(address)]
        for name, value in {**self.options, **options}.items():
            words.append(f"{self.arguments.get(name, name)}={value!r}")
        return f"{maker}({', '.join(words)})"


class Stage:
    """One kind of link on one carrier, in one test."""

    def __init__(self, kind, carrier):
        self.kind = kind
        self.carrier = carrier
        self.has = kind.features
        self._stack = ExitStack()
        self._made = []
        self._names = 0
        self._ends = None

    def close(self):
        """Leave nothing behind."""
        self._ends = None
        try:
            self._stack.close()
            for name in self._made:
                with suppress(liaison.LiaisonError), observed(name) as left:
                    left.destroy(force=True)
        finally:
            self.carrier.close()

    # ---- ends of this process

    def make(self, name=None, /, *, type=None, codec=None, **options):
        """The end that creates the link, and can receive from it."""
        self.address = self._address(name)
        return self._run(self.kind.maker, options, type=type, codec=codec)

    def open(self, *, type=None, codec=None):
        """One more end of what was made, that can send."""
        return self._run(self.kind.opener, None, type=type, codec=codec)

    def again(self):
        """One more end of what was made, that could receive, as its first one was made."""
        return self._run(self.kind.maker, {})

    def ends(self, **options):
        """A sending and a receiving end, both here."""
        if self.kind.connect is not None:
            sender, receiver = self.kind.connect(self, options, "here")
            return self.keep(sender), self.keep(receiver)
        receiver = self.make(**options)
        return self.open(type=options.get("type"), codec=options.get("codec")), receiver

    def same_ends(self):
        """The same two ends at each call: for hypothesis, to which all examples are one test."""
        if self._ends is None:
            self._ends = self.ends()
        return self._ends

    def _run(self, maker, options, *, type=None, codec=None):
        names = {**self.carrier.names, "type_": type, "codec_": codec}
        source = self._source(maker, options)
        if type is not None or codec is not None:
            source = f"{source[:-1]}, type=type_, codec=codec_)"
        return self.keep(eval(source, names))

    def _source(self, maker, options):
        if options is None:
            return f"{maker}({self.address!r})"
        return self.kind.expression(maker, self.address, options)

    def _address(self, name):
        self._names += 1
        address = self.carrier.at(name or f"link{self._names}")
        self._made.append(address)
        return address

    def keep(self, end):
        """Close this end when the test is over."""
        self._stack.callback(end.close)
        return end

    # ---- waiting

    @property
    def wait(self):
        """The function that waits for several links."""
        return self.carrier.names["wait"]

    def receivers_waiting(self, end):
        """How many wait to receive from the link of this end."""
        tasks = self.carrier.tasks_waiting("receive", "receive_many", "lease", "__anext__")
        return tasks + end.statistics().receivers_waiting

    def receives(self, end, call):
        """Whether the call waits to receive from the link of this end."""
        if "open" in self.has:
            return self.receivers_waiting(end)
        return self.carrier.waits(call)

    def senders_waiting(self, end):
        """How many wait for room in the link of this end."""
        tasks = self.carrier.tasks_waiting("send", "send_many", "loan")
        return tasks + end.statistics().senders_waiting

    # ---- ends of another process

    def other(self, *lines, **names):
        """Another process."""
        return self._stack.enter_context(self.carrier.other(*lines, **names))

    def call_back(self, function, *arguments):
        """Do this when the test is over."""
        self._stack.callback(function, *arguments)

    def other_sends(self, **options):
        """A receiving end here, and a process whose `end` sends to it."""
        if self.kind.connect is not None:
            receiver, other = self.kind.connect(self, options, "sends")
            return self.keep(receiver), other
        receiver = self.make(**options)
        return receiver, self.other(f"end = {self._source(self.kind.opener, None)}")

    def another_sends(self):
        """One more process whose `end` sends to what was made, which needs "many"."""
        if self.kind.maker == "Endpoint":
            self.call_back(_end_endpoint, self, "another")
            line = f"end = correspondent(Endpoint)('another', {self.address!r})"
            return self.other(line, correspondent=correspondent)
        return self.other(f"end = {self._source(self.kind.opener, None)}")

    def other_receives(self, **options):
        """A sending end here, and a process whose `end` receives from it."""
        if self.kind.connect is not None:
            sender, other = self.kind.connect(self, options, "receives")
            return self.keep(sender), other
        self.address = self._address(None)
        other = self.other(f"end = {self._source(self.kind.maker, options)}")
        return self.open(), other


def _connected(scheme):
    def connect(stage, options, who):
        address = stage.carrier.at("it") if scheme == "unix" else "tcp://127.0.0.1:0"
        given = {
            name: options[name] for name in ("type", "codec", "max_message") if name in options
        }
        if set(options) - given.keys():
            raise TypeError(f"a connection has no {set(options) - given.keys()}")
        secret = {} if scheme == "unix" else {"token": "that of the suite"}
        names = stage.carrier.names
        with names["listen"](address, **given, **secret) as listener:
            if who == "here":
                given.pop("max_message", None)
                dialled = Beside(names["connect"], listener.address, **given, **secret)
                accepted = listener.accept(timeout=60)
                return dialled.result(), accepted
            other = stage.other()
            other.start(f"end = connect({listener.address!r}, timeout=60, **{secret!r})")
            accepted = listener.accept(timeout=60)
            other.answer()
            return accepted, other

    return connect


def _endpoints(source):
    """Two endpoints, of which the second receives from the first, or else from anyone."""

    def connect(stage, options, who):
        stage.address = "taker"
        words = dict(options)
        for end in ("sender", "taker"):
            stage.call_back(_end_endpoint, stage, end)
        here = correspondent(stage.carrier.names["Endpoint"])
        taker = ("taker", "sender", "sender" if source else None)
        if who == "sends":
            receiver = here(*taker, **words)
            line = f"end = correspondent(Endpoint)('sender', 'taker', **{words!r})"
            return receiver, stage.other(line, correspondent=correspondent)
        if who == "receives":
            line = f"end = correspondent(Endpoint)(*{taker!r}, **{words!r})"
            other = stage.other(line, correspondent=correspondent)
            return here("sender", "taker", **words), other
        receiver = here(*taker, **words)
        return here("sender", "taker", **words), receiver

    return connect


def _end_endpoint(stage, name):
    try:
        stage.carrier.names["Endpoint"](name).destroy()
    except liaison.LiaisonError:
        return


def _pipe(stage, options, who):
    reader, writer = stage.carrier.names["pipe"](**options)
    if who == "here":
        return writer, reader
    kept, given = (reader, writer) if who == "sends" else (writer, reader)
    other = stage.other("unused.close()", end=given, unused=kept)
    given.close()
    return kept, other


def _sides(created_here):
    """A named pipe, of which this process's side is its creator's, or the opener's."""

    def connect(stage, options, who):
        stage.address = stage._address(None)
        given = {"pickle": pickle, "there": stage.address, "options": options}
        make = stage.carrier.names["NamedPipe"]
        end = make(stage.address, **options) if created_here else None
        # A side is a process: the other one's end is another process's.
        other = stage.other("end = NamedPipe(there, **options)", **given)
        if end is None:
            end = make(stage.address, **options)
        return (Far(other), end) if who == "here" else (end, other)

    return connect


_SOCKET_LACKS = {
    "lease": AttributeError,
    "loan": AttributeError,
    "receipt": TypeError,
    "peek": AttributeError,
    "statistics": AttributeError,
    "len": TypeError,
    "bounded": TypeError,
    "rendezvous": TypeError,
    "access": TypeError,
    "dead letters": TypeError,
    "receivers": None,
    "many": None,
    "named": None,
    "open": AttributeError,
    "unbroken": None,
    "destroy": AttributeError,
    "pickle": TypeError,
    "outlives": None,
}
_ENDPOINT_LACKS = {
    "loan": AttributeError,
    "batches": AttributeError,
    "access": TypeError,
    "dead letters": TypeError,
    "max_message": TypeError,
    "receivers": liaison.Busy,
    "open": AttributeError,
    "destroy": None,  # each destroys its own: test_endpoints.py
    "pickle": TypeError,
}
_PIPE_LACKS = {
    "rendezvous": ValueError,
    "access": TypeError,
    "dead letters": TypeError,
    "open": AttributeError,
    "unbroken": None,
    "outlives": liaison.Disconnected,
}

_NAMED_PIPE_LACKS = {**_PIPE_LACKS, "local": None, "receivers": None, "many": liaison.Busy}
_ONE_WAY = {"both ways": None}

_mailbox = partial(Kind, shown="mailbox", maker="Mailbox", opener="Mailbox.open")
_endpoint = partial(
    Kind, shown="endpoint", maker="Endpoint", opener="Endpoint", established="automatic"
)
_named_pipe = partial(
    Kind, shown="named pipe", maker="NamedPipe", opener="NamedPipe", lacks=_NAMED_PIPE_LACKS
)
_connection = partial(
    Kind,
    shown="connection",
    maker="listen",
    opener="connect",
    lacks=_SOCKET_LACKS,
    carriers=("stream",),
    established="connected",
)

KINDS = {
    kind.name: kind
    for kind in (
        _mailbox("mailbox", lacks=_ONE_WAY),
        _mailbox("exclusive mailbox", lacks=_ONE_WAY, options={"access": "exclusive"}),
        _mailbox(
            "pair mailbox", lacks={**_ONE_WAY, "many": liaison.Busy}, options={"access": "pair"}
        ),
        _mailbox(
            "rendezvous",
            lacks={**_ONE_WAY, "buffered": liaison.NoReceiver, "bounded": None},
            options={"capacity": 0},
        ),
        Kind(
            *("queue", "queue", "MessageQueue", "MessageQueue.open"),
            lacks={
                **_ONE_WAY,
                "rendezvous": ValueError,
                "access": TypeError,
                "dead letters": TypeError,
            },
            arguments={"capacity": "max_messages", "max_message": "message_size"},
        ),
        Kind(
            *("port", "port", "Port", "Port.open"),
            lacks={
                "both ways": liaison.AccessDenied,
                "rendezvous": ValueError,
                "access": TypeError,
                "receivers": liaison.Busy,
                "outlives": liaison.Destroyed,
            },
        ),
        _endpoint("endpoint", lacks=_ENDPOINT_LACKS, connect=_endpoints(source=False)),
        _endpoint(
            "endpoint, from one",
            lacks={**_ENDPOINT_LACKS, "many": None, "quiet": None},
            connect=_endpoints(source=True),
        ),
        Kind(
            *("pipe", "pipe", "pipe", "pipe"),
            lacks={
                **_PIPE_LACKS,
                "both ways": liaison.AccessDenied,
                "named": TypeError,
                "receivers": None,
                "many": None,
            },
            connect=_pipe,
            established="inherited",
        ),
        _named_pipe("named pipe", connect=_sides(created_here=True)),
        _named_pipe("named pipe, its opener's", connect=_sides(created_here=False)),
        _connection("unix connection", connect=_connected("unix")),
        _connection("tcp connection", connect=_connected("tcp")),
    )
}


# Which kinds are tested in tasks, on which carrier and event loop; conftest.py says why.
SAMPLE = {
    ("shm", "asyncio"): ("mailbox", "rendezvous", "port", "endpoint", "pipe", "named pipe"),
    ("shm", "trio"): ("endpoint",),
    ("memory", "asyncio"): ("mailbox",),
    ("stream", "asyncio"): ("unix connection",),
}
EVERYTHING = bool(os.environ.get("LIAISON_CONFORMANCE_EVERYTHING"))


def used(kind, *, in_tasks=True):
    """On which carriers a kind is tested, by threads and by tasks; each with what to call it."""
    for name in kind.carriers:
        yield CARRIERS[name], name
    for (name, backend), carrier in IN_TASKS.items():
        sampled = SAMPLE.get((name, backend), ())
        if in_tasks and name in kind.carriers and (EVERYTHING or kind.name in sampled):
            yield carrier, f"{name}, in tasks of {backend}"


def stages(*features, without=(), carriers=CARRIERS, kinds=KINDS, in_tasks=True):
    """The kinds, each on each of its carriers, that have these features, as pytest's parameters."""
    return [
        pytest.param((kind, carrier), id=f"{kind.name} on {how}")
        for kind in KINDS.values()
        if kind.name in kinds
        and kind.features.issuperset(features)
        and not kind.features.intersection(without)
        for carrier, how in used(kind, in_tasks=in_tasks)
        if carrier.name in carriers
    ]


def on(*features, **options):
    """Run a test once for each kind and carrier that has these features; all, if none is named."""
    return pytest.mark.parametrize("stage", stages(*features, **options), indirect=True)
