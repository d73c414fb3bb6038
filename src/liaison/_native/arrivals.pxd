"""What a receiver does with what has arrived; arrivals.pyx says what it all means."""
from libc.stdint cimport uint64_t

cdef enum:
    WINDOW = 1 << 16  # bytes that are received at once at most

cdef enum Found:
    NOTHING, MESSAGE, LAST_FRAME, NO_FRAME


cdef class Arrivals:
    cdef uint64_t most  # bytes of a message that is taken
    cdef char *window
    cdef Py_ssize_t start, end  # of the bytes in it that were not taken
    cdef bint expecting_large
    cdef object large  # the payload of a large message: bytes, or a bytearray for an array
    cdef char *large_at
    cdef uint64_t large_size, large_room, large_here, large_count
    cdef uint64_t forgone  # bytes of a large message that there was no memory for
    cdef int kind  # of the frame that `next` found
    cdef uint64_t size
    cdef uint64_t seen  # the other end's count of what it has received

    cdef int put(self, bytes data) except -1
    cdef char *place(self, Py_ssize_t *room) except NULL
    cdef void came(self, Py_ssize_t count) noexcept
    cdef int grow(self) except -1
    cdef Py_ssize_t here(self) noexcept
    cdef bytes first(self, Py_ssize_t count)
    cdef int next(self) except -1
    cdef object fault(self)
    cdef object payload(self)
    cdef void consume(self) noexcept
    cdef bint ready(self) noexcept
    cdef uint64_t highest(self, Py_ssize_t skip) noexcept
    cdef str cut(self)
