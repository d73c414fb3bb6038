"""What other compiled modules may do with a descriptor; descriptor.pyx says what it all means."""
from libc.errno cimport EBADF, errno

cdef extern from "<fcntl.h>" nogil:
    int fcntl(int, int, ...)
    int F_GETSIG, F_SETSIG

cdef extern from "<sys/stat.h>" nogil:
    ctypedef unsigned long dev_t
    ctypedef unsigned long ino_t

cdef enum:
    MARKS = 64  # signals there are


cdef inline bint bears(int number, int mark) noexcept:
    """Whether the number has this mark, see `base/descriptor.h`."""
    cdef int found = fcntl(number, F_GETSIG)
    # Asked once more, unless it was closed: taking it for closed would leak it.
    if found < 0 and errno != EBADF:
        found = fcntl(number, F_GETSIG)
    return found == mark


cdef class Descriptor:
    cdef readonly int number  # -1: none
    cdef dev_t device
    cdef ino_t inode

    cdef int mark(self) noexcept
    cpdef bint stands(self) noexcept
    cpdef close(self)
