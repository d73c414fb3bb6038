# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""A message that was received and is kept until it is settled."""

cimport cython
from cpython.buffer cimport Py_buffer, PyBuffer_FillInfo

from liaison._native.end cimport End
from liaison._native.engine cimport *
from liaison._native.handle cimport Held
from liaison._native.space cimport peer_of

from liaison import errors
from liaison._native.failure import failure


@cython.no_gc_clear
@cython.final
cdef class Delivery(Held):
    """A message under lease; a context manager that acknowledges it at the end of its block.

    Leaving the block by an exception gives the message to the next receiver instead, with
    `attempt` raised. So does dying, or dropping the delivery without settling it.
    """

    def __dealloc__(self):
        if not self.settled:
            self.settle()
            liaison_mailbox_release(self.end.box, &self.delivery)
            self.unpin()

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if self.settled:
            raise BufferError("this message was settled: its memory may carry another by now")
        PyBuffer_FillInfo(buffer, self, <void *>self.delivery.data, self.delivery.size, 1, flags)
        self.exports += 1

    @property
    def view(self):
        """The received bytes in place, read-only; released when the message is settled."""
        return self.open_window()

    @property
    def message(self):
        """The message. Raises `DecodeError` when it cannot be decoded."""
        cdef End end
        if self.decoded is None:
            if self.settled:
                raise failure(LIAISON_LEASE_LOST, self.end.address)
            end = self.end
            self.exports += 1  # closing must not give it away while it is being read
            try:
                self.decoded = (end.copy_out(&self.delivery),)
            finally:
                self.exports -= 1
        return self.decoded[0]

    @property
    def sender(self):
        """The process that sent it, a `Peer`."""
        cdef liaison_peer peer
        cdef End end
        if self.from_ is None:
            end = self.end
            end.require_memory()
            liaison_mailbox_peer(end.box, self.delivery.sender, self.delivery.sender_pid,
                                 &peer)
            self.from_ = peer_of(&peer)
            if end.sender_name is not None:
                self.from_ = self.from_.but(name=end.sender_name())
        return self.from_

    @property
    def attempt(self):
        """How many times it was delivered: 1 at first."""
        return self.delivery.attempt

    def __len__(self):
        return self.delivery.size

    def acknowledge(self):
        """Be done with the message: it is gone, and makes room for another."""
        if self.settled:
            raise failure(LIAISON_LEASE_LOST, self.end.address)
        self.withdraw()
        self.settle()
        cdef int r = liaison_mailbox_acknowledge(self.end.box, &self.delivery)
        self.unpin()
        if r != LIAISON_OK:
            raise failure(r, self.end.address)

    def release(self):
        """Give the message to the next receiver, ahead of the rest, with `attempt` raised."""
        cdef End end = self.end
        cdef int r = LIAISON_OK
        if self.settled:
            raise failure(LIAISON_LEASE_LOST, self.end.address)
        self.withdraw()
        self.settle()
        try:
            if end.max_deliveries and self.delivery.attempt >= end.max_deliveries:
                end.dead_letter(&self.delivery)  # or, raising, releases it
            else:
                r = liaison_mailbox_release(end.box, &self.delivery)
        finally:
            self.unpin()
        if r != LIAISON_OK:
            raise failure(r, self.end.address)

    cdef void abandon(self) noexcept:
        liaison_mailbox_release(self.end.box, &self.delivery)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self.settled:
            return
        if kind is None:
            self.acknowledge()
        else:
            try:
                self.release()
            except (BufferError, errors.LiaisonError):
                # The block's own exception matters more. What still looks at the memory keeps
                # the lease until it is dropped; then the message goes back by itself.
                pass
