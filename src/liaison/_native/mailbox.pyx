# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""A mailbox's end, and what it hands out: deliveries, loans, receipts.

The lock of the interpreter is held while an operation can be tried, and for a microsecond of
polling, which is less than giving it up and taking it back would cost; it is released to spin
longer, to sleep, and to copy a quarter of a megabyte or more.

An end may be closed by one thread while another waits in it. So the engine's handle is given up
only when nobody is inside (`users`) and nothing that was handed out still looks at its memory
(`pins`); until then a closed end just refuses. Of those who are inside at a fork the child has one
thread only, the one that forked. And what had been handed out by then is its parent's: it pins
nothing in the child, where many a variable that has it is a thread's that is not there. Somebody
may look at it all the same, so its memory then stays.
"""

cimport cython
from cpython.buffer cimport (
    PyBUF_CONTIG_RO, PyBUF_READ, PyBUF_WRITABLE, Py_buffer, PyBuffer_FillInfo, PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset, strncpy

from liaison._native.carrier cimport CarrierEnd
from liaison._native.engine cimport *
from liaison._native.space cimport SpaceHandle, peer_of

import os
from weakref import ref

from liaison import errors
from liaison._native.carrier import closed, closing
from liaison._native.failure import MAKERS as _MAKERS, failure, held_name
from liaison.deadline import Deadline, nanoseconds
from liaison.link import Statistics

cdef extern from "Python.h":
    int PyErr_CheckSignals() noexcept

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

cdef Py_ssize_t LARGE = 256 * 1024  # bytes; copied without the interpreter's lock
cdef int64_t POLL = 1500  # ns
cdef size_t MAX_ATTACHED = 1024

OPEN, CREATE, OPEN_OR_CREATE, OBSERVE, BURY = 1, 2, 3, 4, 8
KINDS = {1: "mailbox", 2: "queue", 3: "port", 4: "endpoint", 5: "direct", 6: "pipe",
         7: "named pipe"}
KIND_NUMBERS = {name: number for number, name in KINDS.items()}
LIFETIMES = {None: 0, "receiver": 1, "senders": 2}
LIFETIME_NAMES = {number: name for name, number in LIFETIMES.items()}
ACCESS = {"any": 1, "exclusive": 2, "pair": 3}
ACCESS_NAMES = {number: name for name, number in ACCESS.items()}
STATES = {LIAISON_QUEUED: "queued", LIAISON_RECEIVED: "received",
          LIAISON_ACKNOWLEDGED: "acknowledged", LIAISON_DEAD_LETTERED: "dead-lettered"}


cdef boolean interrupted(void *context) noexcept with gil:
    """A signal's handler raised; the exception stays set until `propagate` passes it on."""
    return PyErr_CheckSignals() < 0


# While much memory is reserved: what then comes of it is INTERRUPTED.
liaison_heed(interrupted, NULL)


cdef int propagate() except -1:
    return -1


cdef int mourn_quietly(mourner, space, address) except -1:
    """For who has an error of its own to tell: whoever comes next tries again."""
    try:
        mourner(space, address)
    except (errors.LiaisonError, OSError):
        pass
    return 0


cdef int64_t wait_of(object timeout, liaison_wait *wait) except -2:
    wait.timeout = -1 if timeout is None else nanoseconds(timeout)
    wait.interrupted = interrupted
    wait.context = NULL
    return wait.timeout


cdef enum:
    NO_PART, READS, WRITES


cdef object statistics_of(const liaison_statistics *s):
    return Statistics(s.accepted, s.taken, s.waiting, s.returned, s.leased, s.loaned, s.free,
                      s.receivers_waiting, s.senders_waiting, s.arena_used, s.arena_size,
                      s.arena_limit)


cdef dict facts_of(const liaison_info *info, str dead_letters, object creator, list attached):
    """The facts of which a Link is made."""
    return {
        "id": (<bytes>info.id).decode(),
        "name": (<bytes>info.name).decode(),
        "kind": KINDS.get(info.policy.kind) or str(info.policy.kind),
        "access": ACCESS_NAMES[info.policy.access],
        "capacity": info.policy.capacity,
        "max_processes": info.max_processes,
        "message_size": "fixed" if info.policy.max_message else "variable",
        "max_message": info.largest,
        "memory": info.policy.memory or None,
        "max_deliveries": info.policy.max_deliveries or None,
        "dead_letters": dead_letters or None,
        "lifetime": LIFETIME_NAMES[info.policy.lifetime],
        "pair_capacity": info.policy.pair_capacity,
        "bytes": info.bytes,
        "creator": creator,
        "attached": attached,
    }


