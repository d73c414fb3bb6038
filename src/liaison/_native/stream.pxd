"""What senders and receivers do with the socket that they share; stream.pyx says what it all means.
"""
from libc.stdint cimport int64_t

from liaison._native.carrier cimport CarrierEnd
from liaison._native.descriptor cimport Descriptor
from liaison._native.poll cimport Poll
from liaison._native.thread cimport PyThread_type_lock

cdef enum:
    FOREVER = -1  # instead of when an operation ends; 0 is over already


cdef struct Turn:
    PyThread_type_lock lock
    unsigned long owner


cdef class Stream(CarrierEnd):
    cdef readonly object transport  # keeps the descriptor open
    cdef Descriptor descriptor
    cdef int fd, mark
    cdef str name
    cdef bint is_closed
    cdef unsigned long closer  # the thread that sends BYE
    cdef unsigned long epoch
    cdef Py_ssize_t users
    cdef Turn sending, receiving
    cdef Poll watch
    cdef bint ringing
    cdef bint for_room  # whether the descriptor is readable also for room to send

    cdef int hold(self, str name, connection) except -1
    cdef bint take_turn(self, Turn *turn, int64_t end) except -1
    cdef int leave_turn(self, Turn *turn) except -1
    cdef int check(self) except -1
    cdef int own(self) except -1
    cdef int look_closer(self) except -1
    cdef int lose_number(self) except -1
    cdef int disown(self) except -1
    cdef int leave(self) except -1
    cdef bint gone(self, problem) except -1
    cdef bint mine(self) except -1
    cdef int after_fork(self) except -1
    cdef int free_turn(self, Turn *turn, unsigned long me) except -1
    cdef int64_t end_of(self, timeout) except? -1
    cdef int wait(self, short events, int64_t end) except -1
    cdef bint has_more(self) except -1
    cdef bint has_rest(self) except -1
    cdef int ring(self) except -1
    cdef int look_for_room(self) except -1
    cdef int unwatch(self) except -1
