"""What frames do with a TLS session; cipher.pyx says what it all means."""
from liaison._native.thread cimport PyThread_type_lock

cdef extern from "<signal.h>" nogil:
    ctypedef struct sigset_t:
        pass
    int sigfillset(sigset_t *)
    int pthread_sigmask(int, const sigset_t *, sigset_t *)
    int SIG_SETMASK


cdef class Cipher:
    cdef object session, incoming, outgoing
    cdef PyThread_type_lock lock
    cdef sigset_t mask
    cdef bint torn
    cdef int begin(self) except -1
    cdef void done(self) noexcept
    cdef bytes encrypt(self, const char *data, Py_ssize_t size)
    cdef Py_ssize_t decrypt(self, char *target, Py_ssize_t size) except -2