def look(SpaceHandle space not None, int names, str name not None, str address, dict known,
         bint counts):
    """The facts about what has this name in the directory `names`, and its statistics if `counts`.

    An endpoint has none of its own. Raises as observing it does. `known` keeps who is who from one
    link to the next.
    """
    cdef liaison_info info
    cdef liaison_statistics counted
    cdef liaison_user users[1024]
    cdef size_t count = 0, i
    cdef bytes what = name.encode()
    cdef int r = liaison_space_look(space.space, names, what, &info, users, 1024, &count,
                                    &counted if counts else NULL)
    if r != LIAISON_OK:
        raise failure(r, address)
    cdef str dead_letters = (<bytes>info.policy.dead_letters).decode()
    if not dead_letters and info.policy.max_deliveries:
        dead_letters = f"{address}.dead"
    cdef list attached = []
    for i in range(count):
        who, alive = known_peer(space, users[i].identity, address, known)
        if alive:
            attached.append((who, bool(users[i].sends), bool(users[i].receives)))
    creator = known_peer(space, info.creator.identity, address, known)[0]
    facts = facts_of(&info, dead_letters, creator, attached)
    counts = counts and facts["kind"] != "endpoint"
    return facts, statistics_of(&counted) if counts else None


cdef tuple known_peer(SpaceHandle space, uint64_t identity, str address, dict known):
    cdef liaison_peer peer
    found = known.get(identity)
    if found is None:
        r = liaison_space_peer(space.space, identity, &peer)
        if r != LIAISON_OK:  # nobody can tell who of the link's users lives
            raise failure(r, address)
        found = known[identity] = (peer_of(&peer), bool(peer.alive))
    return found


