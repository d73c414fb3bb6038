"""What other compiled modules may do with a mailbox's end; mailbox.pyx says what it all means."""
from libc.stdint cimport int64_t, uint32_t

from liaison._native.carrier cimport CarrierEnd
from liaison._native.engine cimport *
from liaison._native.space cimport SpaceHandle

cdef int propagate() except -1
cdef int64_t wait_of(object timeout, liaison_wait *wait) except -2

cdef class End(CarrierEnd):
    cdef liaison_mailbox *box
    cdef SpaceHandle space
    cdef readonly str address
    cdef readonly bint rendezvous
    cdef object coder  # made when a message first needs one: see `translator`
    cdef object make_coder
    cdef object undertaker  # callable(end, format, payload, attempt): moves to the dead letters
    cdef object mourner  # callable(space, address) where a dead receiver's messages go there
    cdef str kind
    cdef bint created
    cdef bint bytes_only  # messages are bytes and arrive as bytes: no need to ask the coder
    cdef bint is_closed
    cdef bint observing
    cdef bint has_dead_letters
    cdef readonly str dead_letters
    cdef uint32_t max_deliveries
    cdef size_t largest  # message that can be sent, bytes
    cdef Py_ssize_t places  # messages there can be at once
    cdef int part  # of a pipe: which end of it this is
    cdef Py_ssize_t sent  # messages, and received; for the errors of pipes
    cdef Py_ssize_t received
    cdef bytes rest  # of a message that was read in part, from `rest_at` on; or None
    cdef Py_ssize_t rest_at
    cdef Py_ssize_t users
    cdef unsigned forks  # how often processes had forked, from the first to this one, when counted
    cdef Py_ssize_t pins  # of this process
    cdef object sender_name  # callable(): what a pair's sender is called, where that is known
    cdef void *held  # Held, the first of those not yet settled; borrowed

    cdef int learn(self, const liaison_info *info) except -1
    cdef int begin_pipe(self, SpaceHandle space, str address, make_coder, bint bytes_only,
                        liaison_mailbox *box, int part) except -1
    cdef object ending(self)
    cdef object wrong_end(self)
    cdef int hopeless(self) except? -1
    cdef object take_rest(self)
    cdef bytes receive_bytes(self, liaison_delivery *d, int *settled)
    cdef object translator(self)
    cdef int check(self) except -1
    cdef object fail(self, int r, Py_ssize_t size=*)
    cdef int take_part(self) except -1
    cdef int refuse(self) except -1
    cdef int send_at_once(self, bytes message) except -1
    cdef void leave(self) noexcept
    cdef void enter(self) noexcept
    cdef void exit(self) noexcept
    cdef void recount(self) noexcept
    cdef unsigned pin(self) noexcept
    cdef void unpin(self, unsigned pinned) noexcept
    cdef int lay_to_rest(self) except -1
    cdef int copy_in(self, char *to, const char *head, Py_ssize_t h, const char *body,
                     Py_ssize_t n) except -1
    cdef int reserve(self, Py_ssize_t size, bint receipt, const liaison_wait *wait,
                     liaison_loan *loan) except? -1
    cdef int commit(self, liaison_loan *loan, uint32_t format, const liaison_wait *wait,
                    liaison_receipt *receipt) except? -1
    cdef int put(self, uint32_t format, const char *head, Py_ssize_t h, const char *body,
                 Py_ssize_t n, const liaison_wait *wait, liaison_receipt *receipt) except? -1
    cdef int put_object(self, object message, const liaison_wait *wait, liaison_receipt *receipt,
                        Py_ssize_t *size) except? -1
    cdef int get(self, const liaison_wait *wait, liaison_delivery *d) except? -1
    cdef int bury(self, liaison_delivery *d) except -1
    cdef object copy_out(self, const liaison_delivery *d)
    cdef object read(self, liaison_delivery *d)
    cdef object receive_one(self, liaison_delivery *d)
    cdef object lease_of(self, liaison_delivery *d)
