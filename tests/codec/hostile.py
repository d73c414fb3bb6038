"""False messages of every format, by the thousand: each is decoded, and its value is used.

``python -m tests.codec.hostile -seed=1 -runs=1000`` or ``-max_total_time=60`` (seconds). Run in a
process of its own, whose memory is limited: a read outside a message, or gigabytes made of one, end
the process. The last message is in the file that ``-case=`` names; ``-replay=`` decodes it.
"""

import random
import resource
import struct
import sys
import time
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import numpy
import pyarrow

from liaison.codec import Coder, Format
from liaison.errors import DecodeError
from tests.codec.payloads import described
from tests.codec.tables import columns, growing

ROOM = 3 << 30  # bytes of address space
NUMBERS = (0, 1, 2, 7, 8, 63, 64, 65, 127, 128, 255, 2**15, 2**16, 2**24, 2**31 - 1, 2**31)
NUMBERS += (2**31 + 8, 2**32 - 1, 2**32, 2**33, 2**61, 2**62 - 1, 2**62, 2**63 - 1)
PLAIN = (
    "|i1", "|u1", "<i2", "<i4", ">i8", "<f2", "<f4", ">f8", "<f16", "<c8", "<c32", "|b1", "|S3",
    "<U2", ">U1", "|V4", "|S0", "<U0", "|V0", "<M8[s]", "<m8[7us]", "<M8[Y]", "<m8", "<m8[0s]",
    "<M8[999999999as]", "|O8", "<U536870911", "|S2147483647",
)  # fmt: skip
TYPES = (
    None, int, list[int], dict[str, Any], set[int], set[Any], dict[int, Any], dict[UUID, int],
    set[Decimal], set[tuple[int, int]], list[memoryview], frozenset[tuple[Any, ...]], numpy.ndarray,
    memoryview,
)  # fmt: skip
CODERS = [Coder(type=expected) for expected in TYPES]
ANY = CODERS[0]


# ---- arrays


def number(rng, honest):
    """The correct number, or one at a limit."""
    return honest if rng.random() < 0.9 else rng.choice(NUMBERS)


def dtype(rng, depth=0):
    """A description of an item, and the item's size if the description is true."""
    if depth > 3 or rng.random() < 0.5:
        name = rng.choice(PLAIN)
        try:
            return name, numpy.dtype(name).itemsize
        except (TypeError, ValueError):
            return name, 8
    fields, end = [], 0
    for i in range(rng.randrange(4)):
        inner, size = dtype(rng, depth + 1)
        shape = [rng.choice((0, 1, 2, 3)) for _ in range(rng.choice((0, 0, 1, 2)))]
        shape = [number(rng, one) for one in shape]
        offset = rng.choice((end, end, 0, end + 3))
        for one in shape:
            size *= one
        name = rng.choice((f"f{i}", f"f{i}", "f0", "", "\x1b[2J"))
        fields.append([name, inner, number(rng, offset % 2**63), shape])
        if rng.random() < 0.1:
            fields[-1].append(rng.choice(("title", "f0", f"f{i}")))
        end = max(end, offset + size)
    return [fields, number(rng, end % 2**63)], end


