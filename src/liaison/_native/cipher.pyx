# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""What protects frames on their way through the socket: its interface, and TLS.

The other protection is in records.pyx.
"""

cimport cython
from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.errno cimport ECONNRESET
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from liaison._native.thread cimport *

import ssl

from liaison.errors import Corrupt

cdef enum:
    WINDOW = 1 << 16  # bytes received from the socket at once


cdef class Seal:
    """What stands between the frames and the socket.

    `wrap` and `unwrap` are called by one thread each, at the same time perhaps. No signal's handler
    runs in between, so that what was wrapped is also sent.
    """

    cdef bytes wrap(self, const char *head, Py_ssize_t h, const char *data, Py_ssize_t n):
        """The bytes for the socket, behind the first `skip`, that carry the two pieces."""
        raise NotImplementedError

    cdef Py_ssize_t unwrap(self, char *target, Py_ssize_t size) except -2:
        """Bytes that were verified; 0 at the end, -1 when more has to come first.

        Raises `Corrupt`, from then on each time.
        """
        raise NotImplementedError

    cdef char *room(self, Py_ssize_t *size) except NULL:
        """Where bytes of the socket are to be put, and how many, before `unwrap` is called again.

        Only after `unwrap` gave -1.
        """
        raise NotImplementedError

    cdef int came(self, Py_ssize_t count) except -1:
        """Take the bytes that were put there; none is the end."""
        raise NotImplementedError

    cdef bint more(self) except -1:
        """Whether `unwrap` may give something without the socket. Says no once it gave -1."""
        raise NotImplementedError


@cython.final
cdef class Cipher(Seal):
    """A TLS session that was established.

    It works in memory (`ssl.MemoryBIO`), so that a thread may send while another receives, which
    OpenSSL itself forbids. Python's `ssl` handles signals after it has worked, and if a handler
    raises it loses how much it did; such a session is of no use any more (`torn`). So pending
    signals are handled before, and this thread blocks all signals meanwhile.
    """

    def __cinit__(self, session, incoming, outgoing):
        self.session = getattr(session, "_sslobj", session)  # no Python code in between
        self.incoming = incoming
        self.outgoing = outgoing
        self.secret = True
        self.raw = <char *>malloc(WINDOW)
        self.lock = PyThread_allocate_lock()
        if self.lock == NULL or self.raw == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.raw)
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

    cdef bytes wrap(self, const char *head, Py_ssize_t h, const char *data, Py_ssize_t n):
        # Together: each call makes a record of its own, which costs more than copying does.
        cdef Py_ssize_t size = h + n, at = 0
        cdef bytes joined
        if h:
            joined = PyBytes_FromStringAndSize(NULL, size)
            memcpy(PyBytes_AS_STRING(joined), head, h)
            memcpy(PyBytes_AS_STRING(joined) + h, data, n)
            data = PyBytes_AS_STRING(joined)
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

    cdef Py_ssize_t unwrap(self, char *target, Py_ssize_t size) except -2:
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
                self.torn = False
                if "ALERT" in (error.reason or ""):
                    raise ConnectionResetError(
                        ECONNRESET, f"it broke the TLS session off: {error}") from error
                raise Corrupt(f"what came over TLS is damaged: {error}") from error
            self.torn = False
            self.drained = count < 0
            self.filled = count == size
            return count
        finally:
            view.release()
            self.done()

    cdef char *room(self, Py_ssize_t *size) except NULL:
        size[0] = WINDOW
        return self.raw

    cdef int came(self, Py_ssize_t count) except -1:
        if count:
            self.incoming.write(PyMemoryView_FromMemory(self.raw, count, PyBUF_READ))
        else:
            self.incoming.write_eof()
        self.drained = False
        return 0

    cdef bint more(self) except -1:
        # What OpenSSL itself holds is not asked for: another thread may be sending just now.
        return not self.drained and (self.filled or self.incoming.pending > 0)
