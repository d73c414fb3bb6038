"""What ends, and what they hand out, share of the handle; handle.pyx says what it all means."""
from libc.stdint cimport uint64_t

from liaison._native.carrier cimport CarrierEnd
from liaison._native.engine cimport *
from liaison._native.space cimport SpaceHandle

cdef class Handle(CarrierEnd):
    cdef liaison_mailbox *box
    cdef SpaceHandle space
    cdef readonly str address
    cdef bint is_closed
    cdef Py_ssize_t users
    cdef unsigned forks  # how often processes had forked, from the first to this one, when counted
    cdef Py_ssize_t pins  # of this process
    cdef void *held  # Held, the first of those not yet settled; borrowed

    cdef void enter(self) noexcept
    cdef void exit(self) noexcept
    cdef void recount(self) noexcept
    cdef unsigned pin(self) noexcept
    cdef void unpin(self, unsigned pinned) noexcept
    cdef int check(self) except -1
    cdef int require_memory(self) except -1
    cdef void leave(self) noexcept
    cdef int shut(self) except -1

cdef class Held:
    cdef Handle end
    cdef void *previous  # neighbours in the end's list; borrowed
    cdef void *next
    cdef uint64_t epoch
    cdef unsigned pinned
    cdef bint settled
    cdef Py_ssize_t exports
    cdef object window  # a weak reference to the memoryview handed out by `view`

    cdef int begin(self, Handle end, uint64_t epoch) except -1
    cdef int settle(self) except -1
    cdef int unpin(self) except -1
    cdef int withdraw(self) except -1
    cdef void abandon(self) noexcept
    cdef void give_up(self) noexcept
    cdef object open_window(self)
