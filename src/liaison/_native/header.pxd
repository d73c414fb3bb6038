"""The header of a frame: 16 bytes, little endian, in front of the payload::

    0        payload's size in bytes (7 bytes)
    7        kind: the message's format (liaison.codec.Format), or BYE
    8        how many messages the frame's sender has received so far (8 bytes)
    16       payload

The count rides on what is sent anyhow, so that an end whose connection breaks can say how many of
its messages certainly arrived.
"""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef extern from "<endian.h>" nogil:
    uint64_t htole64(uint64_t)
    uint64_t le64toh(uint64_t)

cdef enum:
    HEAD = 16
    KIND = 56  # the bit at which it begins
    LAST_FORMAT = 0x7F  # formats above are the protocol's own
    BYE = 0xFF


cdef inline uint64_t word_at(const char *place) noexcept:
    cdef uint64_t word
    memcpy(&word, place, 8)
    return le64toh(word)


cdef inline void put_word(char *place, uint64_t word) noexcept:
    word = htole64(word)
    memcpy(place, &word, 8)


cdef inline uint64_t size_in(uint64_t word) noexcept:
    return word & ((<uint64_t>1 << KIND) - 1)


cdef inline int kind_in(uint64_t word) noexcept:
    return word >> KIND


cdef inline void put_header(char *place, uint64_t size, uint64_t kind, uint64_t received) noexcept:
    put_word(place, size | kind << KIND)
    put_word(place + 8, received)
