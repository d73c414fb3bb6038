# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""An endpoint: sending by a process's name, receiving from one or from anyone.

What happens seldom (finding whom a name means, opening links, taking in new ones) is left to a
subclass in Python; what happens with every message is here.
"""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from liaison._native.carrier cimport CarrierEnd
from liaison._native.end cimport End
from liaison._native.engine cimport *
from liaison._native.mailbox cimport MailboxEnd
from liaison._native.space cimport SpaceHandle, peer_of
from liaison._native.thread cimport PyThread_get_thread_ident
from liaison._native.waiting cimport POLL, propagate, wait_of

from liaison import errors
from liaison._native.failure import failure
from liaison.deadline import Deadline, nanoseconds

cdef Py_ssize_t LOOKS = 64  # at links, before the interpreter's lock is given up: about 2 us
cdef enum:
    OFTEN = 16  # looks, between two of which it is asked whether there are new links
cdef int64_t NAP = 2000000  # ns; where as many threads wait already as can be woken

cdef extern from "<time.h>" nogil:
    cdef struct timespec:
        long tv_sec
        long tv_nsec
    int nanosleep(const timespec *wanted, timespec *rest)


@cython.internal
@cython.no_gc_clear  # the ends must outlive the set, which looks at their memory
cdef class Several:
    """The links that one thread waits for at a time, armed for as long as they stay the same."""

    cdef liaison_several *several
    cdef tuple ends
    cdef dict pinned  # what to unpin each with
    cdef unsigned long waiter  # the thread that waits

    def __cinit__(self, SpaceHandle space not None):
        self.ends = ()
        self.pinned = {}
        r = liaison_several_open(space.space, &self.several)
        if r != LIAISON_OK:
            raise failure(r, space.path)

    def __dealloc__(self):
        self.give_up()
        liaison_several_close(self.several)

    cdef int remove(self, End end) except -1:
        """A pinned end is not given up, however closed it is."""
        liaison_several_remove(self.several, end.box)
        end.unpin(self.pinned.pop(id(end)))
        return 0

    cdef int give_up(self) except -1:
        cdef tuple ends = self.ends
        self.ends = ()
        for end in ends:
            self.remove(end)
        return 0

    cdef int watch(self, tuple ends) except -1:
        """From now on, wait for these."""
        cdef End end
        cdef list kept
        cdef set before
        if ends is self.ends:
            return 0
        kept = []
        before = set(map(id, ends))
        for end in self.ends:
            if id(end) in before:
                kept.append(end)
            else:
                self.remove(end)
        before = set(map(id, kept))
        try:
            for end in ends:
                if id(end) in before or end.box == NULL:
                    continue
                r = liaison_several_add(self.several, end.box, 0)
                if r != LIAISON_OK:
                    raise failure(r, end.address)
                self.pinned[id(end)] = end.pin()
                kept.append(end)
        except BaseException:
            self.ends = tuple(kept)
            raise
        self.ends = ends if len(kept) == len(ends) else tuple(kept)
        return 0


@cython.final
cdef class Route:
    """What a name led to, and the links to there and from there that are open."""

    cdef readonly End endpoint  # observed
    cdef readonly str id
    cdef readonly MailboxEnd there  # to send; None until something is sent
    cdef readonly MailboxEnd back  # to receive; None until something came
    cdef uint64_t version

    def __init__(self, End endpoint not None, uint64_t version, str id not None,
                 MailboxEnd there, MailboxEnd back):
        self.endpoint = endpoint
        self.version = version
        self.id = id
        self.there = there
        self.back = back

    cdef bint good(self):
        """Whether the name still leads there, for all that is known."""
        return liaison_link_version(self.endpoint.box) == self.version


def call_sender(End end not None, name not None):
    """Have the senders of the link's messages called what ``name()`` says."""
    end.sender_name = name


