"""What other compiled modules may do with an end; end.pyx says what it all means."""
cimport cython
from libc.stdint cimport uint32_t

from liaison._native.engine cimport *
from liaison._native.handle cimport Handle

cdef enum:
    LARGE = 256 * 1024  # bytes; copied without the interpreter's lock

cdef class End(Handle):
    cdef readonly bint rendezvous
    cdef object coder  # made when a message first needs one: see `translator`
    cdef object make_coder
    cdef object forwarder  # callable(end, format, payload, attempt): sends a dead letter
    cdef object drainer  # callable(space, address), of a port with dead letters: drains it
    cdef str kind
    cdef bint created
    cdef bint bytes_only  # messages are bytes and arrive as bytes: no need to ask the coder
    cdef bint observing
    cdef bint has_dead_letters
    cdef readonly str dead_letters
    cdef uint32_t max_deliveries
    cdef size_t largest  # message that can be sent, bytes
    cdef Py_ssize_t places  # messages there can be at once
    cdef Py_ssize_t sent  # messages, and received; for the errors of pipes
    cdef Py_ssize_t received
    cdef object sender_name  # callable(): what a pair's sender is called, where that is known

    cdef int learn(self, const liaison_info *info) except -1
    cdef object translator(self)
    cdef object fail(self, int r, Py_ssize_t size=*)
    cdef int refuse(self) except -1
    cdef int drain_port(self) except -1
    cdef int copy_in(self, char *to, const char *head, Py_ssize_t h, const char *body,
                     Py_ssize_t n) except -1
    cdef int reserve(self, Py_ssize_t size, bint receipt, const liaison_wait *wait,
                     liaison_loan *loan) except? -1
    cdef int commit(self, liaison_loan *loan, uint32_t format, const liaison_wait *wait,
                    liaison_receipt *receipt) except? -1
    cdef int put(self, uint32_t format, const char *head, Py_ssize_t h, const char *body,
                 Py_ssize_t n, const liaison_wait *wait, liaison_receipt *receipt) except? -1
    cdef int get(self, const liaison_wait *wait, liaison_delivery *d) except? -1
    cdef int dead_letter(self, liaison_delivery *d) except -1
    cdef object copy_out(self, const liaison_delivery *d)
    cdef object read(self, liaison_delivery *d)

    @cython.final
    cdef inline int take_part(self) except -1:
        """What every operation begins with that is more than looking."""
        if self.is_closed or self.box == NULL or self.observing:
            self.refuse()
        return 0
