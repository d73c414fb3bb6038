# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""A port that its receiver has left behind."""

from cpython.buffer cimport PyBUF_READ
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.string cimport memset

from liaison._native.engine cimport *
from liaison._native.space cimport SpaceHandle

from liaison._native.failure import failure

cdef enum:
    DRAIN = 8  # of the engine's ways to open a link


cdef class Orphan:
    """A port without its receiver, opened to move what is in it to its dead letters.

    Raises `NotFound` when there is none, `Busy` while a living process drains it already.
    """

    cdef liaison_mailbox *box
    cdef SpaceHandle space
    cdef readonly str address
    cdef readonly str dead_letters

    def __init__(self, SpaceHandle space not None, str name, str address):
        cdef liaison_info info
        cdef liaison_policy policy
        cdef bytes what = name.encode()
        if self.box != NULL:
            raise RuntimeError("an orphan is opened once")
        memset(&policy, 0, sizeof(policy))
        policy.capacity = policy.pair_capacity = -1
        self.space = space
        self.address = address
        cdef int r = liaison_mailbox_open(space.space, what, <liaison_open>DRAIN, &policy, &self.box)
        if r != LIAISON_OK:
            raise failure(r, address, 0, "port")
        liaison_mailbox_describe(self.box, &info)
        self.dead_letters = (<bytes>info.policy.dead_letters).decode()

    def __dealloc__(self):
        self.close()

    cpdef close(self):
        """Let another process drain the rest; idempotent."""
        cdef liaison_mailbox *box = self.box
        self.box = NULL
        if box != NULL:
            liaison_mailbox_close(box)

    def move(self, forward):
        """Give each message to ``forward(format, payload)``, and then take it away.

        Dying between the two leaves it in both places rather than in neither. When that was all,
        the port is destroyed. Raises what `forward` raises, with the message put back, and `Busy`
        when a living process still holds one.
        """
        cdef liaison_delivery d
        cdef int r
        while True:
            if self.box == NULL:
                raise failure(LIAISON_CLOSED, self.address)
            r = liaison_port_undelivered(self.box, &d)
            if r == LIAISON_EMPTY or r == LIAISON_DESTROYED:
                return
            if r != LIAISON_OK:
                raise failure(r, self.address, 0, "port")
            view = PyMemoryView_FromMemory(<char *>d.data, d.size, PyBUF_READ)
            try:
                forward(d.format, view)
            except BaseException:
                liaison_mailbox_release(self.box, &d)
                raise
            finally:
                view.release()
            liaison_mailbox_dead_letter(self.box, &d)