def end_unneeded(End end not None):
    """Destroy an endpoint that nobody has, or another link that is empty and in nobody's use.

    Returns whether it is destroyed now: a process that begins to use it meanwhile keeps it.
    """
    cdef int r
    end.check()
    with nogil:
        r = liaison_link_end_unneeded(end.box)
    if r == LIAISON_BUSY:
        return False
    if r != LIAISON_OK and r != LIAISON_DESTROYED:
        raise end.fail(r)
    return True


def holder(End end not None):
    """The process that the endpoint names; None when no living one does."""
    cdef liaison_peer peer
    end.check()
    liaison_endpoint_holder(end.box, &peer)
    return peer_of(&peer) if peer.identity else None


def introduce(SpaceHandle space not None, str name not None):
    """Publish what this process is called in the space."""
    cdef bytes text = name.encode()
    r = liaison_space_introduce(space.space, text)
    if r != LIAISON_OK:
        raise failure(r, space.path)


cdef class EndpointEnd(CarrierEnd):
    """An endpoint that this process is.

    A subclass has ``reach(to, sending)``, which gives a `Route`, ``introduced(ids, all)``, which
    takes in new links, ``ended(end)``, which gives one up that was destroyed, and ``refuse()``,
    which raises the error for an end that is of no use any more.
    """

    cdef readonly End own  # its own link, on which it is told of new senders
    cdef readonly dict routes  # by what users call it
    cdef tuple others  # the links from others; never changed in place, for it is walked meanwhile
    cdef tuple alone, everyone  # to wait for: its own link, and with it those
    cdef Py_ssize_t following  # where the next look begins
    cdef unsigned int looks
    cdef Py_ssize_t introductions  # that there is room for
    cdef Py_ssize_t hearing  # threads that are about to take in new links
    cdef bint missed  # some were acknowledged and, for all that is known, not taken in
    cdef list idle  # sets that no thread waits with at the moment
    cdef list waiting  # and those that one does
    cdef public bint useless  # closed, or a forked child's copy

    def claim(self, End own not None, Py_ssize_t introductions):
        """Be the process that the endpoint names; whether it is the first. Raises `Busy`."""
        own.check()
        r = liaison_endpoint_claim(own.box)
        if r != LIAISON_OK:
            raise failure(r, own.address, 0, "endpoint")
        self.own = own
        self.routes = {}
        self.ways = ()
        self.alone = (own,)
        self.idle = []
        self.waiting = []
        self.introductions = introductions
        return bool(liaison_endpoint_first(own.box))

    def heard(self):
        """Whether every introduction was taken in; also after it was destroyed."""
        return not (self.hearing or self.missed) and bool(liaison_endpoint_heard(self.own.box))

    @property
    def ways(self):
        """The links from others."""
        return self.others

    @ways.setter
    def ways(self, tuple ways not None):
        self.others = ways
        self.everyone = (self.own, *ways)

    cdef Route route(self, to, bint sending):
        cdef Route found
        if self.useless:
            self.refuse()
        known = self.routes.get(to)
        if known is not None:
            found = <Route>known
            if found.good() and (found.there if sending else found.back) is not None:
                return found
        return self.reach(to, sending)

    # ---- sending --------------------------------------------------------------------------

    cdef object send_to(self, object to, object message, object timeout, bint receipt):
        cdef Route route = self.route(to, True)
        try:
            return route.there.send_object(message, timeout, receipt)
        except errors.Destroyed:
            if liaison_link_version(route.endpoint.box) & 1:
                raise  # the endpoint, and not the link alone, which `clean` may have taken
        self.routes.pop(to, None)
        return self.route(to, True).there.send_object(message, timeout, receipt)

    def send(self, to, message, *, timeout=None, bint receipt=False):
        """Send one message to the endpoint called `to`."""
        return self.send_to(to, message, timeout, receipt)

    def try_send(self, to, message):
        """Send one message if that needs no waiting; whether it was sent."""
        try:
            self.send_to(to, message, 0, False)
        except errors.Full:
            return False
        return True

    # ---- receiving ------------------------------------------------------------------------

    cdef int take_in(self, bint told, liaison_delivery *d) except -1:
        """Takes in the links of which introductions tell (`told`: `d` is one), and those missed."""
        cdef list ids = []
        cdef liaison_mailbox *box = self.own.box
        cdef bint every = self.missed
        self.missed = False
        self.hearing += 1
        try:
            while told:
                ids.append((<const char *>d.data)[:d.size])
                liaison_mailbox_acknowledge(box, d)
                told = liaison_mailbox_try_take(box, d) == LIAISON_OK
            # As many as there is room for: another sender may have found no room. It created its
            # link before it tried, and what we took is acknowledged, so later senders find room.
            self.introduced(ids, every or len(ids) >= self.introductions)
        except BaseException:  # a signal's handler raised, for example: no introduction comes twice
            self.missed = True
            self.call()  # this thread may not come back, and another can look
            raise
        finally:
            self.hearing -= 1
        return 0

    cdef int ask(self, liaison_delivery *d) except -1:
        """Whether there are new links: LIAISON_OK when some were taken in."""
        cdef int r = liaison_mailbox_try_take(self.own.box, d)
        if r == LIAISON_OK or (self.missed and (r == LIAISON_EMPTY or r == LIAISON_BUSY)):
            self.take_in(r == LIAISON_OK, d)
            return LIAISON_OK
        return r

    cdef MailboxEnd look(self, liaison_delivery *d):
        """Takes the next message from any link; None: there is none."""
        cdef tuple ways
        cdef MailboxEnd way
        cdef Py_ssize_t i, k, n
        cdef int r
        while True:
            if self.useless:
                self.refuse()
            self.looks += 1
            if self.looks % OFTEN == 0 and self.ask(d) == LIAISON_OK:
                continue  # a receiver that always finds a message must notice new senders, too
            ways = self.others
            n = len(ways)
            i = self.following if self.following < n else 0
            for k in range(n):
                way = <MailboxEnd>ways[i]
                if way.is_closed or way.box == NULL:
                    break
                r = liaison_mailbox_try_take(way.box, d)
                i = i + 1 if i + 1 < n else 0
                if r == LIAISON_EMPTY or r == LIAISON_BUSY:
                    continue
                if r == LIAISON_OK:
                    self.following = i
                    return way
                if r != LIAISON_DESTROYED:
                    raise way.fail(r)
                self.ended(way)
                break
            else:
                r = self.ask(d)
                if r == LIAISON_EMPTY or r == LIAISON_BUSY:
                    return None
                if r != LIAISON_OK:
                    raise self.own.fail(r)

    cdef MailboxEnd take(self, source, object timeout, liaison_delivery *d):
        """Takes a message; the link that it came by, or None: none came in time."""
        cdef liaison_wait wait
        cdef Route route
        cdef int r
        cdef MailboxEnd way
        cdef Py_ssize_t looks
        deadline = None
        if timeout is not None and timeout > 0:
            deadline = Deadline(timeout)
        while True:
            if source is None:
                looks = 0
                while True:
                    way = self.look(d)
                    if way is not None:
                        return way
                    looks += len(self.everyone)
                    if timeout == 0 or looks > LOOKS:
                        break
                    if len(self.others) == 1:
                        way = <MailboxEnd>self.others[0]
                        if liaison_mailbox_poll(way.box, POLL, d) == LIAISON_OK:
                            return way
                        break  # await_any() reports any other result
            else:
                route = self.route(source, False)
                if route is not None:
                    wait_of(timeout if deadline is None else deadline.remaining(), &wait)
                    try:
                        r = route.back.get(&wait, d)
                    except errors.Destroyed:
                        self.ended(route.back)
                        continue
                    except errors.Closed:
                        if self.useless:
                            self.refuse()
                        raise
                    return route.back if r == LIAISON_OK else None
                if self.hears(d):
                    continue
            wait_of(timeout if deadline is None else deadline.remaining(), &wait)
            if wait.timeout == 0:
                return None
            self.await_any(source is None, &wait)

    cdef bint hears(self, liaison_delivery *d) except -1:
        """Takes in new links, if there are some."""
        if self.useless:
            self.refuse()
        return self.ask(d) == LIAISON_OK

    cdef int await_any(self, bint any, const liaison_wait *wait) except -1:
        """Wait for a message from anyone, or only for a new sender's introduction."""
        cdef Several several = self.idle.pop() if self.idle else Several(self.own.space)
        cdef uint64_t tag
        cdef size_t count
        cdef int r
        cdef timespec nap
        several.watch(self.everyone if any else self.alone)
        several.waiter = PyThread_get_thread_ident()
        self.waiting.append(several)
        try:
            with nogil:
                r = liaison_several_wait(several.several, wait, &tag, 1, &count)
                if r == LIAISON_EXHAUSTED:
                    nap.tv_sec = 0
                    nap.tv_nsec = NAP if wait.timeout < 0 or wait.timeout > NAP else wait.timeout
                    nanosleep(&nap, NULL)
            if r == LIAISON_INTERRUPTED:
                propagate()  # before anything else runs Python
        finally:
            self.waiting.remove(several)
            if not self.useless:  # it would keep the links that were closed
                self.idle.append(several)
        if r not in (LIAISON_OK, LIAISON_EMPTY, LIAISON_EXHAUSTED):
            self.look_closer(r)
        return 0

    cdef int look_closer(self, int r) except -1:
        if self.useless:
            self.refuse()
        raise self.own.fail(r)

    def way_to(self, to):
        """The link to the endpoint called `to`."""
        return self.route(to, True).there

    def hear(self):
        """Take in the links of those who have sent meanwhile."""
        cdef liaison_delivery d
        while self.hears(&d):
            pass

    def way_from(self, source):
        """The link from the endpoint called `source`; None while nothing has come from it."""
        cdef Route route
        self.hear()
        route = self.route(source, False)
        if route is not None:
            return route.back
        r = liaison_mailbox_ready(self.own.box)
        if r not in (LIAISON_OK, LIAISON_EMPTY, LIAISON_BUSY):
            self.look_closer(r)
        return None

    def call(self):
        """Have every thread that waits look again: there are other links now, or none."""
        cdef Several several
        for several in self.waiting:
            liaison_several_call(several.several)
        if self.useless:
            self.idle.clear()

    def inherited(self):
        """In a forked child: of the waiting threads only the one that forked exists."""
        cdef Several several
        cdef unsigned long me = PyThread_get_thread_ident()
        for several in self.waiting:
            if several.waiter != me:
                several.give_up()
        self.waiting = [several for several in self.waiting if several.waiter == me]
        self.idle.clear()

    def ready(self):
        """Whether a receive would not have to wait. If it would, the descriptor is quiet now."""
        cdef MailboxEnd way
        if self.useless:
            return True
        self.hear()
        if liaison_mailbox_ready(self.own.box) != LIAISON_EMPTY:
            return True
        for way in self.others:
            if way.ready():
                return True
        return False

    cdef object receive_from(self, object source, object timeout):
        cdef liaison_delivery d
        cdef MailboxEnd way = self.take(source, timeout, &d)
        if way is None:
            raise self.nothing(source)
        return way.receive_one(&d)

    def receive(self, source=None, *, timeout=None):
        """Receive one message, from `source` or from anyone."""
        return self.receive_from(source, timeout)

    def try_receive(self, source=None, default=None):
        """Receive one message if there is one, else return `default`."""
        cdef liaison_delivery d
        cdef MailboxEnd way = self.take(source, 0, &d)
        return default if way is None else way.receive_one(&d)

    def lease(self, source=None, *, timeout=None):
        """Receive one message and keep it until it is settled."""
        cdef liaison_delivery d
        cdef MailboxEnd way = self.take(source, timeout, &d)
        if way is None:
            raise self.nothing(source)
        return way.lease_of(&d)

    cdef object nothing(self, source):
        whom = "" if source is None else f" from {source}"
        return errors.Empty(
            f"no message came to {self.own.address}{whom} in time; wait longer with timeout=")
