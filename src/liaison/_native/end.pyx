# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""An end of a link in shared memory: opening it, payloads that go in and come out, and looking.

The lock of the interpreter is held while an operation can be tried, and for a microsecond of
polling, which is less than giving it up and taking it back would cost; it is released to spin
longer, to sleep, and to copy a quarter of a megabyte or more.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.buffer cimport PyBUF_READ
from cpython.exc cimport PyErr_CheckSignals
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset, strncpy

from liaison._native.engine cimport *
from liaison._native.facts cimport facts_of, statistics_of
from liaison._native.handle cimport Handle
from liaison._native.space cimport SpaceHandle, peer_of
from liaison._native.waiting cimport POLL, propagate

from liaison import errors
from liaison._native.carrier import closed, closing
from liaison._native.facts import (
    ACCESS as _ACCESS, KIND_NUMBERS as _KIND_NUMBERS, KINDS as _KINDS, LIFETIMES as _LIFETIMES,
)
from liaison._native.failure import MAKERS as _MAKERS, failure, held_name

cdef size_t MAX_ATTACHED = 1024

OPEN, CREATE, OPEN_OR_CREATE, OBSERVE = 1, 2, 3, 4


cdef int drain_quietly(drainer, space, address) except -1:
    """For a caller that raises an error of its own: the next process tries again."""
    try:
        drainer(space, address)
    except (errors.LiaisonError, OSError):
        pass
    return 0


