# cython: language_level=3, auto_pickle=False
"""A set of descriptors that is kept, in which one waits for any of them, and is called.

It is an epoll set with a bell in it: a socket that leads nowhere and so always has room. To ring it
is to have the set report that room, to silence it is to stop that. Where it is wanted a timer is in
it too.

All epolls are one file to fstat, and all timers. So they bear a mark, as the engine's do (see
`base/descriptor.h`), and the bell, which alone has its inode, tells one set from another. A set
whose descriptors were closed without it, as daemons do, touches none of their numbers: its owner
asks whether it stands, and makes another.
"""

cimport cython
from libc.errno cimport EBADF, EINTR, errno
from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc

from liaison._native.descriptor cimport F_SETSIG, Descriptor, bears, fcntl

import os

from liaison.deadline import nanoseconds

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1

cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int)

cdef extern from "<sys/socket.h>" nogil:
    int socket(int, int, int)
    int AF_UNIX, SOCK_DGRAM, SOCK_CLOEXEC

cdef extern from "<sys/epoll.h>" nogil:
    union epoll_data_t:
        int fd
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int)
    int epoll_ctl(int, int, int, epoll_event *)
    int epoll_wait(int, epoll_event *, int, int)
    int EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL
    uint32_t EPOLLIN, EPOLLOUT, EPOLLRDHUP

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int CLOCK_MONOTONIC

cdef extern from "<sys/timerfd.h>" nogil:
    struct itimerspec:
        timespec it_value
    int timerfd_create(int, int)
    int timerfd_settime(int, int, const itimerspec *, itimerspec *)
    int TFD_CLOEXEC, TFD_NONBLOCK

READABLE, ENDED = EPOLLIN, EPOLLRDHUP  # events

cdef enum:
    LONGEST = 1 << 30  # ms; the system counts them with 31 bits


cdef object problem():
    return OSError(errno, os.strerror(errno))


cdef int marked(int number, int mark) except -1:
    """What was just made, with its mark."""
    if number < 0:
        raise problem()
    if fcntl(number, F_SETSIG, mark) != 0:
        error = problem()
        c_close(number)
        raise error
    return number


@cython.final
@cython.no_gc  # of no cycle, and its bell must be there to the end
cdef class Poll:
    """A set of descriptors, and a bell. With ``timer=True`` also one for `remind`."""

    def __cinit__(self, *, bint timer=False):
        cdef int number
        self.epoll = self.timer = -1
        number = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
        if number < 0:
            raise problem()
        try:
            self.bell = Descriptor(number)
        except BaseException:
            c_close(number)
            raise
        self.mark = self.bell.mark()
        self.epoll = marked(epoll_create1(EPOLL_CLOEXEC), self.mark)
        if self.control(EPOLL_CTL_ADD, number, 0) != 0:
            raise problem()
        if timer:
            self.timer = marked(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                                self.mark)
            self.register(self.timer, EPOLLIN)

    def __dealloc__(self):
        self.close()

    cpdef bint stands(self) noexcept:
        """Return whether it is there: not closed, and its numbers not other files'."""
        return (self.bell is not None and self.bell.stands() and bears(self.epoll, self.mark)
                and (self.timer < 0 or bears(self.timer, self.mark)))

    cdef int check(self) except -1:
        if not self.stands():
            raise OSError(EBADF, os.strerror(EBADF))
        return 0

    def fileno(self):
        """Return a descriptor that is readable when `poll` would not wait."""
        return self.epoll

    # ---- what is in it

    cdef int control(self, int operation, int number, uint32_t events) noexcept:
        cdef epoll_event event
        event.events = events
        event.data.fd = number
        return epoll_ctl(self.epoll, operation, number, &event)

    cpdef register(self, int number, uint32_t events):
        """Wait for these events of a descriptor too. Raises `OSError`."""
        self.check()
        if self.control(EPOLL_CTL_ADD, number, events) != 0:
            raise problem()

    cpdef modify(self, int number, uint32_t events):
        """Wait for other events of one. Raises `OSError`."""
        self.check()
        if self.control(EPOLL_CTL_MOD, number, events) != 0:
            raise problem()

    cpdef unregister(self, int number):
        """Wait for one no more; it may have gone by itself, as what is closed does."""
        if self.stands():
            self.control(EPOLL_CTL_DEL, number, 0)

    # ---- waiting

    def poll(self, timeout, int most):
        """Return the numbers of those that are ready, and of none but these and its own.

        Waits for `timeout` seconds at most, for ever with None; also returns [] before that.
        """
        left = nanoseconds(timeout)
        cdef int milliseconds = -1 if left < 0 else min(-(-left // 1000000), LONGEST)
        cdef int count, i, wrong
        cdef epoll_event *events
        if not self.stands():
            return []
        most += 2
        events = <epoll_event *>malloc(most * sizeof(epoll_event))
        if events == NULL:
            raise MemoryError
        try:
            with nogil:
                count = epoll_wait(self.epoll, events, most, milliseconds)
                wrong = errno
            if count >= 0:
                return [events[i].data.fd for i in range(count)]
            if wrong != EINTR and wrong != EBADF:
                raise OSError(wrong, os.strerror(wrong))
            PyErr_CheckSignals()
            return []
        finally:
            free(events)

    cpdef ring(self):
        """Make it readable, and every waiter return, until it is silenced."""
        if self.bell.stands():  # the set is changed only where the bell is in it
            self.control(EPOLL_CTL_MOD, self.bell.number, EPOLLOUT)

    cpdef silence(self):
        """Make it readable only for what is in it."""
        if self.bell.stands():
            self.control(EPOLL_CTL_MOD, self.bell.number, 0)

    def remind(self, seconds):
        """Be readable after so many seconds, until this is called again; None: never."""
        cdef itimerspec when
        cdef long long left
        when = itimerspec()
        if seconds is not None:
            left = max(1, <long long>(min(<double>seconds, 1e9) * 1e9))
            when.it_value.tv_sec = left // 1000000000
            when.it_value.tv_nsec = left % 1000000000
        self.check()
        if timerfd_settime(self.timer, 0, &when, NULL) < 0:
            raise problem()

    # ---- giving it up

    @property
    def closed(self):
        """Whether it was closed."""
        return self.epoll < 0

    cpdef close(self):
        """Give it up; again does no harm. Numbers that are other files' by now stay theirs."""
        cdef int epoll = self.epoll, timer = self.timer
        if self.bell is None:
            return
        # A set that is not complete cannot be told from other files: only its bell is closed.
        cdef bint stands = self.stands()
        self.epoll = self.timer = -1
        self.bell.close()
        if stands:
            c_close(epoll)
            if timer >= 0:
                c_close(timer)
