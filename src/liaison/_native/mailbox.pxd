"""What other compiled modules may do with a mailbox's end; mailbox.pyx says what it all means."""
from libc.stdint cimport int64_t

from liaison._native.end cimport End
from liaison._native.engine cimport *

cdef class MailboxEnd(End):
    cdef int put_object(self, object message, const liaison_wait *wait, liaison_receipt *receipt,
                        Py_ssize_t *size) except? -1
    cdef int send_at_once(self, bytes message) except -1
    cdef object receive_one(self, liaison_delivery *d)
    cdef bytes receive_bytes(self, liaison_delivery *d, int *settled)
    cdef object take_object(self, object default, int64_t nanoseconds)
    cdef object lease_of(self, liaison_delivery *d)
    cdef bint has_message(self) noexcept
    cdef int hopeless(self) except? -1
