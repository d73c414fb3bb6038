# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""Frames over a stream socket: an end that sends and receives them, waits, and breaks off cleanly.

A frame is a header of 16 bytes, little endian, and the payload::

    0        payload's size in bytes (7 bytes)
    7        kind: the message's format (liaison.codec.Format), or BYE
    8        how many messages the frame's sender has received so far (8 bytes)
    16       payload

The count rides on what is sent anyhow, so that an end whose connection breaks can say how many of
its messages certainly arrived. BYE is the last frame of an end that is closed: without it, the end
of the bytes is a death or a cut. Under TLS or with a token the frames go through a `Seal`, and BYE
with them, so that nobody on the way can make a cut look like the end.

A header that announces a large message is believed only as far as bytes follow it: memory is taken
for 1 MiB at first, and then for as much again as has come.

This is compiled for two reasons. A message costs one system call at either end and little beside
it. And a signal's handler (Ctrl-C) runs here only where it is called, by PyErr_CheckSignals, and
never between a system call and the note of what it did: from then on the stream would be nonsense.

A thread may send while another receives; several senders, or receivers, take turns. What belongs to
sending changes only in the turn of `sending`, what belongs to receiving in that of `receiving`. An
end may be closed by one thread while another waits in it, so its socket is closed by whoever leaves
last (`users`).

