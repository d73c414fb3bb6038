# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""Memory of a link, to write a message into."""

cimport cython
from cpython.buffer cimport Py_buffer, PyBuffer_FillInfo

from liaison._native.end cimport End
from liaison._native.engine cimport *
from liaison._native.handle cimport Held
from liaison._native.waiting cimport propagate, wait_of

from liaison._native.failure import failure


@cython.no_gc_clear
cdef class Loan(Held):
    """Memory of the mailbox, to write a message into and send without copying it.

    Supports the buffer protocol, and slices of bytes. A context manager: leaving its block without
    `send` discards it.
    """

    def __dealloc__(self):
        if not self.settled:
            self.settle()
            liaison_mailbox_discard(self.end.box, &self.loan_)
            self.unpin()

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if self.settled:
            raise BufferError("this loan was sent or discarded: its memory is not yours any more")
        PyBuffer_FillInfo(buffer, self, self.loan_.data, self.loan_.size, 0, flags)
        self.exports += 1

    @property
    def view(self):
        """The memory, writable; released when the loan is sent or discarded."""
        return self.open_window()

    def __len__(self):
        return self.loan_.size

    def __getitem__(self, index):
        return self.open_window()[index]

    def __setitem__(self, index, value):
        self.open_window()[index] = value

    def send(self, *, timeout=None):
        """Send what was written. `timeout` matters on a rendezvous link only."""
        cdef liaison_wait wait
        cdef End end = self.end
        wait_of(timeout, &wait)
        if self.settled:
            raise failure(LIAISON_LEASE_LOST, self.end.address)
        self.withdraw()
        self.settle()
        cdef int r = end.commit(&self.loan_, 0, &wait, NULL)
        self.unpin()
        if r == LIAISON_INTERRUPTED:
            propagate()
        if r != LIAISON_OK:
            raise end.fail(r, self.loan_.size)

    def discard(self):
        """Give the memory back without sending; idempotent."""
        if not self.settled:
            self.withdraw()
            self.settle()
            liaison_mailbox_discard(self.end.box, &self.loan_)
            self.unpin()

    cdef void abandon(self) noexcept:
        liaison_mailbox_discard(self.end.box, &self.loan_)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.discard()
        else:
            self.give_up()