cdef class End(CarrierEnd):
    """One end of a mailbox in shared memory."""

    def begin_link(self, SpaceHandle space not None, str name, str address, int how, make_coder,
               bint bytes_only, undertaker, mourner, *, kind=None, int64_t capacity=-1,
               access=None, max_message=0, memory=0, uint32_t max_deliveries=0,
               str dead_letters="", str default_dead_letters="", lifetime=None,
               int64_t pair_capacity=-1):
        """Open or create the link; once, before anything else. `kind` None: any that exists."""
        cdef liaison_policy policy
        cdef liaison_info info
        cdef bytes what = name.encode()
        cdef bytes buried = dead_letters.encode()
        if len(buried) >= LIAISON_ADDRESS_MAX:
            raise errors.InvalidAddress(
                f"dead_letters= has {len(buried)} bytes; at most {LIAISON_ADDRESS_MAX - 1} fit")
        memset(&policy, 0, sizeof(policy))
        policy.kind = KIND_NUMBERS[kind] if kind is not None else 0
        policy.capacity = capacity
        policy.access = ACCESS[access] if access is not None else 0
        policy.max_message = max_message
        policy.memory = memory
        policy.max_deliveries = max_deliveries
        policy.lifetime = LIFETIMES[lifetime]
        policy.pair_capacity = pair_capacity
        strncpy(policy.dead_letters, buried, LIAISON_ADDRESS_MAX - 1)
        self.space = space
        self.address = address
        self.observing = how == OBSERVE
        self.make_coder = make_coder
        self.bytes_only = bytes_only
        self.undertaker = undertaker
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
                        mourn_quietly(mourner, space, address)
                        r = LIAISON_NOT_FOUND
                        break
                    mourner(space, address)
                elif ((r == LIAISON_MISMATCH or r == LIAISON_NAME_TAKEN) and how != OBSERVE
                        and kind != "port" and kind is not None):
                    # A port that has ended keeps no name from other kinds of links either.
                    if not mourner(space, address):
                        break
                elif r == LIAISON_INTERRUPTED:
                    propagate()
                elif r != -4:  # EINTR
                    break
                elif PyErr_CheckSignals() < 0:
                    propagate()
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
            self.mourner = mourner

    cdef int learn(self, const liaison_info *info) except -1:
        """What the link is that was opened."""
        self.kind = KINDS[info.policy.kind]
        self.max_deliveries = info.policy.max_deliveries
        self.dead_letters = (<bytes>info.policy.dead_letters).decode()
        self.places = info.policy.capacity or 64
        self.largest = info.largest
        self.rendezvous = info.policy.capacity == 0
        return 0

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

    @cython.final
    cdef object translator(self):
        """The coder. Bytes need none, and msgspec takes longer to import than all the rest."""
        if self.coder is None:
            self.coder = self.make_coder()
        return self.coder

    # ---- life ---------------------------------------------------------------------------

    @cython.final
    cdef void enter(self) noexcept:
        """From here on the end may be closed by whoever runs, and is still needed."""
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
        """From here on something handed out needs the end's memory; what to give `unpin`."""
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

    cdef object fail(self, int r, Py_ssize_t size=0):
        """The exception for what the engine answered. A port's messages are seen to before."""
        if self.part != NO_PART:
            if r == LIAISON_DESTROYED and not liaison_pipe_destroyed(self.box):
                return self.ending()
            if r == LIAISON_DENIED:
                return self.wrong_end()
        if r == LIAISON_DESTROYED and liaison_space_lost(self.space.space):
            return errors.Destroyed(
                f"{self.address} is gone: {self.space.path}/members, the table of the processes "
                "that use its space, was removed, replaced or cut off, and nobody can tell any "
                "more which of them live; end them, and remove what is left with `liaison clean`")
        if r == LIAISON_DESTROYED and self.mourner is not None and not self.observing:
            mourn_quietly(self.mourner, self.space, self.address)
        elif r == LIAISON_DENIED and self.kind == "port":
            return errors.AccessDenied(
                f"{self.address} has one receiver, the process that created it; "
                "with this end you can only send")
        return failure(r, self.address, size, self.kind)

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
            # Of those that others sent, all may have been taken before ours.
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

    @cython.final
    cdef int take_part(self) except -1:
        """What every operation begins with that is more than looking."""
        if self.is_closed or self.box == NULL or self.observing:
            self.refuse()
        return 0

    @cython.final
    cdef int refuse(self) except -1:
        self.check()
        raise errors.AccessDenied(
            f"{self.address} was opened to observe it; "
            f"use {_MAKERS[self.kind]}.open(...) to take part")

    cdef void leave(self) noexcept:
        """Gives the engine's handle up when the end is closed and nobody needs it any more."""
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
            if self.part != NO_PART:
                self.space = None

    def close(self):
        """Give up this end; idempotent."""
        if self.is_closed or self.box == NULL:
            return
        for told in closing:
            told(self)
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
        for told in closed:
            told(self)
        if self.mourner is not None and self.created:
            self.lay_to_rest()

    cdef int lay_to_rest(self) except -1:
        """Moves what is in an orphaned port to its dead letters."""
        try:
            self.mourner(self.space, self.address)
        except errors.Busy:
            pass  # the receiver still has a message of it, or somebody was faster
        return 0

    def __dealloc__(self):
        if self.box != NULL:
            liaison_mailbox_close(self.box)

    @property
    def closed(self):
        """Whether this end was closed."""
        return self.is_closed

    def destroy(self, *, bint force=False):
        """Destroy the mailbox for everybody."""
        self.check()
        r = liaison_mailbox_destroy(self.box, force)
        if r != LIAISON_OK:
            raise failure(r, self.address)
        if self.mourner is not None:
            self.lay_to_rest()

    # ---- sending ------------------------------------------------------------------------

    @cython.final
    cdef int copy_in(self, char *to, const char *head, Py_ssize_t h, const char *body,
                     Py_ssize_t n) except -1:
        """The caller is inside (`users`) where it may be much."""
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
        """Whether it was sent; if not, an attempt with more patience tells why.

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
        """A descriptor that is readable when there may be room, or news of a receipt.

        Arms it: whoever waits on it looks once more after this call.
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

    @property
    def largest_message(self):
        """The bytes of the largest message."""
        return self.largest

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
        """Rendezvous: put it where it can be taken, without waiting; a receipt, or None: not now.
        """
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
        """Take an offer back, unless somebody has taken it; `raising`, say `NoReceiver` then."""
        require_memory(self)
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
                    self.bury(d)
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
    cdef int bury(self, liaison_delivery *d) except -1:
        """Moves a message to the dead letters. If they have no room it stays, and that is said."""
        view = PyMemoryView_FromMemory(<char *>d.data, d.size, PyBUF_READ)
        self.enter()
        try:
            self.undertaker(self, d.format, view, d.attempt)
            liaison_mailbox_bury(self.box, d)
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
        """The message, still leased; settled, if it cannot be had."""
        try:
            return self.copy_out(d)
        except errors.DecodeError:
            # It would fail for the next one too. The exception has the payload; where there are
            # dead letters they get it as well.
            if self.box != NULL:
                if self.has_dead_letters:
                    self.bury(d)
                else:
                    liaison_mailbox_acknowledge(self.box, d)
            raise
        except BaseException:
            if self.box != NULL:
                liaison_mailbox_release(self.box, d)
            raise

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
    cdef object take_rest(self):
        """What is left of a message that was read in part."""
        rest = self.rest[self.rest_at:]
        self.rest = None
        return rest

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
        self.copy_in(PyBytes_AS_STRING(copy), NULL, 0, <char *>d.data, d.size)
        settled[0] = liaison_mailbox_acknowledge(self.box, d)
        return copy

    def put_back(self, bytes rest not None, Py_ssize_t at):
        """What of a chunk was not used, from `at` on: the next one."""
        if self.rest is not None:  # behind what is put back now
            rest, at = rest[at:] + self.take_rest(), 0
        if at < PyBytes_GET_SIZE(rest):
            self.rest = rest
            self.rest_at = at

    def receive(self, *, timeout=None):
        """Receive one message."""
        return self.receive_object(timeout)

    @cython.final
    cdef object receive_object(self, object timeout):
        cdef liaison_wait wait
        cdef liaison_delivery d
        wait_of(timeout, &wait)
        self.take_part()
        if self.rest is not None:
            return self.take_rest()
        cdef int r = self.get(&wait, &d)
        if r != LIAISON_OK:
            raise self.fail(r)
        return self.receive_one(&d)

    def try_receive(self, default=None):
        """Receive one message if there is one, else return `default`."""
        return self.try_receive_object(default)

    @cython.final
    cdef object try_receive_object(self, object default):
        cdef liaison_wait wait
        cdef liaison_delivery d
        wait_of(0, &wait)
        self.take_part()
        if self.rest is not None:
            return self.take_rest()
        if self.get(&wait, &d) != LIAISON_OK:
            return default
        return self.receive_one(&d)

    def take(self, default, int64_t nanoseconds=0):
        """Receive one message if there is one, or comes within so short a time."""
        cdef liaison_delivery d
        cdef int r
        self.take_part()
        if self.rest is not None:
            return self.take_rest()
        while True:
            r = liaison_mailbox_poll(self.box, nanoseconds, &d)
            if r == LIAISON_EMPTY or r == LIAISON_BUSY:
                return default
            if r != LIAISON_OK:
                raise self.fail(r)
            if not self.max_deliveries or d.attempt <= self.max_deliveries:
                return self.receive_one(&d)
            self.bury(&d)
            self.check()  # which ran Python

    def receive_many(self, Py_ssize_t max, *, timeout=None):
        """Wait for one message and take what is there besides, at most `max`."""
        return self.receive_objects(max, timeout)

    @cython.final
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
        if self.rest is not None:
            return [self.take_rest()]
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
                        self.bury(&taken[count])
                        continue
                    try:
                        messages.append(self.copy_out(&taken[count]))
                    except BaseException:
                        liaison_mailbox_release(self.box, &taken[count])
                        raise
                    count += 1
                    self.received += 1
            except errors.LiaisonError:
                # It cannot be decoded, or not be buried. Those before it first; it came back, and
                # is the first of the next call.
                pass
            except BaseException:
                for i in range(count):
                    liaison_mailbox_release(self.box, &taken[i])
                raise
            # Acknowledged together at the end: dying in between gives all of them back. The last one
            # first: a sender waits for the first one's place, and then finds all of them.
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

    def ready(self):
        """Whether a receive would not have to wait. If it would, the descriptor is quiet now."""
        if self.is_closed or self.box == NULL or self.rest is not None:
            return True
        return liaison_mailbox_ready(self.box) != LIAISON_EMPTY

    cdef int hopeless(self) except? -1:
        """LIAISON_OK while a message that was sent here may still be received."""
        cdef liaison_loan loan
        cdef int r = liaison_mailbox_ready(self.box)
        if liaison_mailbox_vanished(self.box):
            return LIAISON_DESTROYED  # whoever receives it: nobody who comes from now on
        if r == LIAISON_DENIED:  # who only sends learns it by trying that
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


