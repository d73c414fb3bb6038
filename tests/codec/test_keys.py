"""Keys of dicts and items of sets that were chosen to collide are refused before any is built."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from liaison._native.msgpack import check, crowded
from liaison.codec import Coder, Format
from liaison.errors import DecodeError, EncodeError
from tests.codec.payloads import keyed, pack

PRIME = 2**61 - 1  # Python's hash of a number is the number modulo this


def listed(values):
    """MessagePack of a list, of what `pack` takes."""
    return b"\xdd" + len(values).to_bytes(4, "big") + b"".join(map(pack, values))


def decode(payload, type=None):
    return Coder(type=type).decode(Format.MSGPACK, payload)


def refuse(payload, type=None):
    with pytest.raises(DecodeError, match="collide") as caught:
        decode(payload, type)
    assert caught.value.payload == payload


def numbers_in_a_row(bits=11, beside=0):
    """Numbers whose search for a slot passes all the others, in a table of `bits` bits.

    A third of the table is filled with numbers that are the slots that a search goes through when
    it has no bits of the number left; the others come upon the beginning of that row.
    """
    size, rnd = 1 << bits, random.Random(1)
    row = [0]
    while len(row) < size // 3:
        row.append((row[-1] * 5 + 1) % size)
    first = {slot: place for place, slot in enumerate(row)}
    keys = dict.fromkeys(row)
    while len(keys) < size * 3 // 5:
        number = left = rnd.choice(row) + size * rnd.randrange(1, 1 << 12)
        slot = number % size
        while slot in first and left:
            left >>= 5
            slot = (slot * 5 + left + 1) % size
        if first.get(slot, size) < len(row) // 8:
            keys[number] = None
    return list(keys)


def pairs_of_one_hash(count):
    """Tuples of two integers that have one hash, which is xxHash of theirs without a secret."""
    one, two, five = 11400714785074694791, 14029467366897019727, 2870177450012600261
    mask = 2**64 - 1

    def turned(value, by):
        return (value << by | value >> (64 - by)) & mask

    def step(state, lane):
        return turned((state + lane * two) & mask, 31) * one & mask

    wanted = step(step(five, 12345), 678)
    before = turned(wanted * pow(one, -1, 2**64) & mask, 33)
    found, first = [], 1
    while len(found) < count:
        first += 1
        lane = (before - step(five, first)) * pow(two, -1, 2**64) & mask
        second = lane if lane < PRIME else lane - 2**64
        if hash(second) & mask == lane and second >= -(2**63):
            found.append((first, second))
    assert len({hash(pair) for pair in found}) == 1
    return found


@pytest.mark.parametrize("key", [(), (1, 2), frozenset({1})])
def test_what_holds_others_is_no_key(key):
    """A dict with a list or a dict as a key is an error at both ends, however small it is."""
    with pytest.raises(EncodeError, match="keys are numbers, texts"):
        Coder().encode({key: 1})
    for payload in (keyed([key]), keyed([key] * 100), b"\x81\x80\x01"):
        with pytest.raises(DecodeError, match="keys are numbers, texts"):
            decode(payload)


@pytest.mark.parametrize(
    "keys",
    [
        range(300_000),
        range(-5000, 5000),
        [i << 22 for i in range(50_000)],
        [i << 40 for i in range(50_000)],
        [i << 50 for i in range(10_000)],
        [i * PRIME % 2**64 for i in range(5000)],
        [random.Random(1).randrange(2**64) for _ in range(100_000)],
        [i * 0.1 for i in range(50_000)],
        [i + 0.5 for i in range(50_000)],
        [2.0**i for i in range(-1000, 1000)],
        [str(i) for i in range(1000)],
        [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=i) for i in range(20_000)],
        [float("nan")] * 1000,
        [None, True, *range(2, 40), "a", b"b", 1.5],
    ],
    ids=lambda keys: f"{keys[1]}…",
)
def test_usual_keys_are_taken(keys):
    """Many counted, spread, shifted and random numbers, times and texts may be keys."""
    value = dict.fromkeys(keys, 1)
    form, _, body = Coder().encode(value)
    assert len(Coder().decode(form, body)) == len(value)


def test_numbers_can_be_made_to_collide_and_are_refused():
    """Integers whose search for a slot passes half of the table are refused as keys."""
    keys = numbers_in_a_row()
    refuse(keyed(keys))
    refuse(keyed(keys), dict[int, Any])
    refuse(keyed([float(key) for key in keys]))
    refuse(pack([{"a": {"b": dict.fromkeys(keys)}}]))
    assert len(decode(keyed(sorted(keys)[:30]))) == 30


@pytest.mark.parametrize(
    ("type", "values"),
    [
        (set[tuple[int, int]], pairs_of_one_hash(2000)),
        (set[tuple[int, ...]], pairs_of_one_hash(2000)),
        (frozenset[Any], pairs_of_one_hash(2000)),
        (set[UUID], [str(UUID(int=5 + i * PRIME)) for i in range(2000)]),
        (set[Decimal], [str(5 + i * PRIME) for i in range(2000)]),
    ],
)
def test_values_of_one_hash_are_refused_in_sets(type, values):
    """Whatever a set's items become, those that all have one hash are refused."""
    refuse(listed(values), type)
    refuse(listed([*values, {}]), type)  # the decoder would only see at the end that it is no set
    refuse(b"\x91" + listed(values), list[type])
    assert len(decode(listed(values[:30]), type)) == 30


