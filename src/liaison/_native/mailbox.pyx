# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""A mailbox's end: all that is done with messages, at once or in steps."""

cimport cython
from cpython.buffer cimport PyBUF_CONTIG_RO, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from liaison._native.delivery cimport Delivery
from liaison._native.end cimport LARGE, End
from liaison._native.engine cimport *
from liaison._native.loan cimport Loan
from liaison._native.receipt cimport Receipt
from liaison._native.waiting cimport propagate, wait_of

from liaison import errors
from liaison._native.failure import failure
from liaison.deadline import Deadline, nanoseconds


cdef class MailboxEnd(End):
    """One end of a mailbox, or of another link whose messages are sent and received like its."""

    # ---- sending ------------------------------------------------------------------------

    @cython.final
    cdef int put_object(self, object message, const liaison_wait *wait, liaison_receipt *receipt,
                        Py_ssize_t *size) except? -1:
        """FULL and NO_RECEIVER are for the caller; anything else is raised.

        The caller is inside (`users`): another thread may close the end meanwhile.
        """
        cdef Py_buffer view
        cdef int r
        cdef bytes head
        self.take_part()
        if type(message) is bytes:
            size[0] = PyBytes_GET_SIZE(message)
            r = self.put(0, NULL, 0, PyBytes_AS_STRING(message), size[0], wait, receipt)
        else:
            format, head, body = self.translator().encode(message)
            PyObject_GetBuffer(body, &view, PyBUF_CONTIG_RO)
            try:
                self.check()  # encoding may have run anything
                size[0] = len(head) + view.len
                r = self.put(format, PyBytes_AS_STRING(head), len(head), <char *>view.buf,
                             view.len, wait, receipt)
            finally:
                PyBuffer_Release(&view)
        if r == LIAISON_OK or r == LIAISON_FULL or r == LIAISON_NO_RECEIVER:
            return r
        if r == LIAISON_INTERRUPTED:
            propagate()
        raise self.fail(r, size[0])

    @cython.final
    cdef int send_at_once(self, bytes message) except -1:
        """Whether it was sent; if not, a slower attempt reports why.

        No Python runs in here, so nobody can close this end meanwhile.
        """
        cdef liaison_loan loan
        cdef liaison_wait now
        cdef Py_ssize_t size = PyBytes_GET_SIZE(message)
        if self.rendezvous or size >= LARGE:
            return False
        self.take_part()
        if liaison_mailbox_loan_at_hand(self.box, size, False, &loan) != LIAISON_OK:
            return False
        memcpy(loan.data, PyBytes_AS_STRING(message), size)
        now.timeout = 0
        now.interrupted = NULL
        if liaison_mailbox_send_loan(self.box, &loan, 0, &now, NULL) != LIAISON_OK:
            return False
        self.sent += 1
        return True

    def send(self, message, *, timeout=None, bint receipt=False):
        """Send one message."""
        return self.send_object(message, timeout, receipt)

    @cython.final
    cdef object send_object(self, object message, object timeout, bint receipt):
        cdef liaison_wait wait
        cdef liaison_receipt ticket
        cdef Py_ssize_t size
        cdef Receipt result
        wait_of(timeout, &wait)
        if type(message) is bytes and not receipt and self.send_at_once(message):
            return None
        cdef int r
        self.enter()
        try:
            r = self.put_object(message, &wait, &ticket if receipt else NULL, &size)
            if r != LIAISON_OK:
                raise self.fail(r)
            if receipt:
                result = Receipt.__new__(Receipt)
                result.begin(self, &ticket)
                return result
        finally:
            self.exit()
            if self.is_closed:
                self.leave()

    def try_send(self, message):
        """Send one message if that needs no waiting; whether it was sent."""
        return self.try_send_object(message)

    @cython.final
    cdef bint try_send_object(self, object message) except -1:
        cdef liaison_wait wait
        cdef Py_ssize_t size
        wait_of(0, &wait)
        self.enter()
        try:
            return self.put_object(message, &wait, NULL, &size) == LIAISON_OK
        finally:
            self.exit()
            if self.is_closed:
                self.leave()

    # ---- sending in steps, for those who wait by a descriptor instead ---------------------

    def pack(self, message):
        """A message as it travels: its format, head and body. Encoding is done once."""
        self.take_part()
        if type(message) is bytes:
            return 0, b"", message
        return self.translator().encode(message)

    def post(self, tuple parcel, bint receipt=False, bint final=False):
        """Send a parcel if there is room for it: a receipt if one was asked for, else True.

        On a rendezvous link it is only offered, and the receipt tells when it was taken. None
        when there is no room; `Full` instead, if this is the `final` try.
        """
        cdef liaison_wait wait
        cdef liaison_receipt ticket
        cdef liaison_loan loan
        cdef Py_buffer view
        cdef Receipt result
        cdef Py_ssize_t size
        cdef int r
        cdef uint32_t format = parcel[0]
        cdef bytes head = parcel[1]
        wait_of(0, &wait)
        receipt = receipt or self.rendezvous
        PyObject_GetBuffer(parcel[2], &view, PyBUF_CONTIG_RO)
        self.enter()
        try:
            self.take_part()
            size = len(head) + view.len
            r = self.reserve(size, receipt, &wait, &loan)
            if r == LIAISON_OK:
                self.copy_in(<char *>loan.data, PyBytes_AS_STRING(head), len(head),
                             <char *>view.buf, view.len)
                if self.rendezvous:
                    r = liaison_mailbox_offer(self.box, &loan, format, &ticket)
                    if r == LIAISON_FULL:
                        liaison_mailbox_discard(self.box, &loan)
                else:
                    r = self.commit(&loan, format, &wait, &ticket if receipt else NULL)
            if r == LIAISON_OK:
                if not receipt:
                    return True
                result = Receipt.__new__(Receipt)
                result.begin(self, &ticket)
                return result
            if r == LIAISON_FULL and not final:
                return None
            if r == LIAISON_FULL and self.rendezvous:
                r = LIAISON_NO_RECEIVER
            raise self.fail(r, size)
        finally:
            PyBuffer_Release(&view)
            self.exit()
            if self.is_closed:
                self.leave()

    def room(self):
        """A descriptor that is readable when there may be room, or a receipt has changed.

        Arms it: look once more after this call, before waiting on it.
        """
        cdef int fd
        self.take_part()
        r = liaison_mailbox_doorbell_for_room(self.box, &fd)
        if r != LIAISON_OK:
            raise self.fail(r)
        return fd

    def send_many(self, messages, *, timeout=None):
        """Send messages in order; how many were accepted in time."""
        return self.send_objects(messages, timeout)

    @cython.final
    cdef Py_ssize_t send_objects(self, object messages, object timeout) except -1:
        cdef liaison_wait wait
        cdef Py_ssize_t size, count = 0
        cdef int64_t left = wait_of(timeout, &wait)
        cdef int r
        self.take_part()
        deadline = Deadline(timeout) if left > 0 else None
        self.enter()
        try:
            for message in messages:
                r = self.put_object(message, &wait, NULL, &size)
                if r != LIAISON_OK:
                    if count:
                        break
                    raise self.fail(r)
                count += 1
                if deadline is not None:  # one for all of them
                    wait.timeout = nanoseconds(deadline.remaining())
            return count
        finally:
            self.exit()
            if self.is_closed:
                self.leave()

    def forward(self, uint32_t format, payload):
        """Send a payload as it is, without waiting: how a message gets to the dead letters."""
        cdef liaison_wait wait
        cdef Py_buffer view
        wait_of(0, &wait)
        PyObject_GetBuffer(payload, &view, PyBUF_CONTIG_RO)
        self.enter()
        try:
            self.take_part()
            r = self.put(format, NULL, 0, <char *>view.buf, view.len, &wait, NULL)
            if r != LIAISON_OK:
                raise self.fail(r, view.len)
        finally:
            PyBuffer_Release(&view)
            self.exit()
            if self.is_closed:
                self.leave()

    def loan(self, Py_ssize_t size, *, timeout=None):
        """Memory of the mailbox to write a message into."""
        cdef liaison_wait wait
        cdef Loan result = Loan.__new__(Loan)
        if size < 0:
            raise ValueError(f"a loan has 0 or more bytes, not {size}")
        wait_of(timeout, &wait)
        self.take_part()
        cdef int r = self.reserve(size, False, &wait, &result.loan_)
        if r == LIAISON_INTERRUPTED:
            propagate()
        if r != LIAISON_OK:
            raise self.fail(r, size)
        result.begin(self, result.loan_.epoch)
        return result

    def offer(self, Loan loan not None):
        """Rendezvous: let it be taken, without waiting; a receipt, or None if there is no room."""
        cdef liaison_receipt ticket
        cdef Receipt result
        if loan.settled:
            raise failure(LIAISON_LEASE_LOST, self.address)
        loan.withdraw()
        cdef int r = liaison_mailbox_offer(self.box, &loan.loan_, 0, &ticket)
        if r == LIAISON_FULL:
            return None
        loan.settle()
        loan.unpin()
        if r != LIAISON_OK:
            raise self.fail(r, loan.loan_.size)
        result = Receipt.__new__(Receipt)
        result.begin(self, &ticket)
        return result

    def withdraw(self, Receipt receipt not None, bint raising=False):
        """Take an offer back, unless it was taken; with `raising`, raise `NoReceiver` then."""
        self.require_memory()
        cdef int r = liaison_mailbox_withdraw(self.box, &receipt.receipt)
        if r != LIAISON_OK and r != LIAISON_LEASE_LOST:
            raise failure(r, self.address)
        if raising and r == LIAISON_OK:
            raise failure(LIAISON_NO_RECEIVER, self.address)

    def reached(self, Receipt receipt not None, bint settled, bint final=False):
        """Who received the message, or, if `settled`, acknowledged it; None: nobody yet.

        `Empty` instead, if this is the `final` look. Raises when there is no hope of more.
        """
        cdef int state
        cdef int wanted = LIAISON_ACKNOWLEDGED if settled else LIAISON_RECEIVED
        peer = receipt.look(&state)
        if state >= wanted:
            return peer
        self.check()
        r = self.hopeless()
        if r != LIAISON_OK:
            raise self.fail(r)
        if final:
            raise receipt.late(wanted)
        return None

    # ---- receiving ----------------------------------------------------------------------

    cdef object receive_one(self, liaison_delivery *d):
        cdef int r
        if d.format == 0 and self.bytes_only and <Py_ssize_t>d.size < LARGE:
            message = self.receive_bytes(d, &r)  # runs no Python
            if r != LIAISON_OK and r != LIAISON_DESTROYED:
                raise self.fail(r)
            return message
        # Decoding may run Python, in which this end may be closed; it is given up only afterwards.
        self.enter()
        try:
            message = self.read(d)
            r = liaison_mailbox_acknowledge(self.box, d)
        finally:
            self.exit()
            if self.is_closed:
                self.leave()
        if r != LIAISON_OK and r != LIAISON_DESTROYED:
            raise self.fail(r)
        return message

    @cython.final
    cdef bytes receive_bytes(self, liaison_delivery *d, int *settled):
        """A copy of the payload; `settled` is what came of acknowledging it.

        The caller is inside (`users`) where it may be large.
        """
        cdef bytes copy
        try:
            copy = PyBytes_FromStringAndSize(NULL, d.size)
        except BaseException:
            liaison_mailbox_release(self.box, d)
            raise
        if <Py_ssize_t>d.size < LARGE:
            memcpy(PyBytes_AS_STRING(copy), d.data, d.size)
        else:
            self.copy_in(PyBytes_AS_STRING(copy), NULL, 0, <char *>d.data, d.size)
        settled[0] = liaison_mailbox_acknowledge(self.box, d)
        return copy

    def receive(self, *, timeout=None):
        """Receive one message."""
        return self.receive_object(timeout)

    cdef object receive_object(self, object timeout):
        cdef liaison_wait wait
        cdef liaison_delivery d
        wait_of(timeout, &wait)
        self.take_part()
        cdef int r = self.get(&wait, &d)
        if r != LIAISON_OK:
            raise self.fail(r)
        return self.receive_one(&d)

    def try_receive(self, default=None):
        """Receive one message if there is one, else return `default`."""
        return self.try_receive_object(default)

    cdef object try_receive_object(self, object default):
        cdef liaison_wait wait
        cdef liaison_delivery d
        wait_of(0, &wait)
        self.take_part()
        if self.get(&wait, &d) != LIAISON_OK:
            return default
        return self.receive_one(&d)

    def take(self, default, int64_t nanoseconds=0):
        """Receive one message if there is one, or comes within so short a time."""
        return self.take_object(default, nanoseconds)

    cdef object take_object(self, object default, int64_t nanoseconds):
        cdef liaison_delivery d
        cdef int r
        self.take_part()
        while True:
            r = liaison_mailbox_poll(self.box, nanoseconds, &d)
            if r == LIAISON_EMPTY or r == LIAISON_BUSY:
                return default
            if r != LIAISON_OK:
                raise self.fail(r)
            if not self.max_deliveries or d.attempt <= self.max_deliveries:
                return self.receive_one(&d)
            self.dead_letter(&d)
            self.check()  # which ran Python

    def receive_many(self, Py_ssize_t max, *, timeout=None):
        """Wait for one message and take those that follow it, at most `max` in all."""
        return self.receive_objects(max, timeout)

    cdef list receive_objects(self, Py_ssize_t max, object timeout):
        cdef liaison_wait wait
        cdef liaison_delivery *taken
        cdef Py_ssize_t count = 0, room, i
        cdef int r
        cdef list messages = []
        if max < 1:
            raise ValueError(f"max is 1 or more, not {max}")
        wait_of(timeout, &wait)
        self.take_part()
        room = max if max < self.places else self.places  # there are never more to take
        taken = <liaison_delivery *>malloc(room * sizeof(liaison_delivery))
        if taken == NULL:
            raise MemoryError
        self.enter()  # decoding runs Python, which may close this end
        try:
            r = self.get(&wait, &taken[0])
            if r != LIAISON_OK:
                raise self.fail(r)
            messages.append(self.read(&taken[0]))
            count = 1
            try:
                while count < room and not self.is_closed:
                    r = liaison_mailbox_try_take(self.box, &taken[count])
                    if r != LIAISON_OK:
                        break
                    if self.max_deliveries and taken[count].attempt > self.max_deliveries:
                        self.dead_letter(&taken[count])
                        continue
                    try:
                        messages.append(self.copy_out(&taken[count]))
                    except BaseException:
                        liaison_mailbox_release(self.box, &taken[count])
                        raise
                    count += 1
                    self.received += 1
            except errors.LiaisonError:
                # It cannot be decoded, or the dead letters have no room. It was released, and is
                # the first of the next call; this one returns those before it.
                pass
            except BaseException:
                for i in range(count):
                    liaison_mailbox_release(self.box, &taken[i])
                raise
            # Acknowledged together at the end: a death before returns all of them. The last one
            # first: a sender waits for the first one's place, and then finds all places free.
            for i in range(count - 1, -1, -1):
                liaison_mailbox_acknowledge(self.box, &taken[i])
            return messages
        finally:
            free(taken)
            self.exit()
            if self.is_closed:
                self.leave()

    def lease(self, *, timeout=None):
        """Receive one message and keep it until it is settled."""
        return self.lease_object(timeout)

    @cython.final
    cdef object lease_object(self, object timeout):
        cdef liaison_wait wait
        cdef Delivery result = Delivery.__new__(Delivery)
        wait_of(timeout, &wait)
        self.take_part()
        cdef int r = self.get(&wait, &result.delivery)
        if r != LIAISON_OK:
            raise self.fail(r)
        result.begin(self, result.delivery.epoch)
        return result

    cdef object lease_of(self, liaison_delivery *d):
        """The lease of what another compiled module took."""
        cdef Delivery result = Delivery.__new__(Delivery)
        result.delivery = d[0]
        result.begin(self, d.epoch)
        return result

    # ---- waiting ------------------------------------------------------------------------

    def ready(self):
        """Whether a receive would not have to wait. If it would, the descriptor is quiet now."""
        return self.has_message()

    cdef bint has_message(self) noexcept:
        if self.is_closed or self.box == NULL:
            return True
        return liaison_mailbox_ready(self.box) != LIAISON_EMPTY

    cdef int hopeless(self) except? -1:
        """LIAISON_OK while a message that was sent here may still be received."""
        cdef liaison_loan loan
        cdef int r = liaison_mailbox_ready(self.box)
        if liaison_mailbox_vanished(self.box):
            return LIAISON_DESTROYED  # no new receiver can find the link
        if r == LIAISON_DENIED:  # this end only sends: it learns by trying to
            r = liaison_mailbox_try_loan(self.box, 0, False, &loan)
            if r == LIAISON_OK:
                liaison_mailbox_discard(self.box, &loan)
            elif r == LIAISON_FULL:
                r = LIAISON_OK
        return LIAISON_OK if r == LIAISON_EMPTY else r

    def fileno(self):
        """A descriptor that is readable when there may be a message."""
        cdef int fd
        self.take_part()
        r = liaison_mailbox_doorbell(self.box, &fd)
        if r != LIAISON_OK:
            raise self.fail(r)
        return fd
