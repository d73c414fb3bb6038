# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""How long an operation waits, and what a signal that comes meanwhile does.

A signal's handler that raises ends the wait: the engine returns INTERRUPTED, and the exception
stays set until `propagate` passes it on.
"""

from libc.stdint cimport int64_t

from liaison._native.engine cimport *

from liaison.deadline import nanoseconds

cdef extern from "Python.h":
    int PyErr_CheckSignals() noexcept


cdef boolean interrupted(void *context) noexcept with gil:
    return PyErr_CheckSignals() < 0


# Also while much memory is reserved; that then returns INTERRUPTED.
liaison_heed(interrupted, NULL)


cdef int propagate() except -1:
    return -1


cdef int64_t limit_of(object timeout) except -2:
    return nanoseconds(timeout)
