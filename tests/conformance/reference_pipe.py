"""The reference carrier's pipes; see `tests.conformance.reference`.

A pipe is a box, of which each end either sends or receives. A named pipe is two of them, one for
each way.
"""

from __future__ import annotations

import uuid
from functools import partial

from liaison import errors
from liaison.closing import Closing
from liaison.codec import Coder
from liaison.deadline import Deadline
from liaison.links.end import parsed
from liaison.links.pipe import _policy
from tests.conformance.reference import PARTS, Box, End, worlds

__all__ = ["NamedPipe", "PipeEnd", "Way", "pipe"]

CHUNK = 1 << 16  # bytes that are written as one message, at most


class Nowhere:
    """Where a link is that has no name."""

    name = ""

    def __init__(self):
        self._text = f"pipe:{uuid.uuid4().hex[:8]}"

    def __str__(self):
        return self._text


class Way(Box):
    """A pipe, or one way of a named one."""

    pair = None  # the named pipe that it is part of

    def has(self, reads):
        return any(end._reads is reads for end in self.ends)

    def is_broken(self):
        """Whether nobody is left who could receive."""
        return not self.has(True) and not (self.pair and self.pair.waits)

    def is_over(self, party):
        """Whether nothing will come to this party any more."""
        if self.has(False) or self.queue or self.returned or (self.pair and self.pair.waits):
            return False
        return not any(item.holder._party is not party for item in self.leased)

    def forget(self, gone):
        super().forget(gone)
        if self.pair:
            self.pair.look()

    def destroy(self):
        super().destroy()
        if self.pair:
            self.pair.unlink()


class PipeEnd(Closing, End):
    """An end that either sends or receives."""

    _reads: bool
    _rest = b""  # of a message of which bytes were read

    def _join(self, box, reads, type, codec):
        self._box = box
        self._where = box.where
        self._reads = reads
        self._observing = False
        self._arguments = type, codec
        self._coder = Coder(type, codec)
        box.ends.append(self)
        box.tell(self._party, "receives" if reads else "sends")
        self._closed = False
        return self

    def inherited_by(self, party):
        """The same end, as a process has it that this one starts."""
        copy = object.__new__(party.names[type(self).__name__])
        return copy._join(self._box, self._reads, *self._arguments)

    @classmethod
    def inherit(cls, handle, *, type=None, codec=None):
        raise errors.NotFound(f"{handle}: no descriptors are given to anyone here")

    def __reduce__(self):
        party = self._party
        place = id(party.world), party.world.parties.index(party)
        return _arrived, (*place, type(self).__name__, self._box.id, *self._arguments)

    # ---- what each may do, and until when

    def _only(self, reads):
        self._take_part()
        if self._reads is not reads:
            does = "receive" if self._reads else "send"
            raise errors.AccessDenied(f"with this end of {self._where} you can only {does}")

    def _may_send(self):
        self._only(reads=False)
        if self._box.is_broken():
            sent, taken = self._box.accepted, self._box.taken
            raise errors.Disconnected(f"{self._where} is broken", sent=sent, confirmed=taken)

    def _may_receive(self):
        self._only(reads=True)
        if self._box.is_over(self._party):
            pair = self._box.pair
            clean = pair is None or all(side.alive for side in pair.sides)
            raise errors.Ended(f"{self._where} has ended", clean=clean, received=self._box.taken)

    def _may_learn(self):
        self._check()
        if self._box.is_broken():
            raise errors.Disconnected(f"{self._where} is broken")

    def _has_something(self):
        box = self._box
        return bool(self._rest) or super()._has_something() or box.is_over(self._party)

    def fileno(self):
        with self._locked():
            self._only(reads=True)
            return self._descriptor()

    def _ready(self):
        return self._closed or self._has_something()

    def __next__(self):
        try:
            return super().__next__()
        except errors.Ended:
            raise StopIteration from None

    @property
    def link(self):
        return super().link.but(established="inherited")

    # ---- bytes

    def _take_rest(self):
        with self._locked():
            rest, self._rest = self._rest, b""
            self._ring()
            return rest

    def receive(self, *, timeout=None):
        Deadline(timeout)
        self._take_part()
        return self._take_rest() or super().receive(timeout=timeout)

    def receive_many(self, max, *, timeout=None):
        if max >= 1 and not self._closed and (rest := self._take_rest()):
            return [rest]
        return super().receive_many(max, timeout=timeout)

    def _more(self):
        """Bytes that follow, of one message; b"" when no more will come."""
        with self._locked() as box:
            self._take_part()
            while not self._rest:
                try:
                    item = self._take(Deadline(None))
                except errors.Ended:
                    return b""
                box.settle(item, "acknowledged")
                if item.format != 0:
                    raise errors.DecodeError(
                        f"a message of {self._where} is not bytes", payload=item.payload
                    )
                self._rest = item.payload
            return self._take_rest()

    def _read_until(self, enough):
        """Read until `enough(what is there)` says how many bytes were wanted, or to the end."""
        have = b""
        while (wanted := enough(have)) is None:
            try:
                more = self._more()
            except BaseException:
                self._rest = have + self._rest
                raise
            if not more:
                return have
            have += more
        with self._locked():
            self._rest = have[wanted:] + self._rest
            self._ring()
        return have[:wanted]

    def read(self, n=-1):
        most = -1 if n is None else n
        return self._read_until(lambda have: most if 0 <= most <= len(have) else None)

    def readline(self, limit=-1):
        most = -1 if limit is None else limit

        def enough(have):
            line = have.find(b"\n") + 1 or None
            if 0 <= most <= len(have) and (line is None or line > most):
                return most
            return line

        return self._read_until(enough)

    def readinto(self, buffer):
        with memoryview(buffer) as view, view.cast("B") as target:
            chunk = self._read_until(lambda have: min(len(have), len(target)) if have else None)
            target[: len(chunk)] = chunk
        return len(chunk)

    def write(self, data):
        with memoryview(data) as view, view.cast("B") as source:
            self._only(reads=False)
            for at in range(0, len(source), step := min(CHUNK, self._box.largest)):
                self.send(bytes(source[at : at + step]))
            return len(source)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def readable(self):
        return self._reads

    def writable(self):
        return not self._reads

    def seekable(self):
        return False

    def isatty(self):
        return False

    def flush(self):
        pass


