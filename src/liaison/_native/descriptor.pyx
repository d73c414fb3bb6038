# cython: language_level=3, auto_pickle=False
"""A file that is kept open: its number, and which file that is.

The number proves nothing. A process that daemonises closes all descriptors, and their numbers are
then other files'. So before one that was kept is read, written, waited for or closed, it is seen to
be still the same file, as in the engine (`base/descriptor.h`, which says more).
"""

cimport cython
from libc.errno cimport EBADF, errno

import os

cdef extern from "<sys/stat.h>" nogil:
    struct status "stat":
        dev_t st_dev
        ino_t st_ino
    int fstat(int, status *)

cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int)


@cython.final
cdef class Descriptor:
    """Which file a number is. What has an inode that it shares with others cannot be told by it."""

    def __cinit__(self, int number):
        cdef status found
        self.number = -1
        if fstat(number, &found) != 0:
            raise OSError(errno, os.strerror(errno))
        self.number = number
        self.device = found.st_dev
        self.inode = found.st_ino

    cdef int mark(self) noexcept:
        """One that few others have."""
        return 1 + <int>(self.inode % MARKS)

    cpdef bint stands(self) noexcept:
        """Return whether the number is still that file's."""
        cdef status found
        if self.number < 0:
            return False
        # Asked once more, unless it was closed: taking it for closed would leak it.
        if (fstat(self.number, &found) != 0
                and (errno == EBADF or fstat(self.number, &found) != 0)):
            return False
        return found.st_dev == self.device and found.st_ino == self.inode

    cpdef close(self):
        """Close it, unless the number is another file's; again does no harm."""
        cdef bint stands = self.stands()
        cdef int number = self.number
        self.number = -1
        if stands:
            c_close(number)

    def release(self, socket):
        """Close the socket, which has the number, or have it forget what is another file's."""
        if self.stands():
            socket.close()
        else:
            socket.detach()
        self.number = -1
