"""A decoder's memory and time are in proportion to its input."""

import random
import time
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest

from liaison.codec import Coder, Format
from tests.codec.payloads import described, keyed, pack

COUNT = 50_000
# What `type=` may take beside. Decimals of a byte each take 129 times that on Python 3.13; as many
# as a message may have, 4,194,304, are still below 128 times and this.
FIRST = {"decimals": 4 << 20}


def listed(item, count=COUNT):
    return b"\xdd" + count.to_bytes(4, "big") + item * count


FIELDS = [[f"f{i}", "|i1", i] for i in range(5000)]
NESTED = [[f"f{i}", [[["a", "|i1", 0]], 1], i] for i in range(5000)]
WORST = {
    "bytes": (Format.RAW, None, bytes(1 << 20)),
    "empty lists": (Format.MSGPACK, None, listed(b"\x90")),
    "empty dicts": (Format.MSGPACK, None, listed(b"\x80")),
    "dicts of one": (Format.MSGPACK, None, listed(b"\x81\0\0")),
    "dicts in dicts": (Format.MSGPACK, None, listed(b"\x81\0" * 30 + b"\x80", 2000)),
    "wide characters": (Format.MSGPACK, None, listed(b"\xa5" + "a\U0001f600".encode())),
    "extensions": (Format.MSGPACK, None, listed(b"\xc7\0\5")),
    "numbers as keys": (Format.MSGPACK, None, keyed(range(70_000, 158_000), b"\x90")),
    "sets of one": (Format.MSGPACK, list[set[int]], listed(b"\x91\0")),
    "sets of five": (Format.MSGPACK, list[set[int]], listed(b"\x95\1\2\3\4\5")),
    "sets among others": (Format.MSGPACK, list[Any], listed(b"\x92\x90\x80")),
    "empty sets as values": (
        Format.MSGPACK,
        dict[int, set[int]],
        keyed(range(70_000, 158_000), b"\x90"),
    ),
    "decimals": (Format.MSGPACK, list[Decimal], listed(b"\1")),
    "views": (Format.MSGPACK, list[memoryview], listed(b"\xc4\1\0")),
    "records": (Format.ARRAY, None, described([[FIELDS, 5000], [1]], bytes(5000))),
    "records in records": (Format.ARRAY, None, described([[NESTED, 5000], [1]], bytes(5000))),
    "items": (Format.ARRAY, None, described(["<f8", [1 << 17]], bytes(1 << 20))),
}


@pytest.mark.parametrize("name", WORST)
def test_no_decoder_takes_more_than_128_times_its_bytes(name):
    """The worst message of each kind takes at most 128 times its bytes of memory."""
    form, expected, payload = WORST[name]
    if form == Format.ARRAY:
        pytest.importorskip("numpy")
    coder = Coder(type=expected)
    coder.decode(form, payload)
    tracemalloc.start()
    try:
        value = coder.decode(form, payload)
        assert tracemalloc.get_traced_memory()[1] <= 128 * len(payload) + FIRST.get(name, 0)
    finally:
        tracemalloc.stop()
    del value


@pytest.mark.parametrize("low", [0, 8, 22, 40, 50])
@pytest.mark.parametrize("expected", [None, set[int]])
def test_keys_that_are_taken_take_little_time(low, expected):
    """Numbers that agree in many bits, and are taken, take at most 20 times as long as others."""
    bits = min(62 - low, 16)
    rnd = random.Random(low)
    alike = [i << low for i in range(1 << bits - 1)]
    others = [rnd.randrange(2**63) for _ in alike]

    def took(values):
        coder, payload = Coder(type=expected), pack(values)
        if expected is None:
            payload = keyed(values)
        start = time.perf_counter()
        assert len(coder.decode(Format.MSGPACK, payload)) == len(values)
        return time.perf_counter() - start

    assert min(took(alike) for _ in range(3)) < 20 * max(took(others) for _ in range(3)) + 0.01
