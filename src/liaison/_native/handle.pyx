# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""An end's hold on the engine's handle of a link, and what was handed out that needs it.

An end may be closed by one thread while another waits in it. So the engine's handle is given up
only when no thread is inside (`users`) and nothing that was handed out still uses its memory
(`pins`); until then a closed end refuses every operation. In a forked child only the thread that
forked exists, so only that one is still inside. And what had been handed out before the fork is the
parent's: it pins nothing in the child, because the variables that hold it may belong to threads
that do not exist there. The child may read it all the same, so its memory stays mapped.
"""

cimport cython
from cpython.buffer cimport Py_buffer
from libc.stdint cimport uint64_t

from liaison._native.carrier cimport CarrierEnd
from liaison._native.engine cimport *
from liaison._native.space cimport SpaceHandle

import os
from weakref import ref

from liaison._native.failure import failure

cdef extern from *:
    """
    /* The ends that this thread is inside of; how many, where it is more than there is room for. */
    #define LIAISON_DEEPEST 8 /* few: all modules of a process share little room of this kind */
    static __thread __attribute__((tls_model("initial-exec"))) void *inside[LIAISON_DEEPEST];
    static __thread __attribute__((tls_model("initial-exec"))) unsigned depth;
    /* Those that the thread which forked was inside of. */
    static void *inherited[LIAISON_DEEPEST];
    static unsigned inherited_depth, forks;

    static inline void liaison_enter(void *end)
    {
        if (depth < LIAISON_DEEPEST)
            inside[depth] = end;
        depth++;
    }
    static inline void liaison_exit(void) { depth--; }
    static void liaison_forked(void)
    {
        forks++;
        inherited_depth = depth < LIAISON_DEEPEST ? depth : LIAISON_DEEPEST;
        for (unsigned i = 0; i < inherited_depth; i++)
            inherited[i] = inside[i];
    }
    static long liaison_inherited(void *end)
    {
        long n = 0;
        for (unsigned i = 0; i < inherited_depth; i++)
            n += inherited[i] == end;
        return n;
    }
    """
    void liaison_enter(void *end) noexcept
    void liaison_exit() noexcept
    void liaison_forked() noexcept
    long liaison_inherited(void *end) noexcept
    unsigned forks


def _forked():
    liaison_forked()


os.register_at_fork(after_in_child=_forked)


cdef class Handle(CarrierEnd):
    """The engine's handle of a link, for as long as somebody needs it."""

    @cython.final
    cdef void enter(self) noexcept:
        """From here on another thread may close the end, which is still needed."""
        if self.forks != forks:
            self.recount()
        self.users += 1
        liaison_enter(<void *>self)

    @cython.final
    cdef void exit(self) noexcept:
        if self.forks != forks:
            self.recount()
        self.users -= 1
        liaison_exit()

    @cython.final
    cdef void recount(self) noexcept:
        """In a child: its parent's other threads are not here, and will never leave."""
        self.users = liaison_inherited(<void *>self)
        self.pins = 0
        self.forks = forks

    cdef unsigned pin(self) noexcept:
        """From here on something handed out needs the memory; returns what to give `unpin`."""
        if self.forks != forks:
            self.recount()
        self.pins += 1
        return self.forks

    cdef void unpin(self, unsigned pinned) noexcept:
        if self.forks != forks:
            self.recount()
        if pinned == self.forks:  # else it is the parent's
            self.pins -= 1
        self.leave()

    cdef int check(self) except -1:
        if self.is_closed or self.box == NULL:
            raise failure(LIAISON_CLOSED, self.address or "this mailbox")
        return 0

    cdef int require_memory(self) except -1:
        """A parent's delivery, or receipt, may be of an end that was closed in this process."""
        if self.box == NULL:
            raise failure(LIAISON_CLOSED, self.address)
        return 0

    cdef void leave(self) noexcept:
        """Give the engine's handle up when the end is closed and not needed any more."""
        cdef liaison_mailbox *box = self.box
        if self.forks != forks:
            self.recount()
        if self.is_closed and self.users == 0 and self.pins == 0 and box != NULL:
            if self.held != NULL:  # a parent's
                liaison_mailbox_keep_memory(box)
            while self.held != NULL:
                (<Held>self.held).settle()
            self.box = NULL
            liaison_mailbox_close(box)

    cdef int shut(self) except -1:
        """Refuse from now on, take back what was handed out, and give the handle up."""
        self.is_closed = True
        self.enter()
        liaison_mailbox_interrupt(self.box)
        cdef void *next = self.held
        cdef Held held
        while next != NULL:
            held = <Held>next
            next = held.next
            held.give_up()
        liaison_port_end(self.box)
        self.exit()
        self.leave()
        return 0

    def __dealloc__(self):
        if self.box != NULL:
            liaison_mailbox_close(self.box)

    @property
    def closed(self):
        """Whether this end was closed."""
        return self.is_closed


@cython.no_gc_clear  # settling it at the end of its life needs its end
cdef class Held:
    """What an end has handed to the user: it must be settled, and keeps the memory mapped.

    A message, or an error with its traceback, may refer to the delivery that it came with. Of such
    a cycle the collector frees what refers back, and the delivery with it.
    """

    def __cinit__(self):
        self.settled = True

    cdef int begin(self, Handle end, uint64_t epoch) except -1:
        self.end = end
        self.epoch = epoch
        self.settled = False
        self.next = end.held
        self.previous = NULL
        if end.held != NULL:
            (<Held>end.held).previous = <void *>self
        end.held = <void *>self
        self.pinned = end.pin()
        liaison_mailbox_hold(end.box)
        return 0

    cdef int settle(self) except -1:
        """Mark it as settled, before the interpreter's lock is released to another thread."""
        cdef Handle end = self.end
        self.settled = True
        if self.previous != NULL:
            (<Held>self.previous).next = self.next
        else:
            end.held = self.next
        if self.next != NULL:
            (<Held>self.next).previous = self.previous
        liaison_mailbox_unhold(end.box, self.epoch)
        return 0

    cdef int unpin(self) except -1:
        """The engine is done with it too."""
        self.end.unpin(self.pinned)
        return 0

    cdef int withdraw(self) except -1:
        """Make sure that no view of the memory is left."""
        window = None if self.window is None else self.window()
        if window is not None:
            window.release()  # BufferError when an array still uses it
        self.window = None
        if self.exports:
            raise BufferError(
                "a memoryview or an array still looks at this message's memory: "
                "drop it, or copy what it shows, before the message is settled")
        return 0

    cdef void abandon(self) noexcept:
        """Give it back to the engine, in the subclass's way."""

    cdef void give_up(self) noexcept:
        if self.settled:
            return
        try:
            self.withdraw()
        except BufferError:
            return  # still looked at: the memory stays until that ends
        self.settle()
        self.abandon()
        self.unpin()

    cdef object open_window(self):
        if self.settled:
            raise failure(LIAISON_LEASE_LOST, self.end.address if self.end else "a mailbox")
        # Weakly, for a memoryview holds on to what it shows: dropping a delivery must return it.
        window = None if self.window is None else self.window()
        if window is None:
            window = memoryview(self)
            self.window = ref(window)
        return window

    def __releasebuffer__(self, Py_buffer *buffer):
        self.exports -= 1

    def __bool__(self):
        return True  # also when it is empty