class Pair:
    """A named pipe: two ways, of which each leads to the side of the same number."""

    kind = "named pipe"

    def __init__(self, world, where, policy, creator):
        self.world = world
        self.address = str(where)
        self.sides = [creator]
        self.ways = [Way(world, where, policy, creator) for _ in range(2)]
        for way in self.ways:
            way.pair = self

    @property
    def waits(self):
        """Whether the other side has still to come."""
        return len(self.sides) == 1

    def side(self, party):
        """Which side the party is, also if only from now on."""
        if party not in self.sides:
            if not self.waits:
                raise errors.Busy(f"{self.address} has its two sides")
            self.sides.append(party)
        return self.sides.index(party)

    def look(self):
        """Nobody can open a pipe of which a side has ended."""
        here = set().union(*(way.parties for way in self.ways))
        if any(side not in here for side in self.sides):
            self.unlink()

    def unlink(self):
        if self.world.links.get(self.address) is self:
            del self.world.links[self.address]


class NamedPipe(Closing):
    """A party's side of a named pipe: an end of each way."""

    def __init__(
        self, address, *, capacity=None, max_message=None, memory=None, type=None, codec=None
    ):
        where = parsed(address)
        if where.scheme != "shm":  # bare names are taken for that
            raise errors.InvalidAddress(f"{where}: the reference carries names alone")
        policy = {"kind": "named pipe", **_policy(capacity, max_message, memory)}
        party, world = self._party, self._party.world
        self.address = str(where)
        self._arguments = type, codec
        with world.changed:
            pair = world.links.get(str(where))
            if pair is None:
                pair = world.links[str(where)] = Pair(world, where, policy, party)
            if pair.kind != "named pipe" or pair.ways[0].differs(policy):
                raise errors.Mismatch(f"{where} exists and is different")
            side = pair.side(party)
            self._in, self._out = (object.__new__(party.names["_NamedPipeEnd"]) for _ in range(2))
            self._in._join(pair.ways[side], True, type, codec)
            self._out._join(pair.ways[1 - side], False, type, codec)
            for way in pair.ways:
                way.arrange()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._out if name in OUTWARD else self._in, name)

    def __len__(self):
        return len(self._in)

    def __bool__(self):
        return True

    def __iter__(self):
        return iter(self._in)

    def readable(self):
        return True

    def writable(self):
        return True

    def statistics(self, *, outgoing=False):
        return (self._out if outgoing else self._in).statistics()

    @property
    def link(self):
        with self._in._locked() as way:
            seen = self._in.link
            both = set().union(*(each.parties for each in way.pair.ways))
            peers = tuple(party.peer for party in way.pair.sides if party in both)
            policy = {"max_processes": 2, "access": "pair", "established": "named"}
            return seen.but(direction="two-way", senders=peers, receivers=peers, **policy)

    def close(self):
        with self._in._locked():
            self._out.close()
            self._in.close()

    def destroy(self, *, force=False):
        with self._in._locked():
            self._out.destroy(force=force)
            self._in.destroy(force=True)

    def __reduce__(self):
        world = self._party.world
        place = id(world), world.parties.index(self._party)
        return _opened, (*place, self.address, *self._arguments)


OUTWARD = {"send", "try_send", "send_many", "loan", "rendezvous", "write", "writelines"}


def pipe(party, *, capacity=None, max_message=None, memory=None, type=None, codec=None):
    """The two ends of a pipe, both the party's."""
    policy = {"kind": "pipe", **_policy(capacity, max_message, memory)}
    with party.world.changed:
        way = Way(party.world, Nowhere(), policy, party)
        reader, writer = (object.__new__(party.names[f"Pipe{end}"]) for end in ("Reader", "Writer"))
        return reader._join(way, True, type, codec), writer._join(way, False, type, codec)


def _arrived(world, party, kind, box, *arguments):
    party = worlds[world].parties[party]
    (way,) = (way for way in worlds[world].boxes if way.id == box)
    made = object.__new__(party.names[kind])
    return made._join(way, kind == "PipeReader", *arguments)


def _opened(world, party, address, type, codec):
    return worlds[world].parties[party].names["NamedPipe"](address, type=type, codec=codec)


def _pipes(party):
    ends = ("PipeReader", "PipeWriter", "_NamedPipeEnd")
    classes = {name: type(name, (PipeEnd,), {"_party": party}) for name in ends}
    classes["NamedPipe"] = type("NamedPipe", (NamedPipe,), {"_party": party})
    return {**classes, "pipe": partial(pipe, party)}


PARTS.append(_pipes)
