# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""TLS between frames and their socket, when it is established."""

cimport cython
from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.errno cimport ECONNRESET

from liaison._native.thread cimport *

import ssl


@cython.final
cdef class Cipher:
    """A TLS session that was established, between the frames and the socket.

    It works in memory (`ssl.MemoryBIO`), so that a thread may send while another receives, which
    OpenSSL itself forbids. Python's `ssl` looks for signals after it has worked and then loses how
    much it did; such a session is of no use any more (`torn`). So those that are there are looked
    for before, and none comes to this thread meanwhile.
    """

    def __cinit__(self, session, incoming, outgoing):
        self.session = getattr(session, "_sslobj", session)  # no Python code in between
        self.incoming = incoming
        self.outgoing = outgoing
        self.lock = PyThread_allocate_lock()
        if self.lock == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.lock != NULL:
            PyThread_free_lock(self.lock)

    cdef int begin(self) except -1:
        cdef sigset_t every, mask
        sigfillset(&every)
        pthread_sigmask(SIG_SETMASK, &every, &mask)
        try:
            PyErr_CheckSignals()
        except BaseException:
            pthread_sigmask(SIG_SETMASK, &mask, NULL)
            raise
        with nogil:
            PyThread_acquire_lock_timed(self.lock, -1, 0)
        self.mask = mask
        if self.torn:
            self.done()
            raise ConnectionResetError(ECONNRESET, "an interruption broke the TLS session off")
        self.torn = True
        return 0

    cdef void done(self) noexcept:
        cdef sigset_t mask = self.mask
        PyThread_release_lock(self.lock)
        pthread_sigmask(SIG_SETMASK, &mask, NULL)

    cdef bytes encrypt(self, const char *data, Py_ssize_t size):
        """The bytes for the socket, with whatever else TLS has to say."""
        cdef Py_ssize_t at = 0
        self.begin()
        view = PyMemoryView_FromMemory(<char *>data, size, PyBUF_READ)
        try:
            while at < size:
                at += self.session.write(view[at:])
            self.torn = False
            return self.outgoing.read()
        finally:
            view.release()
            self.done()

    cdef Py_ssize_t decrypt(self, char *target, Py_ssize_t size) except -2:
        """Bytes that were decrypted; 0 at the end, -1 when more has to come first."""
        cdef Py_ssize_t count
        self.begin()
        view = PyMemoryView_FromMemory(target, size, PyBUF_WRITE)
        try:
            try:
                count = self.session.read(size, view)
            except ssl.SSLWantReadError:
                count = -1
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                count = 0
            except ssl.SSLError as error:
                raise ConnectionResetError(
                    ECONNRESET, f"what came over TLS is damaged: {error}") from error
            self.torn = False
            return count
        finally:
            view.release()
            self.done()
