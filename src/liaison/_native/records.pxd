"""What frames do with records; records.pyx says what they are."""
from libc.stdint cimport uint64_t

from liaison._native.cipher cimport Seal


cdef class Records(Seal):
    cdef object ours, theirs  # keyed hashes of nothing, to be copied
    cdef uint64_t wrapped, unwrapped  # records so far, each way
    cdef char *window  # what came of the socket, window[start:end]
    cdef Py_ssize_t start, end
    cdef Py_ssize_t at, left  # of the record that was proven last: the bytes not yet taken
    cdef bint over, broken
    cdef Py_ssize_t length(self) noexcept
    cdef int prove(self, char *record, Py_ssize_t length) except -1
    cdef object forged(self)