cdef class End(Handle):
    """One end of a link in shared memory."""

    def begin_link(self, SpaceHandle space not None, str name, str address, int how, make_coder,
               bint bytes_only, forwarder, drainer, *, kind=None, int64_t capacity=-1,
               access=None, max_message=0, memory=0, uint32_t max_deliveries=0,
               str dead_letters="", str default_dead_letters="", lifetime=None,
               int64_t pair_capacity=-1):
        """Open or create the link; once, before anything else. `kind` None: any that exists."""
        cdef liaison_policy policy
        cdef liaison_info info
        cdef bytes what = name.encode()
        cdef bytes letters = dead_letters.encode()
        if len(letters) >= LIAISON_ADDRESS_MAX:
            raise errors.InvalidAddress(
                f"dead_letters= has {len(letters)} bytes; at most {LIAISON_ADDRESS_MAX - 1} fit")
        memset(&policy, 0, sizeof(policy))
        policy.kind = _KIND_NUMBERS[kind] if kind is not None else 0
        policy.capacity = capacity
        policy.access = _ACCESS[access] if access is not None else 0
        policy.max_message = max_message
        policy.memory = memory
        policy.max_deliveries = max_deliveries
        policy.lifetime = _LIFETIMES[lifetime]
        policy.pair_capacity = pair_capacity
        strncpy(policy.dead_letters, letters, LIAISON_ADDRESS_MAX - 1)
        self.space = space
        self.address = address
        self.observing = how == OBSERVE
        self.make_coder = make_coder
        self.bytes_only = bytes_only
        self.forwarder = forwarder
        self.kind = kind
        self.created = how == CREATE
        self.is_closed = False  # it may be the second attempt
        cdef int r
        cdef const char *called = what
        cdef liaison_open opening = <liaison_open><int>how
        cdef liaison_mailbox **box = &self.box
        try:
            while True:
                with nogil:
                    r = liaison_mailbox_open(space.space, called, opening, &policy, box)
                if r == LIAISON_ORPHANED:
                    if how == OPEN:  # its name is free, or will be
                        drain_quietly(drainer, space, address)
                        r = LIAISON_NOT_FOUND
                        break
                    drainer(space, address)
                elif ((r == LIAISON_MISMATCH or r == LIAISON_NAME_TAKEN) and how != OBSERVE
                        and kind != "port" and kind is not None):
                    # A port that has ended keeps no name from other kinds of links either.
                    if not drainer(space, address):
                        break
                elif r == LIAISON_INTERRUPTED:
                    propagate()
                elif r != -4:  # EINTR
                    break
                else:
                    PyErr_CheckSignals()
            if r == LIAISON_DESTROYED:
                raise held_name(address)
            if r != LIAISON_OK:
                raise failure(r, address, 0, self.kind)
        except BaseException:
            self.is_closed = True
            raise
        liaison_mailbox_describe(self.box, &info)
        self.learn(&info)
        if not self.dead_letters and self.max_deliveries:
            self.dead_letters = default_dead_letters
        self.has_dead_letters = bool(self.dead_letters) and self.kind != "direct"
        if self.kind == "port" and self.has_dead_letters:
            self.drainer = drainer

    cdef int learn(self, const liaison_info *info) except -1:
        """Note the properties of the link that was opened."""
        self.kind = _KINDS[info.policy.kind]
        self.max_deliveries = info.policy.max_deliveries
        self.dead_letters = (<bytes>info.policy.dead_letters).decode()
        self.places = info.policy.capacity or 64
        self.largest = info.largest
        self.rendezvous = info.policy.capacity == 0
        return 0

    @cython.final
    cdef object translator(self):
        """The coder. Bytes need none, and msgspec takes longer to import than all the rest."""
        if self.coder is None:
            self.coder = self.make_coder()
        return self.coder

    cdef object fail(self, int r, Py_ssize_t size=0):
        """The exception for the engine's result. An orphaned port is drained before."""
        if r == LIAISON_DESTROYED and liaison_space_lost(self.space.space):
            return errors.Destroyed(
                f"{self.address} is gone: {self.space.path}/members, the table of the processes "
                "that use its space, was removed, replaced or cut off, and nobody can tell any "
                "more which of them live; end them, and remove what is left with `liaison clean`")
        if r == LIAISON_DESTROYED and self.drainer is not None and not self.observing:
            drain_quietly(self.drainer, self.space, self.address)
        elif r == LIAISON_DENIED and self.kind == "port":
            return errors.AccessDenied(
                f"{self.address} has one receiver, the process that created it; "
                "with this end you can only send")
        return failure(r, self.address, size, self.kind)

    @cython.final
    cdef int refuse(self) except -1:
        self.check()
        raise errors.AccessDenied(
            f"{self.address} was opened to observe it; "
            f"use {_MAKERS[self.kind]}.open(...) to take part")

    def close(self):
        """Give up this end; idempotent."""
        if self.is_closed or self.box == NULL:
            return
        for callback in closing:
            callback(self)
        self.shut()
        for callback in closed:
            callback(self)
        if self.drainer is not None and self.created:
            self.drain_port()

    cdef int drain_port(self) except -1:
        """Move what is in an orphaned port to its dead letters."""
        try:
            self.drainer(self.space, self.address)
        except errors.Busy:
            pass  # the receiver still has a message of it, or another process drains it
        return 0

    def destroy(self, *, bint force=False):
        """Destroy the mailbox for everybody."""
        self.check()
        r = liaison_mailbox_destroy(self.box, force)
        if r != LIAISON_OK:
            raise failure(r, self.address)
        if self.drainer is not None:
            self.drain_port()

    # ---- payloads that go in ------------------------------------------------------------

    @cython.final
    cdef int copy_in(self, char *to, const char *head, Py_ssize_t h, const char *body,
                     Py_ssize_t n) except -1:
        """The caller is inside (`users`) where the payload may be large."""
        if h:
            memcpy(to, head, h)
        if n < LARGE:
            memcpy(to + h, body, n)
        else:
            with nogil:
                memcpy(to + h, body, n)
        return 0

    @cython.final
    cdef int reserve(self, Py_ssize_t size, bint receipt, const liaison_wait *wait,
                     liaison_loan *loan) except? -1:
        cdef int r = liaison_mailbox_loan_at_hand(self.box, size, receipt, loan)
        if r == LIAISON_FULL:
            self.enter()
            with nogil:
                r = liaison_mailbox_loan(self.box, size, receipt, wait, loan)
            self.exit()
            if self.is_closed:
                if r == LIAISON_OK:
                    liaison_mailbox_discard(self.box, loan)
                self.leave()
                if r != LIAISON_INTERRUPTED:
                    raise failure(LIAISON_CLOSED, self.address)
        return r

    @cython.final
    cdef int commit(self, liaison_loan *loan, uint32_t format, const liaison_wait *wait,
                    liaison_receipt *receipt) except? -1:
        cdef int r
        if not self.rendezvous:
            r = liaison_mailbox_send_loan(self.box, loan, format, wait, receipt)
        else:
            self.enter()
            with nogil:
                r = liaison_mailbox_send_loan(self.box, loan, format, wait, receipt)
            self.exit()
        if r == LIAISON_OK:
            self.sent += 1
        return r

    @cython.final
    cdef int put(self, uint32_t format, const char *head, Py_ssize_t h, const char *body,
                 Py_ssize_t n, const liaison_wait *wait, liaison_receipt *receipt) except? -1:
        cdef liaison_loan loan
        cdef int r = self.reserve(h + n, receipt != NULL, wait, &loan)
        if r == LIAISON_OK:
            self.copy_in(<char *>loan.data, head, h, body, n)
            r = self.commit(&loan, format, wait, receipt)
        return r

    # ---- payloads that come out ---------------------------------------------------------

    cdef int get(self, const liaison_wait *wait, liaison_delivery *d) except? -1:
        """EMPTY and BUSY are for the caller; anything else is raised."""
        cdef int r
        while True:
            r = liaison_mailbox_try_take(self.box, d)
            if r == LIAISON_EMPTY or r == LIAISON_BUSY:
                if wait.timeout:
                    r = liaison_mailbox_poll(self.box, POLL, d)
                if r == LIAISON_EMPTY or r == LIAISON_BUSY:
                    self.enter()
                    with nogil:
                        r = liaison_mailbox_take(self.box, wait, d)
                    self.exit()
                    if self.is_closed:
                        if r == LIAISON_OK:
                            liaison_mailbox_release(self.box, d)
                        elif r == LIAISON_INTERRUPTED:
                            self.leave()
                            propagate()
                        self.leave()
                        raise failure(LIAISON_CLOSED, self.address)
            if r == LIAISON_OK:
                if self.max_deliveries and d.attempt > self.max_deliveries:
                    self.dead_letter(d)
                    self.check()  # which ran Python
                    continue
                self.received += 1
                return r
            if r == LIAISON_EMPTY or r == LIAISON_BUSY:
                return r
            if r == LIAISON_INTERRUPTED:
                propagate()
            raise self.fail(r)

    @cython.final
    cdef int dead_letter(self, liaison_delivery *d) except -1:
        """Move a message to the dead letters; if they have no room it stays, and raise `Full`."""
        view = PyMemoryView_FromMemory(<char *>d.data, d.size, PyBUF_READ)
        self.enter()
        try:
            self.forwarder(self, d.format, view, d.attempt)
            liaison_mailbox_dead_letter(self.box, d)
        except BaseException:
            liaison_mailbox_release(self.box, d)
            raise
        finally:
            view.release()
            self.exit()
            if self.is_closed:
                self.leave()
        return 0

    @cython.final
    cdef object copy_out(self, const liaison_delivery *d):
        """The message as the user gets it."""
        cdef bytes copy
        cdef char *to
        if d.format == 0 and self.bytes_only:
            if <Py_ssize_t>d.size < LARGE:
                return PyBytes_FromStringAndSize(<char *>d.data, d.size)
            copy = PyBytes_FromStringAndSize(NULL, d.size)
            to = PyBytes_AS_STRING(copy)
            self.enter()
            with nogil:
                memcpy(to, d.data, d.size)
            self.exit()
            return copy
        view = PyMemoryView_FromMemory(<char *>d.data, d.size, PyBUF_READ)
        self.enter()
        try:
            return self.translator().decode(d.format, view)
        finally:
            self.exit()
            view.release()

    @cython.final
    cdef object read(self, liaison_delivery *d):
        """The message, still leased; settled, if it cannot be decoded."""
        try:
            return self.copy_out(d)
        except errors.DecodeError:
            # It would fail for the next receiver too. The exception has the payload, and so have
            # the dead letters, if the link has them.
            if self.box != NULL:
                if self.has_dead_letters:
                    self.dead_letter(d)
                else:
                    liaison_mailbox_acknowledge(self.box, d)
            raise
        except BaseException:
            if self.box != NULL:
                liaison_mailbox_release(self.box, d)
            raise

    # ---- seeing -------------------------------------------------------------------------

    def __len__(self):
        cdef uint32_t count = 0
        self.check()
        r = liaison_mailbox_waiting(self.box, &count)
        if r != LIAISON_OK:
            raise self.fail(r)
        return count

    def peek(self, Py_ssize_t max=10):
        """Copies of the messages that wait, oldest first; takes nothing."""
        self.check()
        if max < 0:
            raise ValueError(f"max is 0 or more, not {max}")
        found = _Peek()
        found.end = self
        found.messages = []
        self.enter()
        r = liaison_mailbox_peek(self.box, max, visit, <void *>found)
        self.exit()
        if self.is_closed:
            self.leave()
        if found.error is not None:
            raise found.error
        if r != LIAISON_OK:
            raise self.fail(r)
        return found.messages

    def statistics(self):
        """A snapshot of the counts."""
        cdef liaison_statistics s
        self.check()
        r = liaison_mailbox_statistics(self.box, &s)
        if r != LIAISON_OK:
            raise self.fail(r)
        return statistics_of(&s)

    def facts(self):
        """The facts of which a Link is made."""
        cdef liaison_info info
        cdef size_t count = 0, i
        cdef liaison_attached *list_
        self.check()
        cdef int r = liaison_mailbox_info(self.box, &info)
        if r != LIAISON_OK:
            raise self.fail(r)
        list_ = <liaison_attached *>malloc(MAX_ATTACHED * sizeof(liaison_attached))
        if list_ == NULL:
            raise MemoryError
        try:
            r = liaison_mailbox_attached(self.box, list_, MAX_ATTACHED, &count)
            if r != LIAISON_OK:
                raise self.fail(r)
            attached = [(peer_of(&list_[i].peer), bool(list_[i].sends), bool(list_[i].receives))
                        for i in range(count)]
        finally:
            free(list_)
        return facts_of(&info, self.dead_letters, peer_of(&info.creator), attached)


cdef class _Peek:
    cdef End end
    cdef list messages
    cdef object error


cdef boolean visit(void *context, const liaison_delivery *d) noexcept:
    found = <_Peek>context
    try:
        try:
            found.messages.append(found.end.copy_out(d))
        except errors.DecodeError as error:
            found.messages.append(error.payload)
        return True
    except BaseException as error:
        found.error = error
        return False
