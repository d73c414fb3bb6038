"""What an end does to receive; receiver.pyx says what it all means."""
from libc.stdint cimport int64_t

from liaison._native.arrivals cimport Arrivals
from liaison._native.sender cimport Sender


cdef class Receiver(Sender):
    cdef Arrivals arrivals
    cdef object greeting  # a handshake that waits only for the other end's hello
    cdef Py_ssize_t hello  # its bytes
    cdef bint bytes_only  # RAW messages arrive as bytes: no need to ask the coder
    cdef str lost  # why nothing can come any more
    cdef object unreported  # the error that showed it, until a receive has raised it
    cdef list kept  # messages that an interrupted receive_many had taken, the first last

    cdef object empty(self)
    cdef bint seek(self, int64_t end) except -1
    cdef bint find(self, int64_t end) except -1
    cdef object take(self, bint readable=*)
    cdef int consume(self) except -1
    cdef int greet(self) except -1
    cdef bint waiting(self) noexcept
    cdef bint fill(self, int64_t end) except -1
    cdef Py_ssize_t get(self, char *target, Py_ssize_t room, bint whole, int64_t end) except -2
    cdef Py_ssize_t get_sealed(self, char *target, Py_ssize_t room, int64_t end) except -2
    cdef bint wait_to_receive(self, int64_t end) except -1
    cdef int lose(self, str why) except -1
    cdef object refused(self, error)
    cdef int give_up(self, str why) except -1
    cdef int look_for_the_end(self) except -1
    cdef object ended(self)
