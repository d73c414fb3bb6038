"""What other compiled modules may do with a set of descriptors; poll.pyx says what it all means."""
from libc.stdint cimport uint32_t

from liaison._native.descriptor cimport Descriptor

cdef class Poll:
    cdef Descriptor bell
    cdef int epoll, timer, mark

    cpdef bint stands(self) noexcept
    cdef int check(self) except -1
    cdef int control(self, int operation, int number, uint32_t events) noexcept
    cpdef register(self, int number, uint32_t events)
    cpdef modify(self, int number, uint32_t events)
    cpdef unregister(self, int number)
    cpdef ring(self)
    cpdef silence(self)
    cpdef close(self)
