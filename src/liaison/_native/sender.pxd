"""What an end does to send; sender.pyx says what it all means."""
from libc.stdint cimport int64_t, uint64_t

from liaison._native.cipher cimport Seal
from liaison._native.stream cimport Stream

cdef extern from "<sys/socket.h>" nogil:
    struct iovec:
        void *iov_base
        size_t iov_len


cdef class Sender(Stream):
    cdef Seal seal  # None where nothing protects the frames
    cdef object coder
    cdef readonly uint64_t largest  # bytes of a message that the other end takes
    cdef bint finished  # the other end has sent BYE
    cdef bint bye_begun
    cdef str failure  # why nothing can be sent any more
    cdef uint64_t received_  # messages; each frame reports it to the other end
    cdef uint64_t sent_

    # What is being sent: bytes for the socket, then bytes still to be sealed.
    cdef char *scratch
    cdef bytes wire, plain
    cdef Py_ssize_t wire_done, plain_done

    cdef object full(self)
    cdef bint send_message(self, message, int64_t end) except -1
    cdef bint send_frame(self, uint64_t kind, const char *head, Py_ssize_t h, const char *body,
                         Py_ssize_t n, int64_t end) except -1
    cdef bint clear_the_way(self, int64_t end) except -1
    cdef bint send_now(self, uint64_t kind, const char *head, Py_ssize_t h, const char *body,
                       Py_ssize_t n, int64_t end) except -1
    cdef bint send_pieces(self, iovec *pieces, int many, Py_ssize_t left, bint begun,
                          int64_t end) except -1
    cdef int keep(self, iovec *pieces, int many, Py_ssize_t left) except -1
    cdef bint send_sealed(self, uint64_t kind, const char *head, Py_ssize_t h, const char *body,
                          Py_ssize_t n, int64_t end) except -1
    cdef int wrap(self, const char *head, Py_ssize_t h, const char *data, Py_ssize_t n) except -1
    cdef bint push(self, int64_t end) except -1
    cdef bint push_wire(self, int64_t end) except -1
    cdef bint push_beside(self) except -1
    cdef bint push_bye(self, int64_t end) except -1
    cdef int fail(self, int problem) except -1
    cdef object disconnected(self)