@pytest.mark.parametrize(
    ("type", "keys"),
    [
        (dict[UUID, Any], [str(UUID(int=5 + i * PRIME)) for i in range(2000)]),
        (dict[Decimal, Any], [str(5 + i * PRIME) for i in range(2000)]),
    ],
)
def test_texts_that_become_keys_of_one_hash_are_refused(type, keys):
    """Texts are hashed with a secret, but not what `type=` makes of them."""
    refuse(keyed(keys), type)
    assert len(decode(keyed(keys))) == 2000
    assert len(decode(keyed(keys), dict[str, Any])) == 2000


class Graph(msgspec.Struct):
    edges: set[tuple[int, int]] = set()
    weights: dict[UUID, float] = {}
    names: set[str] = set()
    counts: list[int] = []
    within: list["Graph"] = []


def test_what_people_have_in_sets_is_taken():
    """Pairs, UUIDs and lists with many equal items arrive as their type says."""
    value = Graph(
        edges={(i, i * i) for i in range(3000)},
        weights={uuid4(): 0.5 for _ in range(3000)},
        names={str(i) for i in range(3000)},
        counts=[0] * 3000,
        within=[Graph(counts=[7] * 3000)],
    )
    form, _, body = Coder().encode(value)
    assert Coder(type=Graph).decode(form, body) == value
    refuse(pack({"within": [{"edges": pairs_of_one_hash(2000)}]}), Graph)


@pytest.mark.parametrize("a_set", [False, True])
def test_equal_values_are_not_crowded(a_set):
    """Repeated values and few values are never refused."""
    assert not crowded([1] * 10_000, a_set)
    assert not crowded([i % 7 for i in range(10_000)], a_set)
    assert not crowded(pairs_of_one_hash(32), a_set)
    assert crowded(pairs_of_one_hash(2000), a_set)
    assert not crowded([[]] * 100, a_set)


def test_empty_lists_become_no_gigabytes_of_sets():
    """Sets and memoryviews that take more than 128 times their bytes are refused, beyond 4 MiB."""
    for type, item in ((list[set[int]], b"\x90"), (list[memoryview], b"\xc4\0")):
        small, large = (b"\xdd" + n.to_bytes(4, "big") + item * n for n in (10_000, 500_000))
        assert len(decode(small, type)) == 10_000
        with pytest.raises(DecodeError, match="128 times"):
            decode(large, type)
        assert len(decode(large)) == 500_000
    sparse = pack({i: [] for i in range(70_000, 170_000)})
    assert len(decode(sparse, dict[int, set[int]])) == 100_000


def test_check_asks_for_a_closer_look_at_many_keys():
    """check() asks for no closer look at texts as keys, or at few keys."""
    assert check(keyed(["a"] * 32 + [1.5] * 32), 1000) & 1 == 0
    assert check(keyed([1.5] * 33), 1000) & 1
    assert check(listed([1] * 32), 1000) == 0
