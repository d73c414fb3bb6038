# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""Sending frames over a stream, and keeping the rest of a frame that was not sent in time.

A message of which a part has been sent cannot be taken back. When a timeout passes, or Ctrl-C
comes, in the middle of one, the rest is kept, and the next operation here sends it: the message
counts as sent. `Full` always means that nothing of the message was sent.
"""

from cpython.buffer cimport (
    PyBUF_CONTIG_RO, Py_buffer, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from liaison._native.header cimport BYE, HEAD, put_header
from liaison._native.stream cimport Stream
from liaison._native.thread cimport PyErr_CheckSignals, PyThread_get_thread_ident

import os

from liaison.errors import Closed, Full, TooLarge

cdef extern from "<sys/socket.h>" nogil:
    struct msghdr:
        iovec *msg_iov
        size_t msg_iovlen
    ssize_t send(int, const void *, size_t, int)
    ssize_t sendmsg(int, const msghdr *, int)
    int MSG_DONTWAIT, MSG_NOSIGNAL

cdef extern from "<poll.h>" nogil:
    short POLLOUT

cdef enum:
    JOINED = 1 << 14  # bytes up to which copying costs less than naming several buffers
    PIECE = 1 << 18  # bytes sealed at once


cdef class Sender(Stream):
    """The end of a stream that sends frames."""

    def __cinit__(self):
        self.scratch = <char *>malloc(JOINED)
        if self.scratch == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.scratch)

    cdef object send_object(self, object message, object timeout, bint receipt):
        if receipt:
            raise TypeError(
                "a connection has no receipts: let the other end answer, see confirmed, or use a "
                "mailbox")
        if not self.send_message(message, self.end_of(timeout)):
            raise self.full()

    cdef bint try_send_object(self, object message) except -1:
        return self.send_message(message, 0)

    cdef Py_ssize_t send_objects(self, object messages, object timeout) except -1:
        cdef int64_t end = self.end_of(timeout)
        cdef Py_ssize_t count = 0
        for message in messages:
            if not self.send_message(message, end):
                if not count:
                    raise self.full()
                break
            count += 1
        return count

    def send(self, message, *, timeout=None, receipt=False):
        """Send one message; see `liaison.Connection`, as for all that is said here."""
        self.send_object(message, timeout, receipt)

    def try_send(self, message):
        """Send one message if that needs no waiting; return whether it was sent."""
        return self.try_send_object(message)

    def send_many(self, messages, *, timeout=None):
        """Send messages in their order; return how many were sent within `timeout` seconds."""
        return self.send_objects(messages, timeout)

    @property
    def pending(self):
        """Bytes of a message that `send` took, and that wait for the other end to read."""
        cdef Py_ssize_t count = 0
        if self.wire is not None:
            count = PyBytes_GET_SIZE(self.wire) - self.wire_done
        if self.plain is not None:
            count += PyBytes_GET_SIZE(self.plain) - self.plain_done
        return count

    @property
    def sent(self):
        """How many messages were handed over to the system as a whole."""
        return self.sent_

    def flush(self, *, timeout=None):
        """Send what is `pending`."""
        cdef int64_t end = self.end_of(timeout)
        if not self.take_turn(&self.sending, end):
            raise self.full()
        try:
            if not self.clear_the_way(end):
                raise self.full()
        finally:
            self.leave_turn(&self.sending)

    # ---- a frame

    cdef object full(self):
        return Full(f"{self.name} had no room in time: its other end reads slowly, or another "
                    "thread was sending; wait longer with timeout=")

    cdef bint send_message(self, message, int64_t end) except -1:
        """Whether it was sent in time."""
        cdef Py_buffer view
        cdef bytes head
        if type(message) is bytes:
            return self.send_frame(0, NULL, 0, PyBytes_AS_STRING(message),
                                   PyBytes_GET_SIZE(message), end)
        self.check()
        format, head, body = self.coder.encode(message)
        PyObject_GetBuffer(body, &view, PyBUF_CONTIG_RO)
        try:
            return self.send_frame(format, PyBytes_AS_STRING(head), PyBytes_GET_SIZE(head),
                                   <char *>view.buf, view.len, end)
        finally:
            PyBuffer_Release(&view)

    cdef bint send_frame(self, uint64_t kind, const char *head, Py_ssize_t h, const char *body,
                         Py_ssize_t n, int64_t end) except -1:
        cdef uint64_t size = h + n
        if size > self.largest:
            self.check()
            raise TooLarge(
                f"the message has {size} bytes, and the other end of {self.name} takes "
                f"{self.largest}: split it, or let that end have a larger max_message=")
        if not self.take_turn(&self.sending, end):
            return False
        try:
            if (self.is_closed or self.finished or self.failure is not None
                    or self.wire is not None or self.plain is not None):
                if not self.clear_the_way(end):
                    return False
            return self.send_now(kind, head, h, body, n, end)
        finally:
            self.leave_turn(&self.sending)

    cdef bint clear_the_way(self, int64_t end) except -1:
        """Send what is left of the last frame, or raise why nothing can be sent."""
        self.check()
        if self.finished and self.failure is None:
            self.failure = "its other end was closed"
        if self.failure is not None:
            raise self.disconnected()
        return self.push(end)

    cdef bint send_now(self, uint64_t kind, const char *head, Py_ssize_t h, const char *body,
                       Py_ssize_t n, int64_t end) except -1:
        """Sends a frame: False when nothing of it could be sent in time."""
        cdef iovec pieces[3]
        cdef char header[HEAD]
        cdef Py_ssize_t total = HEAD + h + n
        cdef ssize_t count
        cdef char *joined = self.scratch
        if self.seal is not None:
            return self.send_sealed(kind, head, h, body, n, end)
        if total <= JOINED:
            put_header(joined, h + n, kind, self.received_)
            if h:
                memcpy(joined + HEAD, head, h)
            memcpy(joined + HEAD + h, body, n)
            self.own()
            # With the interpreter's lock held: it never waits, and costs less than giving it up.
            count = send(self.fd, joined, total, MSG_NOSIGNAL | MSG_DONTWAIT)
            if count == total:
                self.sent_ += 1
                return True
            if count < 0:
                if errno != EAGAIN and errno != EINTR:
                    self.fail(errno)
                count = 0
            pieces[0].iov_base = joined + count
            pieces[0].iov_len = total - count
            return self.send_pieces(pieces, 1, total - count, count > 0, end)
        put_header(header, h + n, kind, self.received_)
        pieces[0].iov_base = header
        pieces[0].iov_len = HEAD
        pieces[1].iov_base = <void *>head
        pieces[1].iov_len = h
        pieces[2].iov_base = <void *>body
        pieces[2].iov_len = n
        return self.send_pieces(pieces, 3, total, False, end)

    cdef bint send_pieces(self, iovec *pieces, int many, Py_ssize_t left, bint begun,
                          int64_t end) except -1:
        cdef msghdr m
        cdef ssize_t count
        cdef int problem
        cdef int flags = MSG_NOSIGNAL if end < 0 else MSG_NOSIGNAL | MSG_DONTWAIT
        try:
            while left:
                m = msghdr(msg_iov=pieces, msg_iovlen=many)
                self.own()
                with nogil:
                    count = sendmsg(self.fd, &m, flags)
                    problem = errno
                if count > 0:
                    begun = True
                    left -= count
                    while many and <size_t>count >= pieces[0].iov_len:
                        count -= pieces[0].iov_len
                        pieces += 1
                        many -= 1
                    if left:
                        pieces[0].iov_base = <char *>pieces[0].iov_base + count
                        pieces[0].iov_len -= count
                elif problem == EAGAIN:
                    if not self.wait(POLLOUT, end):
                        break
                elif problem != EINTR:
                    self.fail(problem)
                if left:
                    PyErr_CheckSignals()
                    self.check()
        except BaseException:
            if begun and left:
                self.keep(pieces, many, left)
            raise
        if not left:
            self.sent_ += 1
            return True
        if begun:
            self.keep(pieces, many, left)
        return begun

    cdef int keep(self, iovec *pieces, int many, Py_ssize_t left) except -1:
        """Copies what is left of a frame: its buffers are the caller's, who goes on now."""
        cdef bytes rest = PyBytes_FromStringAndSize(NULL, left)
        cdef char *to = PyBytes_AS_STRING(rest)
        cdef int i
        for i in range(many):
            memcpy(to, pieces[i].iov_base, pieces[i].iov_len)
            to += pieces[i].iov_len
        self.wire = rest
        self.wire_done = 0
        return 0

    cdef bint send_sealed(self, uint64_t kind, const char *head, Py_ssize_t h, const char *body,
                          Py_ssize_t n, int64_t end) except -1:
        """The same by the seal. What is sealed has begun."""
        cdef char *first = self.scratch
        cdef bytes longer
        cdef Py_ssize_t at, more
        if HEAD + h > JOINED:
            longer = PyBytes_FromStringAndSize(NULL, HEAD + h)
            first = PyBytes_AS_STRING(longer)
        put_header(first, h + n, kind, self.received_)
        if h:
            memcpy(first + HEAD, head, h)
        at = min(n, max(0, PIECE - HEAD - h))
        self.wrap(first, HEAD + h, body, at)
        try:
            while at < n:
                if not self.push_wire(end):
                    break
                more = min(n - at, PIECE)
                self.wrap(NULL, 0, body + at, more)
                at += more
        finally:
            if at < n:
                self.plain = PyBytes_FromStringAndSize(body + at, n - at)
                self.plain_done = 0
        self.push(end)
        return True

    cdef int wrap(self, const char *head, Py_ssize_t h, const char *data, Py_ssize_t n) except -1:
        """What goes to the socket next, sealed."""
        try:
            self.wire = self.seal.wrap(head, h, data, n)
        except ConnectionResetError as error:
            if self.failure is None:
                self.failure = error.strerror
            raise self.disconnected() from error
        self.wire_done = self.seal.skip
        return 0

    # ---- what is left of one

    cdef bint push(self, int64_t end) except -1:
        """Sends the frame that was begun; whether all of it has gone before `end`."""
        cdef Py_ssize_t more
        while self.wire is not None or self.plain is not None:
            if not self.push_wire(end):
                return False
            if self.plain is None:
                self.sent_ += 1
                break
            more = min(PyBytes_GET_SIZE(self.plain) - self.plain_done, PIECE)
            self.wrap(NULL, 0, PyBytes_AS_STRING(self.plain) + self.plain_done, more)
            self.plain_done += more
            if self.plain_done == PyBytes_GET_SIZE(self.plain):
                self.plain = None
        return True

    cdef bint push_wire(self, int64_t end) except -1:
        cdef int flags = MSG_NOSIGNAL if end < 0 else MSG_NOSIGNAL | MSG_DONTWAIT
        cdef ssize_t count
        cdef int problem
        cdef const char *at
        cdef Py_ssize_t left
        while self.wire is not None:
            at = PyBytes_AS_STRING(self.wire) + self.wire_done
            left = PyBytes_GET_SIZE(self.wire) - self.wire_done
            if left:
                self.own()
                with nogil:
                    count = send(self.fd, at, left, flags)
                    problem = errno
                if count < 0:
                    if problem == EAGAIN:
                        if not self.wait(POLLOUT, end):
                            return False
                    elif problem != EINTR:
                        self.fail(problem)
                    PyErr_CheckSignals()
                    self.check()
                    continue
                self.wire_done += count
            if left == 0 or count == left:
                self.wire = None
            else:
                PyErr_CheckSignals()
                self.check()
        return True

    cdef bint push_beside(self) except -1:
        """Send on while receiving: the other end may need the rest of a message to answer it.

        False when it is not this call's turn: another thread sends, or a failed send of this thread
        looks for the end.
        """
        if self.sending.owner == PyThread_get_thread_ident():
            return False
        if not self.take_turn(&self.sending, 0):
            return False
        try:
            self.push(0)
        except OSError as error:
            if isinstance(error, Closed):
                raise
            if self.failure is not None:
                self.wire = self.plain = None  # what came before the end can still be received
        finally:
            self.leave_turn(&self.sending)
        return True

    cdef bint has_rest(self) except -1:
        return self.failure is None and (self.wire is not None or self.plain is not None)

    cdef bint push_bye(self, int64_t end) except -1:
        """Send what is pending and the last frame, while this end is closed already."""
        cdef bytes bye
        cdef char header[HEAD]
        put_header(header, 0, BYE, self.received_)
        bye = header[:HEAD]
        if not self.push(end):
            return False
        if not self.bye_begun:
            self.bye_begun = True
            if self.seal is None:
                self.wire = bye
                self.wire_done = 0
            else:
                self.wrap(NULL, 0, PyBytes_AS_STRING(bye), HEAD)
        if not self.push(end):
            return False
        self.sent_ -= 1  # it was no message
        return True

    # ---- what went wrong

    cdef int fail(self, int problem) except -1:
        """Raises what a failed send means."""
        self.check()
        self.look_closer()
        if not self.gone(problem):
            raise OSError(problem, os.strerror(problem))
        if self.failure is None:
            self.failure = f"its other end is gone ({os.strerror(problem)})"
        raise self.disconnected()

    cdef object disconnected(self):
        """The error that reports how many messages have arrived."""
        raise NotImplementedError
