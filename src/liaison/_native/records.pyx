# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""Records: what proves, where there is no TLS, that bytes come from the other end, all in order.

::

    0             length of the bytes, 1 to 65,536 (4 bytes, little endian)
    4             the bytes: frames, cut anywhere
    4 + length    tag (16 bytes)

The tag is a keyed BLAKE2b hash over the record's number (8 bytes, from 0), its length and its
bytes. The number is not sent, both ends count; each direction has a key of its own, which the
handshake makes of the token and of both ends' nonces. So a record that is changed, made up, left
out, repeated, moved, or sent back to its sender, or that comes from another connection, has a wrong
tag, and after it nothing more is accepted. Nothing is secret: this is not encryption.

BLAKE2b rather than HMAC-SHA256: for the 100 bytes of a small message's record it takes a quarter of
the time; for large records half of SHA-256's speed where the processor computes that itself, and
twice its speed where it does not. Both are in `hashlib` everywhere.

A record is hashed in one piece, its number in front of it: in the place of the tag before it, which
was checked by then, or is not yet made.
"""

cimport cython
from cpython.buffer cimport PyBUF_READ
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove

from hashlib import blake2b

from liaison.errors import Corrupt

cdef extern from "<endian.h>" nogil:
    uint32_t htole32(uint32_t)
    uint32_t le32toh(uint32_t)
    uint64_t htole64(uint64_t)

cdef enum:
    NUMBER = 8
    LENGTH = 4
    TAG = 16
    MOST = 1 << 16
    RECORD = LENGTH + MOST + TAG
    WINDOW = NUMBER + 2 * RECORD


cdef bytes tag_of(key, char *record, Py_ssize_t length, uint64_t number):
    """The tag of a record that has NUMBER bytes of room in front of it."""
    cdef uint64_t word = htole64(number)
    memcpy(record - NUMBER, &word, NUMBER)
    hashed = key.copy()
    hashed.update(
        PyMemoryView_FromMemory(record - NUMBER, NUMBER + LENGTH + length, PyBUF_READ))
    return hashed.digest()


@cython.final
cdef class Records(Seal):
    """The records of one connection, both ways, by a key of 32 bytes for each."""

    def __cinit__(self, bytes ours not None, bytes theirs not None):
        self.ours = blake2b(key=ours, digest_size=TAG)
        self.theirs = blake2b(key=theirs, digest_size=TAG)
        self.skip = NUMBER
        self.window = <char *>malloc(WINDOW)
        if self.window == NULL:
            raise MemoryError
        self.start = self.end = NUMBER

    def __dealloc__(self):
        free(self.window)

    cdef bytes wrap(self, const char *head, Py_ssize_t h, const char *data, Py_ssize_t n):
        cdef Py_ssize_t size = h + n
        cdef Py_ssize_t many = (size + MOST - 1) // MOST
        cdef bytes made = PyBytes_FromStringAndSize(NULL, NUMBER + size + many * (LENGTH + TAG))
        cdef char *at = PyBytes_AS_STRING(made) + NUMBER
        cdef Py_ssize_t left = size, length, piece, i
        cdef uint32_t word
        cdef bytes tag
        while left:
            length = min(left, MOST)
            word = htole32(<uint32_t>length)
            memcpy(at, &word, LENGTH)
            at += LENGTH
            piece = min(h, length)
            if piece:
                memcpy(at, head, piece)
                head += piece
                h -= piece
            memcpy(at + piece, data, length - piece)
            data += length - piece
            at += length + TAG
            left -= length
        # From the last to the first: a record's number stands where the tag before it will be.
        for i in range(many - 1, -1, -1):
            length = size - i * MOST if i == many - 1 else MOST
            at -= LENGTH + length + TAG
            tag = tag_of(self.ours, at, length, self.wrapped + i)
            memcpy(at + LENGTH + length, PyBytes_AS_STRING(tag), TAG)
        self.wrapped += many
        return made

    cdef Py_ssize_t unwrap(self, char *target, Py_ssize_t size) except -2:
        cdef Py_ssize_t length, count
        if not self.left:
            if not self.more():
                return 0 if self.over else -1
            if self.broken:
                raise self.forged()
            length = self.length()
            self.prove(self.window + self.start, length)
            self.at = self.start + LENGTH
            self.left = length
            self.start += LENGTH + length + TAG
        count = min(size, self.left)
        memcpy(target, self.window + self.at, count)
        self.at += count
        self.left -= count
        return count

    cdef bint more(self) except -1:
        cdef Py_ssize_t here = self.end - self.start
        if self.left or self.broken:
            return True
        if here < LENGTH:
            return False
        if not 0 < self.length() <= MOST:
            self.broken = True
            return True
        return here >= LENGTH + self.length() + TAG

    cdef Py_ssize_t length(self) noexcept:
        """Of the record that comes next, as it says."""
        cdef uint32_t word
        memcpy(&word, self.window + self.start, LENGTH)
        return le32toh(word)

    cdef int prove(self, char *record, Py_ssize_t length) except -1:
        cdef bytes tag = tag_of(self.theirs, record, length, self.unwrapped)
        cdef const char *right = PyBytes_AS_STRING(tag)
        cdef const char *said = record + LENGTH + length
        cdef int i, difference = 0
        for i in range(TAG):  # all of them, so that the time reveals nothing
            difference |= right[i] ^ said[i]
        if difference:
            self.broken = True
            raise self.forged()
        self.unwrapped += 1
        return 0

    cdef object forged(self):
        return Corrupt(
            f"record {self.unwrapped} is not what the other end sent: somebody between both ends "
            "changes, repeats or leaves out what passes")

    cdef char *room(self, Py_ssize_t *size) except NULL:
        if self.start == self.end:
            self.start = self.end = NUMBER
        elif WINDOW - self.start < RECORD:
            memmove(self.window + NUMBER, self.window + self.start, self.end - self.start)
            self.end -= self.start - NUMBER
            self.start = NUMBER
        size[0] = WINDOW - self.end
        return self.window + self.end

    cdef int came(self, Py_ssize_t count) except -1:
        self.end += count
        self.over = not count
        return 0

    def _wrap(self, bytes data not None):
        """The records that carry these bytes; for tests."""
        return self.wrap(NULL, 0, PyBytes_AS_STRING(data), len(data))[NUMBER:]
