# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""An end of a pipe: what a mailbox's does, of one side only, and bytes whatever the messages."""

cimport cython
from cpython.buffer cimport PyBUF_CONTIG_RO, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.string cimport memset

from liaison._native.engine cimport *
from liaison._native.mailbox cimport MailboxEnd
from liaison._native.space cimport SpaceHandle
from liaison._native.waiting cimport propagate, wait_of

from liaison import errors
from liaison._native.failure import failure, held_name

cdef enum:
    NO_PART, READS, WRITES


cdef class PipeEnd(MailboxEnd):
    """One end of a pipe."""

    cdef int part  # which end this is
    cdef bytes rest  # of a message that was read in part, from `rest_at` on; or None
    cdef Py_ssize_t rest_at

    cdef int begin_pipe(self, SpaceHandle space, str address, make_coder, bint bytes_only,
                        liaison_mailbox *box, int part) except -1:
        """Be an end of a pipe, which `box` is. With no address, it is named by the link's id."""
        cdef liaison_info info
        self.box = box
        self.space = space
        self.make_coder = make_coder
        self.bytes_only = bytes_only
        self.part = part
        liaison_mailbox_describe(box, &info)
        self.learn(&info)
        self.address = address or f"pipe:{(<bytes>info.id).decode()[:8]}"
        return 0

    def adopt(self, SpaceHandle space not None, int memory, int token, bint reads, make_coder,
               bint bytes_only):
        """Be the end of a pipe whose descriptors these are; on success they are this end's."""
        cdef liaison_mailbox *box
        cdef boolean receives = False
        self.is_closed = True
        r = liaison_pipe_adopt(space.space, memory, token, &box, &receives)
        if r == LIAISON_NOT_FOUND or r == LIAISON_MISMATCH:
            raise errors.NotFound(
                f"descriptors {memory} and {token} are no end of a pipe here: hand it over with "
                "pass_fds=, to a process of the same user, and take it once")
        if r != LIAISON_OK:
            raise failure(r, "this pipe", 0, "pipe")
        self.is_closed = False
        self.begin_pipe(space, "", make_coder, bytes_only, box, READS if receives else WRITES)
        if bool(receives) != reads:
            self.close()
            raise errors.Mismatch(f"{self.address} was handed over by its other end")

    @property
    def home(self):
        """The space that it is in."""
        return self.space

    def descriptors(self):
        """Those of the pipe's memory and of its token."""
        cdef int memory, token
        self.check()
        r = liaison_pipe_descriptors(self.box, &memory, &token)
        if r != LIAISON_OK:
            raise failure(r, self.address, 0, self.kind)
        return memory, token

    cdef object fail(self, int r, Py_ssize_t size=0):
        if r == LIAISON_DESTROYED and not liaison_pipe_destroyed(self.box):
            return self.ending()
        if r == LIAISON_DENIED:
            return self.wrong_end()
        return MailboxEnd.fail(self, r, size)

    cdef object ending(self):
        """The other side of a pipe is gone."""
        cdef liaison_statistics s
        cdef int64_t taken = 0
        if self.part == READS:
            clean = self.kind == "pipe" or liaison_pipe_closed_cleanly(self.box)
            return errors.Ended(
                f"{self.address} has ended: everything was received, and nobody is left who "
                "could send more", clean=clean, received=self.received)
        if liaison_mailbox_statistics(self.box, &s) == LIAISON_OK:
            # All messages of other writers may have been taken before ours.
            taken = <int64_t>s.taken - (<int64_t>s.accepted - self.sent)
        return errors.Disconnected(
            f"{self.address} is broken: nobody is left who could receive from it",
            sent=self.sent, confirmed=min(max(taken, 0), self.sent))

    cdef object wrong_end(self):
        if self.kind == "named pipe":
            return errors.AccessDenied(
                f"{self.address} is the end of the process that forked this one; "
                "open the named pipe here")
        return errors.AccessDenied(
            f"with this end of {self.address} you can only "
            f"{'receive' if self.part == READS else 'send'}")

    cdef void leave(self) noexcept:
        MailboxEnd.leave(self)
        if self.box == NULL:
            self.space = None

    # ---- bytes --------------------------------------------------------------------------

    @property
    def largest_message(self):
        """The bytes of the largest message."""
        return self.largest

    def write(self, data, Py_ssize_t most):
        """Send bytes, in as many messages of at most `most` bytes as it takes; how many bytes."""
        cdef liaison_wait wait
        cdef Py_buffer view
        cdef Py_ssize_t at = 0, n
        cdef int r
        wait_of(None, &wait)
        PyObject_GetBuffer(data, &view, PyBUF_CONTIG_RO)
        self.enter()
        try:
            self.take_part()
            while at < view.len:
                n = min(view.len - at, most, <Py_ssize_t>self.largest)
                r = self.put(0, NULL, 0, <char *>view.buf + at, n, &wait, NULL)
                if r == LIAISON_INTERRUPTED:
                    propagate()
                if r != LIAISON_OK:
                    raise self.fail(r, n)
                at += n
            return view.len
        finally:
            PyBuffer_Release(&view)
            self.exit()
            if self.is_closed:
                self.leave()

    def chunk(self, *, timeout=None):
        """Bytes of the next message, or the rest of one, and where in them to begin."""
        cdef liaison_wait wait
        cdef liaison_delivery d
        self.take_part()
        if self.rest is not None:
            chunk = (self.rest, self.rest_at)
            self.rest = None
            return chunk
        wait_of(timeout, &wait)
        cdef int r = self.get(&wait, &d)
        if r != LIAISON_OK:
            raise self.fail(r)
        self.enter()
        try:
            payload = self.receive_bytes(&d, &r)
        finally:
            self.exit()
            if self.is_closed:
                self.leave()
        if d.format == 0:
            return payload, 0
        raise errors.DecodeError(
            f"a message came through {self.address} that is not bytes, where bytes were read; "
            "take such messages with receive()", payload=payload, format=d.format)

    def put_back(self, bytes rest not None, Py_ssize_t at):
        """What of a chunk was not used, from `at` on: the next one."""
        if self.rest is not None:  # behind what is put back now
            rest, at = rest[at:] + self.rest[self.rest_at:], 0
        if at < PyBytes_GET_SIZE(rest):
            self.rest = rest
            self.rest_at = at

    @cython.final
    cdef object take_rest(self):
        """What is left of a message that was read in part."""
        self.take_part()
        rest = self.rest[self.rest_at:]
        self.rest = None
        return rest

    # ---- messages, of which the first may have been read in part ------------------------

    cdef object receive_object(self, object timeout):
        cdef liaison_wait wait
        if self.rest is None:
            return MailboxEnd.receive_object(self, timeout)
        wait_of(timeout, &wait)
        return self.take_rest()

    cdef object try_receive_object(self, object default):
        if self.rest is None:
            return MailboxEnd.try_receive_object(self, default)
        return self.take_rest()

    cdef object take_object(self, object default, int64_t nanoseconds):
        if self.rest is None:
            return MailboxEnd.take_object(self, default, nanoseconds)
        return self.take_rest()

    cdef list receive_objects(self, Py_ssize_t max, object timeout):
        cdef liaison_wait wait
        if self.rest is None or max < 1:
            return MailboxEnd.receive_objects(self, max, timeout)
        wait_of(timeout, &wait)
        return [self.take_rest()]

    cdef bint has_message(self) noexcept:
        return self.rest is not None or MailboxEnd.has_message(self)


