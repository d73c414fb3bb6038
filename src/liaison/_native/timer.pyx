# cython: language_level=3, auto_pickle=False
"""A timer that is a descriptor; Python has it since 3.13 only."""

cimport cython
from libc.errno cimport errno

import os

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


@cython.final
cdef class Timer:
    """Its descriptor is readable when its time has come, until it is set anew."""

    cdef int fd

    def __cinit__(self):
        self.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)
        if self.fd < 0:
            raise OSError(errno, os.strerror(errno))

    def __dealloc__(self):
        self.close()

    def fileno(self):
        """Return the descriptor."""
        return self.fd

    def set(self, seconds):
        """Have it come after so many seconds, which may be over, or never."""
        cdef itimerspec when
        cdef long long left
        when = itimerspec()
        if seconds is not None:
            left = max(1, <long long>(min(<double>seconds, 1e9) * 1e9))
            when.it_value.tv_sec = left // 1000000000
            when.it_value.tv_nsec = left % 1000000000
        if timerfd_settime(self.fd, 0, &when, NULL) < 0:
            raise OSError(errno, os.strerror(errno))

    cpdef close(self):
        """Give the descriptor up; again does no harm."""
        cdef int fd = self.fd
        self.fd = -1
        if fd >= 0:
            os.close(fd)