def array(rng):
    """An ARRAY payload with mostly correct numbers."""
    made, size = dtype(rng)
    shape = [rng.choice((0, 1, 2, 3)) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    count = size
    for one in shape:
        count *= one
    count = min(count, 4096)
    shape = [number(rng, one) for one in shape] + [1] * rng.choice((0,) * 20 + (31, 33, 64))
    items = rng.choice((rng.randbytes, bytes))(number(rng, count) % 8192)
    return described([made, shape, rng.random() < 0.2, not shape and rng.random() < 0.5], items)


# ---- plain data and tables


def plain(rng):
    """A MSGPACK payload of anything, with keys of any kind."""
    numbers = [rng.choice((1, -1)) * rng.choice(NUMBERS) for _ in range(50)]
    wide = dict.fromkeys(numbers)
    values: list[Any] = [
        numbers,
        wide,
        {"a": [wide, numbers], "b": {1.5: b"x" * 40, None: "é"}},
        [[i, -i] for i in numbers],
        [str(UUID(int=i % 2**128)) for i in numbers],
        {str(i): i for i in numbers},
        [[]] * 50,
        [b""] * 50,
    ]
    return damaged(rng, msgspec.msgpack.encode(rng.choice(values)))


def damaged(rng, payload):
    """A good payload with some bytes changed, removed or repeated."""
    payload = bytearray(payload)
    for _ in range(rng.randrange(4)):
        place = rng.randrange(len(payload) + 1)
        end = place + rng.choice((0, 1, 1, 1, 4, 8))
        payload[place:end] = rng.choice(
            (rng.randbytes(rng.randrange(9)), payload[:40], b"\xff" * 4)
        )
    return bytes(payload)


def streams():
    """A stream of each kind of column."""
    for _, column in columns():
        for value in (column, pyarrow.table({"n": pyarrow.nulls(len(column)), "c": column})):
            yield bytes(ANY.encode(value)[2])
    yield growing(3)[0]


STREAMS = list(streams())


def table(rng):
    """An ARROW payload in which a number or two, of 1 to 8 bytes, are others."""
    payload = bytearray(rng.choice(STREAMS))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        width = rng.choice((1, 2, 4, 4, 8, 8))
        place = rng.randrange(0, len(payload) - width) // width * width
        near = int.from_bytes(payload[place : place + width], "little") + rng.choice((-8, -4, 1, 8))
        other = rng.choice((*NUMBERS, near, near, rng.randrange(40), -1)) % 256**width
        payload[place : place + width] = other.to_bytes(width, "little")
    return damaged(rng, payload) if rng.random() < 0.05 else bytes(payload)


FORMATS = {
    Format.RAW: lambda rng: rng.randbytes(rng.randrange(40)),
    Format.MSGPACK: plain,
    Format.ARRAY: array,
    Format.ARROW: table,
}


# ---- what is done with them


def use(value):
    """Use the value as users do; an exception is no fault, except MemoryError."""
    uses = [repr, lambda v: v == v, ANY.encode, hash]
    if isinstance(value, numpy.ndarray | numpy.generic):
        uses += [lambda v: v.tolist(), lambda v: v.copy(), lambda v: v.T.copy()]
        uses += [lambda v: [use(v[name]) for name in v.dtype.names or ()]]
        uses += [lambda v: v.astype("S10"), lambda v: v.astype("U10"), lambda v: v.astype(float)]
        uses += [numpy.sort, lambda v: str(v.dtype)]
    if isinstance(value, pyarrow.Table | pyarrow.ChunkedArray):
        uses += [lambda v: v.to_pylist(), lambda v: v.combine_chunks(), lambda v: v.slice(1)]
        uses += [lambda v: v.validate(full=True), lambda v: v.to_string(), lambda v: v.nbytes]
    for one in uses:
        try:
            one(value)
        except MemoryError:
            raise
        except Exception:
            continue


def check(form, payload, coder, owned):
    """Decode a message to a value, which is used, or a DecodeError; return whether to a value."""
    held = bytearray(payload)
    try:
        value = coder.decode(form, held if owned else memoryview(payload), owned)
    except DecodeError as error:
        said, cause, kept = str(error), error.__cause__, error.payload
    else:
        use(value)
        return True
    assert kept == payload
    assert not isinstance(cause, MemoryError | AssertionError | struct.error), said
    assert len(said) < 500
    assert said.isprintable()
    return False


def main(*arguments):
    """Check a number of messages, or for some seconds."""
    told = dict(one.lstrip("-").split("=") for one in arguments)
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
    case = Path(told.get("case", "hostile.bin"))
    if "replay" in told:
        form, which, owned, *payload = Path(told["replay"]).read_bytes()
        check(form, bytes(payload), CODERS[which], bool(owned))
        return
    rng = random.Random(int(told.get("seed", time.time_ns())))
    end = time.monotonic() + float(told.get("max_total_time", 1e9))
    runs, values = int(told.get("runs", 10**15)), dict.fromkeys(FORMATS, 0)
    warnings.simplefilter("ignore")
    with case.open("wb", buffering=0) as kept:
        for done in range(runs):
            if done % 64 == 0 and time.monotonic() > end:
                break
            form = rng.choice((0, 1, 1, 2, 2, 3, 3, 3, 3, 3))
            which = rng.randrange(len(CODERS)) if rng.random() < (0.1 if form > 1 else 0.6) else 0
            owned = rng.random() < 0.5
            payload = FORMATS[form](rng)
            kept.seek(0)
            kept.truncate()
            kept.write(bytes([form, which, owned]) + payload)
            values[form] += check(form, payload, CODERS[which], owned)
    case.unlink()
    print({form.name: count for form, count in values.items()}, "of", done + 1, "were values")


if __name__ == "__main__":
    main(*sys.argv[1:])