cdef int pipe_policy(liaison_policy *policy, int64_t capacity, max_message, memory) except -1:
    memset(policy, 0, sizeof(liaison_policy))
    policy.capacity = capacity
    policy.pair_capacity = -1
    policy.max_message = max_message
    policy.memory = memory
    return 0


def open_pipe(PipeEnd reader not None, PipeEnd writer not None, SpaceHandle space not None,
              make_coder, bint bytes_only, *, int64_t capacity, max_message, memory):
    """Make a pipe; the two become its ends."""
    cdef liaison_policy policy
    cdef liaison_mailbox *one
    cdef liaison_mailbox *other
    pipe_policy(&policy, capacity, max_message, memory)
    cdef int r
    with nogil:
        r = liaison_pipe_create(space.space, &policy, &one, &other)
    reader.is_closed = writer.is_closed = r != LIAISON_OK
    if r != LIAISON_OK:
        if r == LIAISON_INTERRUPTED:
            propagate()
        raise failure(r, "a pipe", 0, "pipe")
    reader.begin_pipe(space, "", make_coder, bytes_only, one, READS)
    writer.begin_pipe(space, "", make_coder, bytes_only, other, WRITES)


def open_named_pipe(PipeEnd reader not None, PipeEnd writer not None, SpaceHandle space not None,
                    str name, str address, make_coder, bint bytes_only, *, int64_t capacity,
                    max_message, memory):
    """Be a side of a named pipe; the two become its ends for the way here and the way there."""
    cdef liaison_policy policy
    cdef liaison_mailbox *there
    cdef liaison_mailbox *here
    cdef bytes what = name.encode()
    pipe_policy(&policy, capacity, max_message, memory)
    cdef int r
    cdef const char *called = what
    with nogil:
        r = liaison_named_pipe_open(space.space, called, &policy, &there, &here)
    reader.is_closed = writer.is_closed = r != LIAISON_OK
    if r != LIAISON_OK:
        if r == LIAISON_DESTROYED:
            raise held_name(address)
        if r == LIAISON_INTERRUPTED:
            propagate()
        raise failure(r, address, 0, "named pipe")
    reader.begin_pipe(space, address, make_coder, bytes_only, here, READS)
    writer.begin_pipe(space, address, make_coder, bytes_only, there, WRITES)