A message of which a part has been sent cannot be taken back. When a timeout passes, or Ctrl-C
comes, in the middle of one, the rest is kept, and goes out with whatever is done next here: the
message counts as sent. `Full` always means that nothing of the message was sent.
"""

from cpython.buffer cimport (
    PyBUF_CONTIG_RO, Py_buffer, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.bytearray cimport (
    PyByteArray_AS_STRING, PyByteArray_FromStringAndSize, PyByteArray_Resize,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport (
    EAGAIN, ECONNABORTED, ECONNRESET, EHOSTUNREACH, EINTR, ENETUNREACH, ENOTCONN, EPIPE, ETIMEDOUT,
    errno,
)
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove
from cpython.ref cimport PyObject, Py_DECREF, Py_INCREF

from liaison._native.cipher cimport Seal
from liaison._native.descriptor cimport F_SETSIG, Descriptor, bears, fcntl
from liaison._native.poll cimport Poll
from liaison._native.thread cimport *

import os
import select
import socket
from weakref import WeakSet, WeakValueDictionary

from liaison.deadline import nanoseconds
from liaison.errors import (
    AccessDenied, Closed, Corrupt, DecodeError, Disconnected, Empty, Ended, Full, LiaisonError,
    TooLarge,
)

cdef extern from "Python.h":
    int _PyBytes_Resize(PyObject **, Py_ssize_t) except -1

cdef extern from "<sys/socket.h>" nogil:
    struct iovec:
        void *iov_base
        size_t iov_len
    struct msghdr:
        iovec *msg_iov
        size_t msg_iovlen
    ssize_t recv(int, void *, size_t, int)
    ssize_t send(int, const void *, size_t, int)
    ssize_t sendmsg(int, const msghdr *, int)
    int MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    struct timespec:
        long tv_sec
        long tv_nsec
    int ppoll(pollfd *, unsigned long, const timespec *, void *)
    short POLLIN, POLLOUT

cdef extern from "<time.h>" nogil:
    int clock_gettime(int, timespec *)
    int CLOCK_MONOTONIC

cdef extern from "<endian.h>" nogil:
    uint64_t htole64(uint64_t)
    uint64_t le64toh(uint64_t)

HEADER = 16
BYE = 0xFF
LARGEST = (1 << 32) - 4096  # bytes of a message, as in a mailbox

cdef enum:
    HEAD = 16
    FAREWELL = 0xFF
    LAST_FORMAT = 0x7F  # formats above are the protocol's own
    ARRAY = 2  # liaison.codec.Format.ARRAY
    WINDOW = 1 << 16
    IN_PLACE = 1 << 14  # from here on a payload is received where it will stay
    JOINED = 1 << 14  # bytes up to which copying costs less than naming several buffers
    GLANCE = 1 << 12  # bytes received at once where a large message is expected
    PIECE = 1 << 18  # bytes sealed at once
    UNSEEN = 1 << 20  # bytes that memory is taken for before they have come
    DRAINED = 64  # buffers of unread bytes that closing throws away

cdef enum Found:
    NOTHING, MESSAGE, GOODBYE

cdef uint64_t SIZE = (<uint64_t>1 << 56) - 1
cdef int64_t FOREVER = -1
cdef int64_t LINGER = 1000000000  # ns that closing waits for what was sent to leave

# What tells that nobody is there any more. Anything else is this machine's trouble.
cdef frozenset GONE = frozenset(
    (ECONNABORTED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENOTCONN, EPIPE, ETIMEDOUT))

# Forks of this process: an end belongs, of all processes that have it, to the one that uses it.
cdef unsigned long forks = 0
_all = WeakSet()
_numbered = WeakValueDictionary()  # by their descriptors


def _forking():
    global forks
    forks += 1


def _forked():
    _forking()
    for end in list(_all):
        (<Frames>end).after_fork()


os.register_at_fork(after_in_parent=_forking, after_in_child=_forked)


cdef int64_t now() noexcept:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return t.tv_sec * 1000000000 + t.tv_nsec


cdef int64_t end_of(timeout) except? -1:
    """When a timeout passes; 0 is over already."""
    cdef int64_t count
    if timeout is None:
        return FOREVER
    count = nanoseconds(timeout)
    if count <= 0:
        return count
    return min(count, <int64_t>1 << 62) + now()


cdef inline uint64_t word_at(const char *place) noexcept:
    cdef uint64_t word
    memcpy(&word, place, 8)
    return le64toh(word)


cdef inline void put_word(char *place, uint64_t word) noexcept:
    word = htole64(word)
    memcpy(place, &word, 8)


cdef struct Turn:
    PyThread_type_lock lock
    unsigned long owner


cdef class Frames:
    """One end of a connection, by which messages go both ways."""

    cdef readonly object _socket  # keeps the descriptor open
    cdef Descriptor descriptor
    cdef int fd, mark
    cdef str name
    cdef Seal seal  # None where nothing protects the frames
    cdef object coder
    cdef object greeting  # a handshake that waits only for the other end's hello
    cdef Py_ssize_t hello  # its bytes
    cdef bint bytes_only  # RAW messages arrive as bytes: no need to ask the coder
    cdef readonly uint64_t _largest  # bytes of a message that the other end takes
    cdef uint64_t ours  # that this one takes
    cdef bint is_closed
    cdef unsigned long closer  # the thread that says goodbye
    cdef bint finished  # the other end said that it is done
    cdef str failure  # why nothing can be sent any more
    cdef str lost  # why nothing can come any more
    cdef object untold  # the error by which that was found, until a receive has raised it
    cdef unsigned long epoch
    cdef Py_ssize_t users
    cdef Turn sending, receiving
    cdef object __weakref__

    # What has arrived and was not taken: window[start:end], or a large message on its way.
    cdef char *window
    cdef Py_ssize_t start, end
    cdef bint expecting_large
    cdef object large  # its payload: bytes, or a bytearray for an array
    cdef char *large_at
    cdef uint64_t large_size, large_room, large_here, large_count
    cdef int kind  # of the frame that `next` found
    cdef uint64_t size
    cdef list kept  # messages that an interrupted receive_many had taken, the first last
    cdef uint64_t seen  # the other end's count of what it has received
    cdef uint64_t received_

    # What is being sent: bytes for the socket, then bytes still to be sealed.
    cdef char *scratch
    cdef bytes wire, plain
    cdef Py_ssize_t wire_done, plain_done
    cdef uint64_t sent_

    cdef Poll watch
    cdef bint ringing
    cdef bint for_room  # whether the descriptor tells of room, too

    def __cinit__(self):
        self.fd = -1
        self.is_closed = True
        self.window = <char *>malloc(WINDOW)
        self.scratch = <char *>malloc(JOINED)
        self.sending.lock = PyThread_allocate_lock()
        self.receiving.lock = PyThread_allocate_lock()
        if (self.window == NULL or self.scratch == NULL or self.sending.lock == NULL
                or self.receiving.lock == NULL):
            raise MemoryError

    def __dealloc__(self):
        free(self.window)
        free(self.scratch)
        if self.sending.lock != NULL:
            PyThread_free_lock(self.sending.lock)
        if self.receiving.lock != NULL:
            PyThread_free_lock(self.receiving.lock)

    def _open(self, str name not None, connection, coder, bint bytes_only, *, seal=None,
              bytes rest=b"", greeting=None, Py_ssize_t hello=0, uint64_t ours, uint64_t theirs):
        """Begin, once; `rest` are bytes that came already, less than 64 KiB of them."""
        cdef Py_ssize_t room
        if len(rest) > WINDOW:
            raise ValueError("too much came before")
        self.name = name
        self._socket = connection
        self.fd = connection.fileno()
        self.descriptor = Descriptor(self.fd)
        self.mark = self.descriptor.mark()
        if fcntl(self.fd, F_SETSIG, self.mark) != 0:
            self.mark = 0  # a sandbox does not allow it
        before = _numbered.get(self.fd)
        if before is not None:  # whose descriptor was closed behind its back
            (<Frames>before).disown()
        _numbered[self.fd] = self
        self.seal = seal
        self.coder = coder
        self.bytes_only = bytes_only
        self.greeting = greeting
        self.hello = hello
        self.ours = ours
        self._largest = theirs
        self.epoch = forks
        if self.seal is None:
            memcpy(self.window, PyBytes_AS_STRING(rest), len(rest))
            self.end = len(rest)
        elif rest:
            memcpy(self.seal.room(&room), PyBytes_AS_STRING(rest), len(rest))
            self.seal.came(len(rest))
        self.is_closed = False
        _all.add(self)

    # ---- turns, and who is inside

    cdef bint take_turn(self, Turn *turn, int64_t end) except -1:
        """Whether it is this thread's turn before `end`."""
        cdef unsigned long me = PyThread_get_thread_ident()
        cdef PyThread_type_lock lock = turn.lock
        cdef PyLockStatus status
        cdef long long left
        status = PyThread_acquire_lock_timed(lock, 0, 0)
        if status != PY_LOCK_ACQUIRED and turn.owner == me:
            raise RuntimeError(
                f"{self.name} is used by a signal's handler, or a codec, within the very "
                "operation that it interrupts")
        while status != PY_LOCK_ACQUIRED:
            left = -1 if end < 0 else max(0, end - now() + 999) // 1000
            with nogil:
                status = PyThread_acquire_lock_timed(lock, left, 1)
            if status == PY_LOCK_FAILURE:
                return False
            if status == PY_LOCK_INTR:
                PyErr_CheckSignals()
                self.check()
        turn.owner = me
        self.users += 1
        self.epoch = forks
        return True

    cdef int leave_turn(self, Turn *turn) except -1:
        turn.owner = 0
        PyThread_release_lock(turn.lock)
        try:  # still as a user: what is rung must not be given up meanwhile
            if self.watch is not None:
                if turn == &self.receiving:
                    self.ring()
                self.look_for_room()
        finally:
            self.users -= 1
            if self.is_closed:
                self.leave()
        return 0

    cdef int check(self) except -1:
        if self.is_closed and self.closer != PyThread_get_thread_ident():
            raise Closed(f"this end of {self.name} was closed; connect again")
        return 0

    cdef int own(self) except -1:
        """What comes before the socket is used: a process may have closed all that it has.

        By its mark: fstat would take a sixth of the time of a message. Of connections with the same
        one the last has the number; and what is no socket at all does nothing but fail.
        """
        if not (bears(self.fd, self.mark) if self.mark else self.descriptor.stands()):
            self.lose_number()
        return 0

    cdef int look_closer(self) except -1:
        """What comes after it failed."""
        if not self.descriptor.stands():
            self.lose_number()
        return 0

    cdef int lose_number(self) except -1:
        self.disown()
        raise Closed(
            f"this process has closed the descriptor of {self.name}, as daemons close all that they "
            "have; connect again")

    cdef int disown(self) except -1:
        """The number is another file's, or none: this end is closed, and leaves it alone."""
        self.is_closed = True
        if self.fd >= 0:
            self.fd = -1
            self.descriptor.release(self._socket)
            self.unwatch()
        return 0

    def _stands(self):
        """Whether this end is open; without its descriptor it is closed from now on.

        One that is being closed has its descriptor for as long as somebody is inside.
        """
        if self.fd >= 0 and not self.descriptor.stands():
            self.disown()
        return self.fd >= 0 and not self.is_closed

    cdef int leave(self) except -1:
        """Closes the socket when the end is closed and nobody needs it any more."""
        if not self.users and self.fd >= 0:
            self.fd = -1
            self.descriptor.release(self._socket)
            self.unwatch()
        return 0

    cdef int unwatch(self) except -1:
        """Gives up what tells of messages, once."""
        cdef Poll watch = self.watch
        self.watch = None
        if watch is not None:
            watch.close()
        return 0

    cdef int after_fork(self) except -1:
        """In the child: the turns of the parent's other threads are nobody's here."""
        cdef unsigned long me = PyThread_get_thread_ident()
        self.users = 0
        for turn in (0, 1):
            self.free_turn(&self.receiving if turn else &self.sending, me)
        return self.unwatch()  # both would be the parent's too

    cdef int free_turn(self, Turn *turn, unsigned long me) except -1:
        if turn.owner == me:
            self.users += 1
        else:
            turn.owner = 0
            turn.lock = PyThread_allocate_lock()  # the old one may be broken
            if turn.lock == NULL:
                raise MemoryError
        return 0

    cdef int wait(self, short events, int64_t end) except -1:
        """Waits for the socket, at most until `end`: what it is ready for, 0 for nothing."""
        cdef pollfd p
        cdef timespec t
        cdef int64_t left
        cdef int found, problem
        if end == 0:
            return 0
        p.fd = self.fd
        p.events = events
        while True:
            if end > 0:
                left = max(0, end - now())
                t.tv_sec = left // 1000000000
                t.tv_nsec = left % 1000000000
            with nogil:
                found = ppoll(&p, 1, &t if end > 0 else NULL, NULL)
                problem = errno
            if found >= 0:
                return p.revents if found else 0
            if problem != EINTR:
                raise OSError(problem, os.strerror(problem))
            PyErr_CheckSignals()
            self.check()

    # ---- sending

    def send(self, message, *, timeout=None, receipt=False):
        """Send one message.

        It returns when the system has the message, which does not mean that the other program has
        received it. A large message of which a part has left when `timeout` passes counts as sent:
        its rest goes out with what is done next here, see `pending`.

        Raises `Full` when nothing of it could be sent within `timeout` seconds, `TooLarge`,
        `EncodeError`, `Disconnected`, `Closed`, and `TypeError` for ``receipt=True``, which a
        connection does not have.
        """
        if receipt:
            raise TypeError(
                "a connection has no receipts: let the other end answer, see confirmed, or use a "
                "mailbox")
        if not self.send_object(message, end_of(timeout)):
            raise self.full()

    def try_send(self, message):
        """Send one message if that needs no waiting; return whether it was sent.

        Raises as `send` does, but for `Full`.
        """
        return self.send_object(message, 0)

    def send_many(self, messages, *, timeout=None):
        """Send messages in their order; return how many were sent within `timeout` seconds.

        Raises `Full` when not even the first was, otherwise as `send` does.
        """
        cdef int64_t end = end_of(timeout)
        cdef Py_ssize_t count = 0
        for message in messages:
            if not self.send_object(message, end):
                if not count:
                    raise self.full()
                break
            count += 1
        return count

    cdef object full(self):
        return Full(f"{self.name} had no room in time: its other end reads slowly, or another "
                    "thread was sending; wait longer with timeout=")

    cdef bint send_object(self, message, int64_t end) except -1:
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
        if size > self._largest:
            self.check()
            raise TooLarge(
                f"the message has {size} bytes, and the other end of {self.name} takes "
                f"{self._largest}: split it, or let that end have a larger max_message=")
        if not self.take_turn(&self.sending, end):
            return False
        try:
            if (self.is_closed or self.finished or self.failure is not None
                    or self.wire is not None or self.plain is not None):
                if not self.clear_the_way(end):
                    return False
            return self.send_now(size | kind << 56, head, h, body, n, end)
        finally:
            self.leave_turn(&self.sending)

    cdef bint clear_the_way(self, int64_t end) except -1:
        """Sends what is left of the frame before, or tells why nothing can be sent."""
        self.check()
        if self.finished and self.failure is None:
            self.failure = "its other end was closed"
        if self.failure is not None:
            raise self.disconnected()
        return self.push(end)

    cdef bint send_now(self, uint64_t word, const char *head, Py_ssize_t h, const char *body,
                       Py_ssize_t n, int64_t end) except -1:
        """Sends a frame: False when nothing of it could be sent in time."""
        cdef iovec pieces[3]
        cdef char header[HEAD]
        cdef Py_ssize_t total = HEAD + h + n
        cdef ssize_t count
        cdef char *joined = self.scratch
        if self.seal is not None:
            return self.send_sealed(word, head, h, body, n, end)
        if total <= JOINED:
            put_word(joined, word)
            put_word(joined + 8, self.received_)
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
        put_word(header, word)
        put_word(header + 8, self.received_)
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

    cdef bint send_sealed(self, uint64_t word, const char *head, Py_ssize_t h, const char *body,
                          Py_ssize_t n, int64_t end) except -1:
        """The same by the seal. What is sealed has begun."""
        cdef char *first = self.scratch
        cdef bytes longer
        cdef Py_ssize_t at, more
        if HEAD + h > JOINED:
            longer = PyBytes_FromStringAndSize(NULL, HEAD + h)
            first = PyBytes_AS_STRING(longer)
        put_word(first, word)
        put_word(first + 8, self.received_)
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

    @property
    def pending(self):
        """Bytes of a message that `send` took, and that wait for the other end to read.

        0 except after a timeout or an interruption in the middle of a large message. They go out
        with whatever is called next on this end, `flush` for example.
        """
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

    @property
    def confirmed(self):
        """How many of them the other program is known to have received.

        It says so with each of its own messages that is received here, and when it is closed.
        """
        return min(self.sent_, self.seen)

    def flush(self, *, timeout=None):
        """Send what is `pending`.

        Raises `Full` when that took longer than `timeout` seconds, `Disconnected`, `Closed`.
        """
        cdef int64_t end = end_of(timeout)
        if not self.take_turn(&self.sending, end):
            raise self.full()
        try:
            if not self.clear_the_way(end):
                raise self.full()
        finally:
            self.leave_turn(&self.sending)

    # ---- receiving

    def receive(self, *, timeout=None):
        """Receive one message.

        Raises `Empty` when none came within `timeout` seconds, `Ended` when there will be none any
        more, `DecodeError` when the message cannot be decoded (the connection goes on), `TooLarge`
        and `Corrupt` when what came is no message of this link (it does not), `Closed`, and
        `AccessDenied` when it turns out that the other end asks for a token.
        """
        cdef int64_t end = end_of(timeout)
        if not self.take_turn(&self.receiving, end):
            raise self.empty()
        try:
            if not self.seek(end):
                raise self.empty()
            return self.take()
        finally:
            self.leave_turn(&self.receiving)

    def try_receive(self, default=None):
        """Receive one message if there is one, else return `default`. Raises as `receive` does."""
        if not self.take_turn(&self.receiving, 0):
            return default
        try:
            if not self.seek(0):
                return default
            return self.take()
        finally:
            self.leave_turn(&self.receiving)

    def receive_many(self, Py_ssize_t max, *, timeout=None):
        """Wait for one message, then take what is there besides: at most `max` in all.

        Raises as `receive` does, and `ValueError` for a `max` below 1.
        """
        cdef int64_t end = end_of(timeout)
        cdef list messages = []
        if max < 1:
            raise ValueError(f"max={max} is out of range: it is 1 or more")
        if not self.take_turn(&self.receiving, end):
            raise self.empty()
        try:
            if not self.seek(end):
                raise self.empty()
            messages.append(self.take())
            try:
                while len(messages) < max and self.find(0):
                    messages.append(self.take(True))
            except (LiaisonError, EOFError, OSError):
                pass  # an end, or what cannot be read, is for the next call to tell
            except BaseException:
                messages.reverse()
                self.kept = messages if self.kept is None else self.kept + messages
                raise
            return messages
        finally:
            self.leave_turn(&self.receiving)

    def __iter__(self):
        """Receive messages until the other end is closed.

        When it was not closed, but its process died or the way there was cut, the loop ends with
        `Ended`.
        """
        return self

    def __next__(self):
        try:
            return self.receive()
        except Ended as error:
            if error.clean:
                raise StopIteration from None
            raise

    cdef object empty(self):
        return Empty(f"no message came over {self.name} in time, or another thread was receiving")

    cdef bint seek(self, int64_t end) except -1:
        """Whether there is a message to `take` before `end`; tells the caller why there is none."""
        try:
            return self.find(end)
        except LiaisonError:
            self.untold = None
            raise

    cdef bint find(self, int64_t end) except -1:
        """The same where an error is not told to the caller: it is for the next one to raise."""
        cdef int found
        cdef bint again = False
        self.check()
        if self.kept is not None:
            return True
        if self.finished:
            raise self.ended()
        if self.untold is not None:
            raise self.untold
        while True:
            if self.greeting is None:
                found = self.next()
                if found == MESSAGE:
                    return True
                if found == GOODBYE:
                    self.seen = word_at(self.window + self.start + 8)
                    self.start += HEAD
                    self.finished = True
                    raise self.ended()
            elif self.end - self.start >= self.hello:
                self.greet()
                continue
            if again:
                PyErr_CheckSignals()  # one that came together with bytes
                self.check()
            again = True
            if not self.fill(end):
                return False

    cdef object take(self, bint readable=False):
        """The message that was found. It is gone once it is decoded, or cannot be.

        With `readable`, one that cannot be decoded stays.
        """
        cdef object message
        if self.kept is not None:
            message = self.kept.pop()
            if not self.kept:
                self.kept = None
            return message
        if self.large is not None:
            message = self.large
        else:
            message = PyBytes_FromStringAndSize(self.window + self.start + HEAD, self.size)
        if self.kind or not self.bytes_only:
            try:
                message = self.coder.decode(self.kind, message, self.large is not None)
            except DecodeError:
                if not readable:
                    self.consume()
                raise
        self.consume()
        return message

    cdef int consume(self) except -1:
        if self.large is not None:
            self.seen = self.large_count
            self.large = None
            self.expecting_large = True
        else:
            self.seen = word_at(self.window + self.start + 8)
            self.start += HEAD + self.size
            self.expecting_large = False
        self.received_ += 1
        return 0

    cdef int next(self) except -1:
        """What has arrived as a whole: a message, the end, or nothing. Refuses what is neither."""
        cdef char *at = self.window + self.start
        cdef Py_ssize_t here = self.end - self.start - HEAD
        cdef uint64_t word, size
        if self.large is not None:
            return MESSAGE if self.large_here == self.large_size else NOTHING
        if here < 0:
            return NOTHING
        word = word_at(at)
        size = word & SIZE
        self.kind = word >> 56
        self.size = size
        if self.kind > LAST_FORMAT:
            if word == <uint64_t>FAREWELL << 56:
                return GOODBYE
            self.refuse(Corrupt(f"bytes that are no frame of liaison came: {word:#018x}"))
        if size > self.ours:
            self.refuse(TooLarge(
                f"a message of {size} bytes came, and this end takes {self.ours}; "
                "let it listen or connect with a larger max_message="))
        if size <= <uint64_t>here:
            return MESSAGE
        if size >= IN_PLACE:
            self.large_room = min(size, UNSEEN)
            if self.kind == ARRAY:
                self.large = PyByteArray_FromStringAndSize(NULL, self.large_room)
                self.large_at = PyByteArray_AS_STRING(self.large)
            else:
                self.large = PyBytes_FromStringAndSize(NULL, self.large_room)
                self.large_at = PyBytes_AS_STRING(self.large)
            memcpy(self.large_at, at + HEAD, here)
            self.large_size = size
            self.large_here = here
            self.large_count = word_at(at + 8)
            self.start = self.end = 0
        return NOTHING

    cdef int refuse(self, error) except -1:
        """Raises an error, once it is certain that nothing is taken any more."""
        self.start = self.end = 0
        self.refused(error)
        raise error

    cdef int refused(self, error) except -1:
        self.untold = error
        return self.give_up(f"what came over it is no message: {error}")

    cdef int give_up(self, str why) except -1:
        """What comes next is in the middle of something: the other end is to notice that, too."""
        self.lose(why)
        if self.descriptor.stands():
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        return 0

    cdef int greet(self) except -1:
        """Takes the hello of the other end, which was not waited for when connecting."""
        cdef bytes said = self.window[self.start:self.start + self.hello]
        try:
            self.greeting.receive_hello(said)
        except (LiaisonError, OSError) as error:
            self.untold = error
            self.lose(f"its other end is not what was expected: {error}")
            raise
        self._largest = min(self._largest, <uint64_t>self.greeting.theirs)
        self.start += self.hello
        self.greeting = None
        return 0

    cdef bint fill(self, int64_t end) except -1:
        """Receives some bytes; False when none came before `end`."""
        cdef char *target
        cdef Py_ssize_t room
        cdef Py_ssize_t count
        if self.is_closed or self.finished or self.lost is not None:
            self.check()
            raise self.ended()
        target = self.place(&room)
        try:
            if self.seal is None:
                count = self.get(target, room, self.large is not None, end)
            else:
                count = self.get_sealed(target, room, end)
        except Corrupt as error:
            self.refused(error)
            raise
        except OSError as error:
            if isinstance(error, LiaisonError) or error.errno not in GONE:
                raise
            self.check()
            self.lose(f"its other end is gone ({error.strerror})")
            raise self.ended() from error
        if count < 0:
            return False
        if count == 0:
            self.check()
            self.lose("its other end went away without introducing itself"
                      if self.greeting is not None
                      else "its other end went away without closing it")
            raise self.ended()
        self.arrived(count)
        return True

    cdef char *place(self, Py_ssize_t *room) except NULL:
        """Where the next bytes belong."""
        if self.large is not None:
            if self.large_here == self.large_room:
                self.grow()
            room[0] = self.large_room - self.large_here
            return self.large_at + self.large_here
        if self.start == self.end:
            self.start = self.end = 0
        elif self.start and WINDOW - self.start < HEAD + IN_PLACE:
            memmove(self.window, self.window + self.start, self.end - self.start)
            self.end -= self.start
            self.start = 0
        room[0] = WINDOW - self.end
        if self.expecting_large:
            room[0] = min(room[0], GLANCE)
        return self.window + self.end

    cdef int arrived(self, Py_ssize_t count) except -1:
        if self.large is not None:
            self.large_here += count
        else:
            self.end += count
        return 0

    cdef int grow(self) except -1:
        """Takes memory for more of a large message, of which all that there is memory for came."""
        cdef uint64_t room = min(self.large_size, 2 * self.large_room)
        cdef PyObject *raw
        if self.kind == ARRAY:
            PyByteArray_Resize(self.large, room)
            self.large_at = PyByteArray_AS_STRING(self.large)
        else:
            # In its place where the system can: it moves pages, not bytes. It has to be ours alone.
            raw = <PyObject *>self.large
            Py_INCREF(self.large)
            self.large = None
            try:
                _PyBytes_Resize(&raw, room)
            except MemoryError:  # it is gone
                self.give_up(f"there was no memory for a message of {self.large_size} bytes")
                raise
            self.large = <object>raw
            Py_DECREF(self.large)
            self.large_at = PyBytes_AS_STRING(self.large)
        self.large_room = room
        return 0

    cdef Py_ssize_t get(self, char *target, Py_ssize_t room, bint whole, int64_t end) except -2:
        """Bytes from the socket; 0 at the end, -1 when none came before `end`."""
        cdef ssize_t count
        cdef int problem, flags
        while True:
            if self.wire is not None or self.plain is not None:
                self.push_beside()
            self.own()
            if end == FOREVER and self.wire is None and self.plain is None:
                flags = MSG_WAITALL if whole else 0
                with nogil:
                    count = recv(self.fd, target, room, flags)
                    problem = errno
            elif whole:  # there may be megabytes to copy
                with nogil:
                    count = recv(self.fd, target, room, MSG_DONTWAIT)
                    problem = errno
            else:
                count = recv(self.fd, target, room, MSG_DONTWAIT)
                problem = errno
            if count >= 0:
                return count
            if problem == EAGAIN:
                if not self.wait_to_receive(end):
                    return -1
            elif problem != EINTR:
                self.look_closer()
                raise OSError(problem, os.strerror(problem))
            PyErr_CheckSignals()
            self.check()

    cdef Py_ssize_t get_sealed(self, char *target, Py_ssize_t room, int64_t end) except -2:
        """The same by the seal."""
        cdef Py_ssize_t count, size
        cdef char *raw
        while True:
            count = self.seal.unwrap(target, room)
            if count >= 0:
                return count
            raw = self.seal.room(&size)
            # Not all of a record's worth, or of anything else's: more may never come.
            count = self.get(raw, size, False, end)
            if count < 0:
                return -1
            self.seal.came(count)

    cdef bint wait_to_receive(self, int64_t end) except -1:
        """Waits until there is something to receive, sending on meanwhile what is pending."""
        cdef int ready
        while self.wire is not None or self.plain is not None:
            ready = self.wait(POLLIN | POLLOUT, end)
            if ready & ~POLLOUT or not ready:
                return ready != 0
            if not self.push_beside():
                return self.wait(POLLIN, end) != 0  # another thread sends it
        return self.wait(POLLIN, end) != 0

    cdef bint push_beside(self) except -1:
        """Sends on while receiving: the other end may want the rest of a message to answer it.

        False when it is another's turn to send: another thread's, or that of what looks from here
        for the end because it could not send.
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

    # ---- waiting by a descriptor

    def fileno(self):
        """Return a descriptor that is readable when there may be a message.

        So it is at the end, and when more of what is `pending` can be sent, which whoever then
        receives does. For selectors and event loops; the first call costs two descriptors.
        """
        cdef Poll watch
        self.check()
        self.look_closer()
        if self.watch is None or not self.watch.stands():
            # Messages may be here already, where the system does not see them: the bell rings.
            watch = Poll()
            watch.register(self.fd, select.EPOLLIN)
            self.ringing = self.for_room = False
            self.watch = watch
            self.ring()
            self.look_for_room()
        return self.watch.fileno()

    cdef int ring(self) except -1:
        cdef bint on
        if self.watch is None:
            return 0
        on = (self.kept is not None or self.finished or self.lost is not None or self.is_closed
              or self.waiting() or (self.seal is not None and self.seal.more()))
        if on != self.ringing:
            self.ringing = on
            if on:
                self.watch.ring()
            else:
                self.watch.silence()
        return 0

    cdef int look_for_room(self) except -1:
        """Has who waits for the descriptor send on: the other end may want the rest to answer it.

        A thread that sends sees to its rest itself.
        """
        cdef bint on = (not self.sending.owner and self.failure is None
                        and (self.wire is not None or self.plain is not None))
        if on != self.for_room and self.fd >= 0:
            self.for_room = on
            self.watch.modify(self.fd, select.EPOLLIN | (select.EPOLLOUT if on else 0))
        return 0

    cdef bint waiting(self) noexcept:
        """Whether `find` would find, or refuse, something without the socket."""
        cdef Py_ssize_t here = self.end - self.start - HEAD
        cdef uint64_t word
        if self.greeting is not None:
            return here + HEAD >= self.hello
        if self.large is not None:
            return self.large_here == self.large_size
        if here < 0:
            return False
        word = word_at(self.window + self.start)
        return (word & SIZE <= <uint64_t>here or word & SIZE > self.ours
                or word >> 56 > LAST_FORMAT)

    def _ready(self):
        """Whether a receive would not have to wait. If it would, the descriptor is quiet now."""
        if self.is_closed or not self.take_turn(&self.receiving, 0):
            return True  # closed, or somebody is just receiving
        try:
            return self.find(0)
        except (LiaisonError, EOFError, OSError):
            return True
        finally:
            self.leave_turn(&self.receiving)

    # ---- the end

    cdef int lose(self, str why) except -1:
        """Nothing comes any more, so that nobody is there to be sent anything either."""
        self.lost = why
        if self.failure is None:
            self.failure = why
        self.ring()
        return 0

    cdef int fail(self, int problem) except -1:
        """Raises what a failed send means."""
        self.check()
        self.look_closer()
        if problem not in GONE:
            raise OSError(problem, os.strerror(problem))
        if self.failure is None:
            self.failure = f"its other end is gone ({os.strerror(problem)})"
        raise self.disconnected()

    cdef object disconnected(self):
        cdef uint64_t confirmed
        self.look_for_the_end()
        confirmed = min(self.sent_, self.look_ahead())
        cut = "; of one more a part was sent" if self.pending else ""
        return Disconnected(
            f"{self.name}: {self.failure}; of {self.sent_} messages sent as a whole it is known "
            f"to have received {confirmed}{cut}; connect again",
            sent=self.sent_, confirmed=confirmed)

    cdef int look_for_the_end(self) except -1:
        """Sees whether the other end said, before it went, what it had received."""
        if self.receiving.owner == PyThread_get_thread_ident():
            return 0  # from within a receive
        if not self.take_turn(&self.receiving, 0):
            return 0
        try:
            while not self.waiting() and self.kept is None:
                if self.greeting is None:
                    self.next()
                if not self.fill(0):
                    break
        except (LiaisonError, EOFError, OSError):
            pass
        finally:
            self.leave_turn(&self.receiving)
        return 0

    cdef uint64_t look_ahead(self) noexcept:
        """The highest count of received messages in the frames that wait."""
        cdef Py_ssize_t at = self.start
        cdef uint64_t seen = self.seen, size
        if self.greeting is not None:
            at += self.hello
        if self.large is not None:
            return max(seen, self.large_count)
        while self.end - at >= HEAD:
            seen = max(seen, word_at(self.window + at + 8))
            size = word_at(self.window + at) & SIZE
            if size > WINDOW:
                break
            at += HEAD + <Py_ssize_t>size
        return seen

    cdef object ended(self):
        cdef Py_ssize_t here = self.end - self.start
        cdef uint64_t size
        if self.finished:
            return Ended(
                f"{self.name}: the other end was closed; {self.received_} messages were received",
                clean=True, received=self.received_)
        cut = ""
        if self.large is not None:
            cut = (f"; one more was cut off after {self.large_here} bytes of {self.large_size}")
        elif here > 0 and self.greeting is None:
            size = word_at(self.window + self.start) & SIZE if here >= HEAD else 0
            cut = f"; one more was cut off after {max(0, here - HEAD)} bytes"
            if size:
                cut += f" of {size}"
        return Ended(f"{self.name}: {self.lost}; {self.received_} messages were received{cut}",
                     received=self.received_)

    def close(self):
        """Close this end; idempotent.

        The other end gets what was sent here, and then `Ended`. What it sent and this end has not
        received is lost; it learns how many of its messages were received. Waits up to a second
        for the other end to make room for what is still to be sent.
        """
        if self.is_closed:
            return
        # In a process that has forked it is whose uses it, in whatever thread.
        cdef bint mine = ((self.epoch == forks or self.users > 0) and self.descriptor.stands())
        self.is_closed = True
        self.users += 1
        try:
            if mine:
                self.closer = PyThread_get_thread_ident()
                self.say_goodbye()
        finally:
            self.closer = 0
            if mine:
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)  # wakes this process's other threads
                except OSError:
                    pass
            self.users -= 1
            self.leave()

    cdef int say_goodbye(self) except -1:
        cdef int64_t end = now() + LINGER
        cdef bint unread = False
        if self.sending.owner == PyThread_get_thread_ident():
            return 0  # from a signal's handler, within a send
        try:
            if self.take_turn(&self.sending, end):
                try:
                    if self.failure is None and not self.finished and self.depart(end):
                        self._socket.shutdown(socket.SHUT_WR)
                finally:
                    self.leave_turn(&self.sending)
            # TCP answers bytes that nobody read by a reset, which overtakes what was sent.
            if self._socket.family != socket.AF_UNIX:
                for _ in range(DRAINED):
                    if not self._socket.recv(1 << 16, socket.MSG_DONTWAIT):
                        break
        except (OSError, Closed):
            pass
        return 0

    cdef bint depart(self, int64_t end) except -1:
        """Sends what is pending and the last frame, while this end is closed already."""
        cdef bytes farewell
        cdef char header[HEAD]
        put_word(header, <uint64_t>FAREWELL << 56)
        put_word(header + 8, self.received_)
        farewell = header[:HEAD]
        if not self.push(end):
            return False
        if self.seal is None:
            self.wire = farewell
            self.wire_done = 0
        else:
            self.wrap(NULL, 0, PyBytes_AS_STRING(farewell), HEAD)
        if not self.push(end):
            return False
        self.sent_ -= 1  # it was no message
        return True

    @property
    def closed(self):
        """Whether this end was closed."""
        return self.is_closed

    @property
    def encrypted(self):
        """Whether it is TLS."""
        return self.seal is not None and self.seal.secret

    def __reduce__(self):
        raise TypeError("a connection is this process's: let the other process connect, or fork it")

    def __del__(self):
        """Close an end that nobody has any more."""
        try:
            self.close()
        except Exception:
            pass
