# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""What became of a message that was sent."""

cimport cython

from liaison._native.end cimport End
from liaison._native.engine cimport *
from liaison._native.space cimport peer_of
from liaison._native.waiting cimport propagate, wait_of

from liaison import errors
from liaison._native.failure import failure

STATES = {LIAISON_QUEUED: "queued", LIAISON_RECEIVED: "received",
          LIAISON_ACKNOWLEDGED: "acknowledged", LIAISON_DEAD_LETTERED: "dead-lettered"}


@cython.no_gc_clear
@cython.final
cdef class Receipt:
    """Follows a message that was sent with ``receipt=True``: who received it, and whether it was
    acknowledged. Each takes one of the link's places for receipts until it is dropped."""

    cdef int begin(self, End end, const liaison_receipt *receipt) except -1:
        self.end = end
        self.receipt = receipt[0]
        self.pinned = end.pin()
        return 0

    def __dealloc__(self):
        if self.end is not None:
            if self.end.box != NULL:
                liaison_receipt_drop(self.end.box, &self.receipt)
            self.end.unpin(self.pinned)

    cdef object look(self, int *state):
        cdef liaison_peer peer
        self.end.require_memory()
        cdef int r = liaison_receipt_state(self.end.box, &self.receipt, state, &peer)
        if r != LIAISON_OK:
            raise failure(LIAISON_LEASE_LOST, self.end.address)
        return peer_of(&peer) if state[0] != LIAISON_QUEUED else None

    @property
    def state(self):
        """``"queued"``, ``"received"``, ``"acknowledged"`` or ``"dead-lettered"``."""
        cdef int state
        self.look(&state)
        return STATES[state]

    cdef object late(self, int state):
        return errors.Empty(
            f"the message to {self.end.address} was not {STATES[state]} in time; "
            "wait longer with timeout=")

    cdef object wait_for(self, int state, timeout):
        cdef liaison_wait wait
        cdef int reached
        cdef int r
        cdef End end = self.end
        wait_of(timeout, &wait)
        end.require_memory()
        end.enter()
        try:
            with nogil:
                r = liaison_receipt_wait(end.box, &self.receipt, state, &wait)
        finally:
            end.exit()
        if r == LIAISON_INTERRUPTED:
            propagate()
        if r == LIAISON_EMPTY:
            raise self.late(state)
        if r != LIAISON_OK:
            raise end.fail(r)
        return self.look(&reached)

    def wait_received(self, timeout=None):
        """Wait until somebody has received the message; who, a `Peer`."""
        return self.wait_for(LIAISON_RECEIVED, timeout)

    def wait_acknowledged(self, timeout=None):
        """Wait until the message was acknowledged, or moved to the dead letters; by whom."""
        return self.wait_for(LIAISON_ACKNOWLEDGED, timeout)
