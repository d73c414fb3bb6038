"""What other compiled modules may do with a descriptor; descriptor.pyx says what it all means."""
cdef extern from "<sys/stat.h>" nogil:
    ctypedef unsigned long dev_t
    ctypedef unsigned long ino_t

cdef class Descriptor:
    cdef readonly int number  # -1: none
    cdef dev_t device
    cdef ino_t inode

    cpdef bint stands(self) noexcept
    cpdef close(self)
