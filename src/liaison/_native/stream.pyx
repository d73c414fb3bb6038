# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""A connected stream socket: turns, the threads that use it, waiting for it, and its end.

A thread may send while another receives; several senders, or receivers, take turns. What belongs to
sending changes only in the turn of `sending`, what belongs to receiving in that of `receiving`. A
stream may be closed by one thread while another waits in it, so its socket is closed by whoever
leaves last (`users`).
"""

from libc.errno cimport (
    ECONNABORTED, ECONNRESET, EHOSTUNREACH, EINTR, ENETUNREACH, ENOTCONN, EPIPE, ETIMEDOUT, errno,
)
from libc.stdint cimport int64_t

from liaison._native.carrier cimport CarrierEnd
from liaison._native.clock cimport now, timespec
from liaison._native.descriptor cimport F_SETSIG, Descriptor, bears, fcntl
from liaison._native.poll cimport Poll
from liaison._native.thread cimport *

import os
import select
from weakref import WeakSet, WeakValueDictionary

from liaison.deadline import nanoseconds
from liaison.errors import Closed

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int ppoll(pollfd *, unsigned long, const timespec *, void *)

cdef frozenset GONE = frozenset(
    (ECONNABORTED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENOTCONN, EPIPE, ETIMEDOUT))

# Forks of this process: of all processes that have an end, it belongs to the one that uses it.
cdef unsigned long forks = 0
_all = WeakSet()
_numbered = WeakValueDictionary()  # by their descriptors


def _forking():
    global forks
    forks += 1


def _forked():
    _forking()
    for end in list(_all):
        (<Stream>end).after_fork()


os.register_at_fork(after_in_parent=_forking, after_in_child=_forked)


cdef class Stream(CarrierEnd):
    """A socket that several threads use. What is sent and received by it is for subclasses."""

    def __cinit__(self):
        self.fd = -1
        self.is_closed = True
        self.sending.lock = PyThread_allocate_lock()
        self.receiving.lock = PyThread_allocate_lock()
        if self.sending.lock == NULL or self.receiving.lock == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.sending.lock != NULL:
            PyThread_free_lock(self.sending.lock)
        if self.receiving.lock != NULL:
            PyThread_free_lock(self.receiving.lock)

    cdef int hold(self, str name, connection) except -1:
        """Take the socket, once."""
        self.name = name
        self.transport = connection
        self.fd = connection.fileno()
        self.descriptor = Descriptor(self.fd)
        self.mark = self.descriptor.mark()
        if fcntl(self.fd, F_SETSIG, self.mark) != 0:
            self.mark = 0  # a sandbox does not allow it
        before = _numbered.get(self.fd)
        if before is not None:  # its descriptor was closed without it
            (<Stream>before).disown()
        _numbered[self.fd] = self
        self.epoch = forks
        self.is_closed = False
        _all.add(self)
        return 0

    # ---- turns, and the threads that use it

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
        try:  # still as a user: the set that is rung must not be closed meanwhile
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
        """Check the descriptor before each use: a process may have closed all that it has.

        The check is by its mark: fstat would take a sixth of the time of a message. Of connections
        with the same mark the last one has the number; and on anything but a socket the call fails.
        """
        if not (bears(self.fd, self.mark) if self.mark else self.descriptor.stands()):
            self.lose_number()
        return 0

    cdef int look_closer(self) except -1:
        """Check the descriptor by its inode, after a call failed."""
        if not self.descriptor.stands():
            self.lose_number()
        return 0

    cdef int lose_number(self) except -1:
        self.disown()
        raise Closed(
            f"this process has closed the descriptor of {self.name}, as daemons close all that they "
            "have; connect again")

    cdef int disown(self) except -1:
        """Close this end, whose number is another file's or none; leave that file alone."""
        self.is_closed = True
        if self.fd >= 0:
            self.fd = -1
            self.descriptor.release(self.transport)
            self.unwatch()
        return 0

    @property
    def closed(self):
        """Whether this end was closed."""
        return self.is_closed

    def outlet(self):
        """The descriptor that is writable when there is room to send; -1: this end is closed.

        An end that has lost its descriptor is closed by this. An end that is being closed keeps its
        descriptor for as long as a thread is inside.
        """
        if self.fd >= 0 and not self.descriptor.stands():
            self.disown()
        return -1 if self.is_closed else self.fd

    cdef int leave(self) except -1:
        """Close the socket when the end is closed and no thread is inside."""
        if not self.users and self.fd >= 0:
            self.fd = -1
            self.descriptor.release(self.transport)
            self.unwatch()
        return 0

    cdef bint gone(self, problem) except -1:
        """Whether an error's number means that the other end is gone."""
        return problem in GONE

    cdef bint mine(self) except -1:
        """Whether this process, of all that inherited it, is the one that uses it."""
        return (self.epoch == forks or self.users > 0) and self.descriptor.stands()

    cdef int after_fork(self) except -1:
        """In the child: free the turns of the parent's other threads."""
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

    cdef int64_t end_of(self, timeout) except? -1:
        """When a timeout passes; 0 is over already."""
        cdef int64_t count
        if timeout is None:
            return FOREVER
        count = nanoseconds(timeout)
        if count <= 0:
            return count
        return min(count, <int64_t>1 << 62) + now()

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

    # ---- waiting by a descriptor

    def fileno(self):
        """Return a descriptor that is readable when there may be a message.

        It is also readable at the end, and when more of what is `pending` can be sent, which the
        next receive does. For selectors and event loops; the first call costs two descriptors.
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

    cdef bint has_more(self) except -1:
        """Whether a receive would find something without the socket."""
        raise NotImplementedError

    cdef bint has_rest(self) except -1:
        """Whether something waits for room to be sent."""
        raise NotImplementedError

    cdef int ring(self) except -1:
        cdef bint on
        if self.watch is None:
            return 0
        on = self.is_closed or self.has_more()
        if on != self.ringing:
            self.ringing = on
            if on:
                self.watch.ring()
            else:
                self.watch.silence()
        return 0

    cdef int look_for_room(self) except -1:
        """Wake a waiter also to send the rest, which the other end may need to answer.

        A thread that is sending sends its rest itself.
        """
        cdef bint on = not self.sending.owner and self.has_rest()
        if on != self.for_room and self.fd >= 0:
            self.for_room = on
            self.watch.modify(self.fd, select.EPOLLIN | (select.EPOLLOUT if on else 0))
        return 0

    cdef int unwatch(self) except -1:
        """Close the set that `fileno` made."""
        cdef Poll watch = self.watch
        self.watch = None
        if watch is not None:
            watch.close()
        return 0
