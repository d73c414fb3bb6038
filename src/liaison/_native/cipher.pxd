"""What frames do with what protects them on their way; cipher.pyx says what it all means."""
from liaison._native.thread cimport PyThread_type_lock

cdef extern from "<signal.h>" nogil:
    ctypedef struct sigset_t:
        pass
    int sigfillset(sigset_t *)
    int pthread_sigmask(int, const sigset_t *, sigset_t *)
    int SIG_SETMASK


cdef class Seal:
    cdef readonly bint secret  # whether nobody on the way can read it
    cdef Py_ssize_t skip  # bytes in front of what `wrap` gives that are not for the socket
    cdef bytes wrap(self, const char *head, Py_ssize_t h, const char *data, Py_ssize_t n)
    cdef Py_ssize_t unwrap(self, char *target, Py_ssize_t size) except -2
    cdef char *room(self, Py_ssize_t *size) except NULL
    cdef int came(self, Py_ssize_t count) except -1
    cdef bint more(self) except -1


cdef class Cipher(Seal):
    cdef object session, incoming, outgoing
    cdef char *raw
    cdef PyThread_type_lock lock
    cdef sigset_t mask
    cdef bint torn
    cdef bint drained, filled  # by the last `unwrap`: all that came, its target
    cdef int begin(self) except -1
    cdef void done(self) noexcept
