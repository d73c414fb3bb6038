# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False, cdivision=True
"""What bytes from others may be as MessagePack, seen before anything is built of them.

msgspec (0.23) believes no size that its bytes cannot hold, refuses bytes behind the message, and ends
nesting where the program's own recursion ends, at about 1,000 levels or whatever that has set. But it
takes keys that were chosen to collide, in time that grows with the square of their number (numbers of
24 KB take 57 times as long as others, pairs for a set of 78 KB 500 times, UUIDs of 390 KB 741 times),
and it builds what is far larger than the message: an empty set takes 224 bytes of memory for its byte,
and any number of items will do. So it is looked at first.

One pass over the bytes, without recursion, without memory of its own, and never beyond their end.
It refuses what is nested too deep, has more items than allowed, announces items that its bytes
cannot hold, or has a list or a dict as a key, so that a message of some bytes never becomes objects
of gigabytes. What the items mean is for the decoder to judge.

Python's dicts and sets take time in proportion to the square of their size where the keys are
chosen for it: the hash of a number is the number itself, so that a sender knows in which slots it
is looked for. (Texts and bytes are hashed with a key that only this process knows.) So where there
are many keys that are not texts or bytes, `keys` gathers them, and `crowded` says whether looking
for their slots takes long.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport Py_EQ, PyObject_Hash, PyObject_RichCompareBool
from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.string cimport memset

DEEPEST = 64
# What `check` found. A dict with many keys whose hash is known; with many keys; a list of many
# items; more memory than `HEAVIEST` times the bytes, if lists are sets and bytes are memoryviews.
KEYS = 1
ENTRIES = 2
ITEMS = 4
HEAVY = 8

cdef enum:
    LEVELS = 64
    FEW = 32  # keys whose slots are found soon enough, whatever they are
    HEAVIEST = 128  # bytes of memory for a byte of a message
    HEAVIEST_ITEM = 328  # bytes of memory for the first byte of one: a memoryview
    LIGHT = 4 << 20  # bytes of memory that are no harm

cdef enum Verdict:
    FINE, SHORT, DEEP, MANY, UNKNOWN, KEY

# By the bytes 0xc0 to 0xdf: how many bytes follow that say a size, and how many beside what that
# size says. What has a negative one is a container: so many slots an item.
cdef int[32] sizes = [
    0, -1, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4]
cdef int[32] extras = [
    0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 4, 8, 1, 2, 4, 8,
    1, 2, 4, 8, 2, 3, 5, 9, 17, 0, 0, 0, -1, -1, -2, -2]


cdef struct Item:
    uint64_t size  # of a container in slots, of anything else in bytes that follow
    int slots  # of an item of a container: 1 in a list, 2 in a dict, 0 if it is no container
    bint keyed  # as a key, its hash is not known to its sender


cdef inline Verdict read(const uint8_t **at, const uint8_t *end, Item *item) noexcept nogil:
    """Read what an item is, and go on to what follows that."""
    cdef uint8_t byte
    cdef int i
    if at[0] == end:
        return SHORT
    byte = at[0][0]
    at[0] += 1
    item.size = 0
    item.slots = 0
    item.keyed = False
    if byte <= 0x7f or byte >= 0xe0:
        return FINE
    if byte <= 0x9f:
        item.size = byte & 0x0f
        item.slots = 2 if byte <= 0x8f else 1
    elif byte <= 0xbf:
        item.size = byte & 0x1f
        item.keyed = True
    else:
        byte -= 0xc0
        if sizes[byte] < 0:
            return UNKNOWN
        if end - at[0] < sizes[byte]:
            return SHORT
        for i in range(sizes[byte]):
            item.size = item.size << 8 | at[0][i]
        at[0] += sizes[byte]
        item.keyed = 4 <= byte <= 6 or 0x19 <= byte <= 0x1b  # bytes and texts
        if extras[byte] < 0:
            item.slots = -extras[byte]
        else:
            item.size += extras[byte]
    item.size *= item.slots or 1
    if <uint64_t>(end - at[0]) < item.size:  # an item has a byte at least
        return SHORT
    return FINE


cdef inline uint64_t weight(const Item *item, uint8_t byte) noexcept nogil:
    """Bytes of memory that an item takes, its slot included, where lists become sets and bytes
    memoryviews. A set of more than 160 small numbers has some twice."""
    cdef uint64_t slots = 8
    if item.slots == 1:
        if item.size > 160:
            return 64
        if item.size >= 5:
            while slots <= 4 * item.size:
                slots *= 2
            return 208 + 16 * slots
        return 224
    if item.slots == 2:
        return 72 + (120 + 50 * item.size if item.size else 0)
    if 0xc4 <= byte <= 0xc6:
        return HEAVIEST_ITEM
    return 72 + item.size if item.size else 8


cdef Verdict walk(
    const uint8_t *at, const uint8_t *end, uint64_t most, int *found
) noexcept nogil:
    # Of the container that is read, and of those around it: how many slots are left, and of a dict
    # how many keys there were whose hash their sender knows.
    cdef uint64_t left = 1, known = 0, memory = 0, size = end - at
    cdef uint64_t[LEVELS] lefts, knowns
    cdef bint paired = False, key, weighed = size > LIGHT // HEAVIEST_ITEM
    cdef bint[LEVELS] paireds
    cdef int depth = 0
    cdef uint8_t byte
    cdef Item item
    cdef Verdict verdict
    while True:
        while left == 0:
            if depth == 0:
                if memory > HEAVIEST * size + LIGHT:
                    found[0] |= 8
                return FINE
            depth -= 1
            left = lefts[depth]
            known = knowns[depth]
            paired = paireds[depth]
        key = paired and not left & 1
        left -= 1
        if at == end:
            return SHORT
        byte = at[0]
        if byte <= 0x7f and not weighed:  # most items are small numbers and short texts
            at += 1
            if key:
                known += 1
                if known > FEW:
                    found[0] |= 1
            continue
        if 0xa0 <= byte <= 0xbf and not weighed:
            at += 1 + (byte & 0x1f)
            if at > end:
                return SHORT
            continue
        verdict = read(&at, end, &item)
        if verdict != FINE:
            return verdict
        if weighed:
            memory += weight(&item, byte)
        if key:
            if item.slots:
                return KEY
            if not item.keyed:
                known += 1
                if known > FEW:
                    found[0] |= 1
        if not item.slots:
            at += item.size
            continue
        if item.size > most:
            return MANY
        most -= item.size
        if depth == LEVELS:
            return DEEP
        if item.size > FEW * <uint64_t>item.slots:
            found[0] |= 4 if item.slots == 1 else 2
        lefts[depth] = left
        knowns[depth] = known
        paireds[depth] = paired
        depth += 1
        left = item.size
        paired = item.slots == 2
        known = 0


cdef int _check(bytes payload, uint64_t most) except -1:
    cdef const uint8_t *at = <const uint8_t *>PyBytes_AS_STRING(payload)
    cdef int found = 0
    cdef Verdict verdict = walk(at, at + PyBytes_GET_SIZE(payload), most, &found)
    if verdict == FINE:
        return found
    if verdict == DEEP:
        raise ValueError(f"it is nested more than {LEVELS} deep")
    if verdict == MANY:
        raise ValueError(f"it has more than {most:,} items")
    if verdict == SHORT:
        raise ValueError("it is cut short")
    if verdict == KEY:
        raise ValueError("a key of it is a list, a tuple or a dict: keys are numbers, texts or other scalars")
    raise ValueError("it has a byte that MessagePack does not know")


def check(bytes payload not None, uint64_t most):
    """Raise `ValueError` for what is nested more than 64 deep, has more than `most` items in all
    its containers together, has a container as a key, or is cut short.

    Return what else is to be looked at: KEYS, ENTRIES, ITEMS and HEAVY, together.

    >>> import msgspec
    >>> check(msgspec.msgpack.encode({"a": [1, 2]}), most=4)
    0
    >>> check(msgspec.msgpack.encode([1] * 1000), most=1000) == ITEMS
    True
    """
    return _check(payload, most)


cdef class Reader:
    """Decodes what passes `check`, and, where there is more to be looked at, `look` too.

    Here and not in Python for the sake of small messages."""

    cdef object decode
    cdef object look
    cdef uint64_t most

    def __init__(self, decode not None, look not None, uint64_t most):
        self.decode = decode
        self.look = look
        self.most = most

    def read(self, payload):
        """Decode a copy of the payload; `look` is called with it and with what `check` found."""
        cdef bytes copy = bytes(payload)
        cdef int found = _check(copy, self.most)
        if found:
            self.look(copy, found)
        return self.decode(copy)


cdef bytes _listed(uint64_t count, bytearray items):
    return b"\xdd" + (<object>count).to_bytes(4, "big") + bytes(items)


def keys(bytes payload not None, bint items):
    """List what could be crowded in a payload that passed `check`, what is within first:
    ``(whether these are keys of a dict, MessagePack of a list of them)``.

    The keys of dicts with many, and the `items` of lists of many, if they are asked for."""
    cdef const uint8_t *start = <const uint8_t *>PyBytes_AS_STRING(payload)
    cdef const uint8_t *at = start
    cdef const uint8_t *end = at + PyBytes_GET_SIZE(payload)
    cdef const uint8_t *before
    cdef uint64_t[LEVELS + 1] left, size
    cdef Py_ssize_t[LEVELS + 1] opened
    cdef bint[LEVELS + 1] paired
    cdef list gathered = [None] * (LEVELS + 1), result = []
    cdef bytearray those
    cdef int depth = 0
    cdef bint key
    cdef Item item
    left[0] = 1
    size[0] = 1
    paired[0] = False
    while True:
        while left[depth] == 0:
            if depth == 0:
                return result
            if size[depth] > FEW:
                if paired[depth]:
                    result.append((True, _listed(size[depth], <bytearray>gathered[depth])))
                    gathered[depth] = None
                elif items:
                    result.append((False, memoryview(payload)[opened[depth]:at - start]))
            depth -= 1
        key = paired[depth] and not left[depth] & 1
        left[depth] -= 1
        before = at
        if read(&at, end, &item) != FINE:
            raise ValueError("it did not pass check()")
        if not item.slots:
            at += item.size
            if key and size[depth] > FEW:
                those = <bytearray>gathered[depth]
                those += PyBytes_FromStringAndSize(<const char *>before, at - before)
            continue
        if depth == LEVELS:
            raise ValueError("it did not pass check()")
        depth += 1
        left[depth] = item.size
        size[depth] = item.size // item.slots
        paired[depth] = item.slots == 2
        opened[depth] = before - start
        if paired[depth] and size[depth] > FEW:
            gathered[depth] = bytearray()


def crowded(list values not None, bint a_set):
    """Say whether a dict, or `a_set`, of these takes far more time to build than of other values.

    Looks for the slot of each value as CPython does, in every size of table in which so many of
    the first of them can be, and gives up where that takes more looks than it ever does by
    accident: 16 in a row lead to slots that the value's own bits choose."""
    cdef Py_ssize_t count = PyList_GET_SIZE(values), i, entered
    cdef Py_ssize_t size = 64
    cdef Py_hash_t *hashes = NULL
    cdef int32_t *table = NULL
    cdef int larger = 0
    if count <= FEW:
        return False
    hashes = <Py_hash_t *>PyMem_Malloc(count * sizeof(Py_hash_t))
    if hashes == NULL:
        raise MemoryError
    try:
        for i in range(count):
            try:
                hashes[i] = PyObject_Hash(<object>PyList_GET_ITEM(values, i))
            except TypeError:  # it has none: building ends here
                count = i
                break
        # A table may be up to four times larger than needed: it has just grown.
        while larger < 3:
            entered = size // 5 * 3 if a_set else size // 3 * 2
            if entered >= count:
                entered = count
                larger += 1
            table = <int32_t *>PyMem_Malloc(size * sizeof(int32_t))
            if table == NULL:
                raise MemoryError
            memset(table, 0xff, size * sizeof(int32_t))
            if _overlong(values, hashes, entered, table, size - 1, 9 if a_set else 0):
                return True
            PyMem_Free(table)
            table = NULL
            size *= 2
        return False
    finally:
        PyMem_Free(table)
        PyMem_Free(hashes)


cdef bint _overlong(
    list values, const Py_hash_t *hashes, Py_ssize_t count, int32_t *table, size_t mask, int beside
) except -1:
    """Enter so many values; `beside` is how many slots beside each a set tries too."""
    cdef uint64_t looks = (16 * (1 + beside) + 16) * <uint64_t>count
    cdef size_t perturb, first, slot, last
    cdef int32_t other
    cdef Py_ssize_t i
    cdef bint found
    for i in range(count):
        perturb = <size_t>hashes[i]
        first = perturb & mask
        found = False
        while not found:
            last = first + beside if first + beside <= mask else first
            for slot in range(first, last + 1):
                other = table[slot]
                if other < 0:
                    table[slot] = <int32_t>i
                    found = True
                    break
                if looks == 0:
                    return True
                looks -= 1
                if hashes[other] == hashes[i] and PyObject_RichCompareBool(
                    <object>PyList_GET_ITEM(values, other),
                    <object>PyList_GET_ITEM(values, i),
                    Py_EQ,
                ):
                    found = True
                    break
            perturb >>= 5
            first = (first * 5 + perturb + 1) & mask
    return False
