"""What gives a sender its receipt; receipt.pyx says what it all means."""
from liaison._native.end cimport End
from liaison._native.engine cimport *

cdef class Receipt:
    cdef End end
    cdef liaison_receipt receipt
    cdef unsigned pinned

    cdef int begin(self, End end, const liaison_receipt *receipt) except -1
    cdef object look(self, int *state)
    cdef object late(self, int state)
    cdef object wait_for(self, int state, timeout)
