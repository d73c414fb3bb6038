# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False, cdivision=True
"""What bytes from others may be as MessagePack, seen before anything is built of them.

One pass over the bytes, without recursion, without memory of its own, and never beyond their end.
It refuses what is nested too deep, has more items than allowed, or announces items that its bytes
cannot hold, so that a message of some bytes never becomes objects of gigabytes. What the items
mean is for the decoder to judge.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t

DEEPEST = 64

cdef enum:
    LEVELS = 64
    UNCHECKED = 64  # bytes of which so many levels cannot be made

cdef enum Verdict:
    FINE, SHORT, DEEP, MANY, UNKNOWN

# By the bytes 0xc0 to 0xdf: how many bytes follow that say a size, and how many beside what that
# size says. What has a negative one is a container: so many slots an item.
cdef int[32] sizes = [
    0, -1, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4]
cdef int[32] extras = [
    0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 4, 8, 1, 2, 4, 8,
    1, 2, 4, 8, 2, 3, 5, 9, 17, 0, 0, 0, -1, -1, -2, -2]


cdef Verdict walk(const uint8_t *at, const uint8_t *end, uint64_t most) noexcept nogil:
    cdef uint64_t[LEVELS + 1] left
    cdef uint64_t size
    cdef int depth = 0, slots, i
    cdef uint8_t byte
    left[0] = 1
    while True:
        while left[depth] == 0:
            if depth == 0:
                return FINE
            depth -= 1
        left[depth] -= 1
        if at == end:
            return SHORT
        byte = at[0]
        at += 1
        slots = 0
        size = 0
        if byte <= 0x7f or byte >= 0xe0:
            continue
        if byte <= 0x9f:
            size = byte & 0x0f
            slots = 2 if byte <= 0x8f else 1
        elif byte <= 0xbf:
            size = byte & 0x1f
        else:
            byte -= 0xc0
            if sizes[byte] < 0:
                return UNKNOWN
            if end - at < sizes[byte]:
                return SHORT
            for i in range(sizes[byte]):
                size = size << 8 | at[i]
            at += sizes[byte]
            if extras[byte] < 0:
                slots = -extras[byte]
            else:
                size += extras[byte]
        if not slots:
            if <uint64_t>(end - at) < size:
                return SHORT
            at += size
            continue
        size *= slots
        if <uint64_t>(end - at) < size:  # an item has a byte at least
            return SHORT
        if size > most:
            return MANY
        most -= size
        if depth == LEVELS:
            return DEEP
        depth += 1
        left[depth] = size


def check(bytes payload not None, uint64_t most):
    """Raise `ValueError` for what is nested more than 64 deep, has more than `most` items in all
    its containers together, or is cut short."""
    cdef const uint8_t *at = <const uint8_t *>PyBytes_AS_STRING(payload)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(payload)
    cdef Verdict verdict
    if size <= UNCHECKED and <uint64_t>size <= most:
        return
    verdict = walk(at, at + size, most)
    if verdict == FINE:
        return
    if verdict == DEEP:
        raise ValueError(f"it is nested more than {LEVELS} deep")
    if verdict == MANY:
        raise ValueError(f"it has more than {most:,} items")
    if verdict == SHORT:
        raise ValueError("it is cut short")
    raise ValueError("it has a byte that MessagePack does not know")