cdef int pipe_policy(liaison_policy *policy, int64_t capacity, max_message, memory) except -1:
    memset(policy, 0, sizeof(liaison_policy))
    policy.capacity = capacity
    policy.pair_capacity = -1
    policy.max_message = max_message
    policy.memory = memory
    return 0


def open_pipe(End reader not None, End writer not None, SpaceHandle space not None, make_coder,
              bint bytes_only, *, int64_t capacity, max_message, memory):
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


def open_named_pipe(End reader not None, End writer not None, SpaceHandle space not None, str name,
                    str address, make_coder, bint bytes_only, *, int64_t capacity, max_message,
                    memory):
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


cdef class Burial:
    """A port without its receiver, opened to move what is in it to its dead letters.

    Raises `NotFound` when there is none, `Busy` while somebody living does it already.
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
            raise RuntimeError("a burial begins once")
        memset(&policy, 0, sizeof(policy))
        policy.capacity = policy.pair_capacity = -1
        self.space = space
        self.address = address
        cdef int r = liaison_mailbox_open(space.space, what, <liaison_open>BURY, &policy, &self.box)
        if r != LIAISON_OK:
            raise failure(r, address, 0, "port")
        liaison_mailbox_describe(self.box, &info)
        self.dead_letters = (<bytes>info.policy.dead_letters).decode()

    def __dealloc__(self):
        self.close()

    cpdef close(self):
        """Let somebody else go on; idempotent."""
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
            liaison_mailbox_bury(self.box, &d)


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


cdef int require_memory(End end) except -1:
    """A parent's delivery, or receipt, may be of an end that was closed in this process."""
    if end.box == NULL:
        raise failure(LIAISON_CLOSED, end.address)
    return 0


