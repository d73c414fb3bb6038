# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""A set of mailboxes' ends in shared memory that a thread waits for, all at once."""

from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.ref cimport PyObject
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc

from liaison._native.end cimport End
from liaison._native.engine cimport *
from liaison._native.link cimport end_of
from liaison._native.space cimport SpaceHandle
from liaison._native.thread cimport PyThread_get_thread_ident
from liaison._native.waiting cimport POLL, propagate, wait_of

from liaison._native.failure import failure

cdef enum:
    FOUND = 256  # told of at a time


cdef class Several:
    """The ends of one list, by their places in it.

    It knows the list by its objects' addresses, and holds none of them: whoever keeps it gives it
    up when one of them dies. One thread at a time waits with it. No signal's handler runs between
    the lines below, so that one who is interrupted has left it.
    """

    cdef liaison_several *engine
    cdef PyObject **known
    cdef Py_ssize_t size
    cdef size_t first  # that the next list of those found begins with, if it is among them
    cdef readonly bint busy  # a thread waits
    cdef unsigned long waiter  # that one
    cdef readonly bint exhausted  # too many threads of this process wait like this
    cdef public list references  # of who keeps it
    cdef object __weakref__

    @staticmethod
    def of(list ends not None):
        """A set for these ends; None where they do not fit into one.

        All must be open, take part, and be of the same space. Raises what `MailboxEnd.fileno` does.
        """
        cdef Several several = Several.__new__(Several)
        return several if several.begin(ends) else None

    cdef bint begin(self, list ends) except -1:
        cdef SpaceHandle space = None
        cdef End end
        cdef Py_ssize_t i
        cdef set seen = set()
        cdef int r
        for link in ends:
            one = end_of(link)
            if not isinstance(one, End):
                return False
            end = <End>one
            if end.is_closed or end.box == NULL or end.observing:
                return False
            space = end.space
        if space is None:
            return False
        self.known = <PyObject **>malloc(len(ends) * sizeof(PyObject *))
        if self.known == NULL:
            raise MemoryError
        r = liaison_several_open(space.space, &self.engine)
        if r != LIAISON_OK:
            raise failure(r, space.name)
        for i, one in enumerate(ends):
            self.known[i] = <PyObject *>one
            if id(one) in seen:
                continue
            seen.add(id(one))
            end = <End>end_of(one)
            r = liaison_mailbox_ready(end.box)
            if r == LIAISON_DENIED:
                raise end.fail(r)
            r = liaison_several_add(self.engine, end.box, i)
            if r == LIAISON_INVALID:
                return False
            if r != LIAISON_OK:
                raise end.fail(r)
        self.size = len(ends)
        return True

    cpdef bint knows(self, list ends):
        """Whether it is the set of exactly these, in this order."""
        cdef Py_ssize_t i
        if self.size != PyList_GET_SIZE(ends):
            return False
        for i in range(self.size):
            if self.known[i] != PyList_GET_ITEM(ends, i):
                return False
        return True

    def wait(self, list ends not None, object timeout):
        """Those of the ends that can be received from, within `timeout` seconds; [] otherwise.

        None when it cannot be said: another thread waits with this set, or it was given up
        meanwhile, or it is `exhausted`.
        """
        cdef uint64_t tags[FOUND]
        cdef size_t count = 0, i
        cdef liaison_wait wait
        cdef int r = LIAISON_EMPTY
        if self.busy or self.engine == NULL or not self.knows(ends):
            return None
        wait_of(timeout, &wait)
        self.busy = True
        self.waiter = PyThread_get_thread_ident()
        r = liaison_several_poll(self.engine, POLL if wait.timeout != 0 else 0, tags, FOUND, &count)
        if r == LIAISON_EMPTY:
            with nogil:
                r = liaison_several_wait(self.engine, &wait, tags, FOUND, &count)
        self.busy = False
        self.exhausted = r == LIAISON_EXHAUSTED
        if self.size < 0:
            self.close()
        if r == LIAISON_INTERRUPTED:
            propagate()
        if r == LIAISON_EXHAUSTED or (r == LIAISON_OK and count == 0):
            return None
        if r == LIAISON_EMPTY:
            return []
        if r != LIAISON_OK:
            raise failure(r, ends[0].address)
        if count == 1:
            self.first = <size_t>tags[0] + 1
            return [ends[<Py_ssize_t>tags[0]]]
        cdef list places = sorted([tags[i] for i in range(count)])
        cdef Py_ssize_t begin = 0
        for i in range(count):
            if <size_t>places[i] >= self.first:
                begin = i
                break
        places = places[begin:] + places[:begin]
        self.first = <size_t>places[0] + 1
        return [ends[place] for place in places]

    def has(self, end):
        """Whether `end` is one of its ends."""
        cdef Py_ssize_t i
        for i in range(self.size):
            if end_of(<object>self.known[i]) is end:
                return True
        return False

    cpdef close(self):
        """Give everything up. Whoever waits is called away, and does it then."""
        cdef liaison_several *engine = self.engine
        self.size = -1
        if engine == NULL:
            return
        if self.busy:
            liaison_several_call(engine)
            return
        self.engine = NULL
        liaison_several_close(engine)

    def abandon(self):
        """In a forked child: whoever waits is the parent's, unless it is who forked."""
        if self.waiter != PyThread_get_thread_ident():
            self.busy = False
        self.close()

    def __dealloc__(self):
        if self.engine != NULL:
            liaison_several_close(self.engine)
        free(self.known)
