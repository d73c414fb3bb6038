from libc.stdint cimport uint32_t

from liaison._native.engine cimport liaison_space, liaison_peer

cdef class SpaceHandle:
    cdef liaison_space *space
    cdef readonly str name
    cdef uint32_t owner
    cdef object fail(self, int r)
    cdef list peers(self, bint using)

cdef object peer_of(const liaison_peer *peer)