@cython.no_gc_clear  # who settles it at the end of its life needs its end still
cdef class Held:
    """Something of an end's that a user has: it must be settled, and keeps the memory mapped.

    A message, or an error with its traceback, may refer to the delivery that it came with. Of such
    a cycle the collector frees what refers back, and the delivery with it.
    """

    cdef End end
    cdef void *previous  # neighbours in the end's list; borrowed
    cdef void *next
    cdef uint64_t epoch
    cdef unsigned pinned
    cdef bint settled
    cdef Py_ssize_t exports
    cdef object window  # a weak reference to the memoryview handed out by `view`

    def __cinit__(self):
        self.settled = True

    cdef int begin(self, End end, uint64_t epoch) except -1:
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
        """From now on nobody else may: said before the interpreter's lock is given up."""
        cdef End end = self.end
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
        """Makes sure that nobody looks at the memory any more."""
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
        """Gives it back to the engine, however that is done."""

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


@cython.no_gc_clear
@cython.final
cdef class Delivery(Held):
    """A message under lease; a context manager that acknowledges it at the end of its block.

    Leaving the block by an exception gives the message to the next receiver instead, with
    `attempt` raised. So does dying, or dropping the delivery without settling it.
    """

    cdef liaison_delivery delivery
    cdef object decoded
    cdef object from_

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
        if self.decoded is None:
            if self.settled:
                raise failure(LIAISON_LEASE_LOST, self.end.address)
            self.exports += 1  # closing must not give it away while it is being read
            try:
                self.decoded = (self.end.copy_out(&self.delivery),)
            finally:
                self.exports -= 1
        return self.decoded[0]

    @property
    def sender(self):
        """The process that sent it, a `Peer`."""
        cdef liaison_peer peer
        if self.from_ is None:
            require_memory(self.end)
            liaison_mailbox_peer(self.end.box, self.delivery.sender, self.delivery.sender_pid,
                                 &peer)
            self.from_ = peer_of(&peer)
            if self.end.sender_name is not None:
                self.from_ = self.from_.but(name=self.end.sender_name())
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
        cdef int r = LIAISON_OK
        if self.settled:
            raise failure(LIAISON_LEASE_LOST, self.end.address)
        self.withdraw()
        self.settle()
        try:
            if self.end.max_deliveries and self.delivery.attempt >= self.end.max_deliveries:
                self.end.bury(&self.delivery)  # or, raising, releases it
            else:
                r = liaison_mailbox_release(self.end.box, &self.delivery)
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


@cython.no_gc_clear
cdef class Loan(Held):
    """Memory of the mailbox, to write a message into and send without copying it.

    Supports the buffer protocol, and slices of bytes. A context manager: leaving its block without
    `send` discards it.
    """

    cdef liaison_loan loan_

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


@cython.no_gc_clear
@cython.final
cdef class Receipt:
    """Follows a message that was sent with ``receipt=True``: who received it, and whether it was
    acknowledged. Each takes one of the link's places for receipts until it is dropped."""

    cdef End end
    cdef liaison_receipt receipt
    cdef unsigned pinned

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
        require_memory(self.end)
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
        require_memory(end)
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
