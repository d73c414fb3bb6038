"""What other compiled modules wait by; waiting.pyx says what it all means."""
from libc.stdint cimport int64_t

from liaison._native.engine cimport *

cdef enum:
    POLL = 1500  # ns, before the lock of the interpreter is given up

cdef int propagate() except -1
cdef boolean interrupted(void *context) noexcept with gil
cdef int64_t limit_of(object timeout) except -2

cdef inline int64_t wait_of(object timeout, liaison_wait *wait) except -2:
    wait.timeout = -1 if timeout is None else limit_of(timeout)
    wait.interrupted = interrupted
    wait.context = NULL
    return wait.timeout
