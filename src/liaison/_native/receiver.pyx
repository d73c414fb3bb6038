# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""Receiving frames from a stream, and noticing its end.

A receiver is a sender too: while it waits it sends on what is pending, because the other end may
want the rest of a message to answer it.
"""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint64_t

from liaison._native.arrivals cimport LAST_FRAME, MESSAGE, NO_FRAME, Arrivals
from liaison._native.sender cimport Sender
from liaison._native.stream cimport FOREVER
from liaison._native.thread cimport PyErr_CheckSignals, PyThread_get_thread_ident

import os
import socket

from liaison.errors import Corrupt, DecodeError, Empty, Ended, LiaisonError

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int, void *, size_t, int)
    int MSG_DONTWAIT, MSG_WAITALL

cdef extern from "<poll.h>" nogil:
    short POLLIN, POLLOUT


cdef class Receiver(Sender):
    """The end of a stream that receives frames, too."""

    def __cinit__(self):
        self.arrivals = Arrivals()

    def receive(self, *, timeout=None):
        """Receive one message; see `liaison.Connection`, as for all that is said here."""
        return self.receive_object(timeout)

    def try_receive(self, default=None):
        """Receive one message if there is one, else return `default`."""
        return self.try_receive_object(default)

    def receive_many(self, Py_ssize_t max, *, timeout=None):
        """Wait for one message, then take those that follow it: at most `max` in all."""
        return self.receive_objects(max, timeout)

    cdef object receive_object(self, object timeout):
        cdef int64_t end = self.end_of(timeout)
        if not self.take_turn(&self.receiving, end):
            raise self.empty()
        try:
            if not self.seek(end):
                raise self.empty()
            return self.take()
        finally:
            self.leave_turn(&self.receiving)

    cdef object try_receive_object(self, object default):
        if not self.take_turn(&self.receiving, 0):
            return default
        try:
            if not self.seek(0):
                return default
            return self.take()
        finally:
            self.leave_turn(&self.receiving)

    cdef list receive_objects(self, Py_ssize_t max, object timeout):
        cdef int64_t end = self.end_of(timeout)
        cdef list messages = []
        if max < 1:
            raise ValueError(f"max={max} is out of range: it is 1 or more")
        if not self.take_turn(&self.receiving, end):
            raise self.empty()
        try:
            if not self.seek(end):
                raise self.empty()
            messages.append(self.take())
            try:
                while len(messages) < max and self.find(0):
                    messages.append(self.take(True))
            except (LiaisonError, EOFError, OSError):
                pass  # the next call reports the end, or the error
            except BaseException:
                messages.reverse()
                self.kept = messages if self.kept is None else self.kept + messages
                raise
            return messages
        finally:
            self.leave_turn(&self.receiving)

    def ready(self):
        """Whether a receive would not have to wait. If it would, the descriptor is quiet now."""
        if self.is_closed or not self.take_turn(&self.receiving, 0):
            return True  # closed, or somebody is just receiving
        try:
            return self.find(0)
        except (LiaisonError, EOFError, OSError):
            return True
        finally:
            self.leave_turn(&self.receiving)

    # ---- finding a message

    cdef object empty(self):
        return Empty(f"no message came over {self.name} in time, or another thread was receiving")

    cdef bint seek(self, int64_t end) except -1:
        """Whether there is a message to `take` before `end`; raises why there will be none."""
        try:
            return self.find(end)
        except LiaisonError:
            self.unreported = None
            raise

    cdef bint find(self, int64_t end) except -1:
        """The same where the caller does not raise an error: the next `seek` raises it."""
        cdef int found
        cdef bint again = False
        self.check()
        if self.kept is not None:
            return True
        if self.finished:
            raise self.ended()
        if self.unreported is not None:
            raise self.unreported
        while True:
            if self.greeting is None:
                found = self.arrivals.next()
                if found == MESSAGE:
                    return True
                if found == LAST_FRAME:
                    self.finished = True
                    raise self.ended()
                if found == NO_FRAME:
                    raise self.refused(self.arrivals.fault())
            elif self.arrivals.here() >= self.hello:
                self.greet()
                continue
            if again:
                PyErr_CheckSignals()  # a signal that came together with bytes
                self.check()
            again = True
            if not self.fill(end):
                return False

    cdef object take(self, bint readable=False):
        """The message that was found. It is consumed, also if it cannot be decoded.

        With `readable`, one that cannot be decoded stays.
        """
        cdef object message
        if self.kept is not None:
            message = self.kept.pop()
            if not self.kept:
                self.kept = None
            return message
        message = self.arrivals.payload()
        if self.arrivals.kind or not self.bytes_only:
            try:
                message = self.coder.decode(
                    self.arrivals.kind, message, self.arrivals.large is not None)
            except DecodeError:
                if not readable:
                    self.consume()
                raise
        self.consume()
        return message

    cdef int consume(self) except -1:
        self.arrivals.consume()
        self.received_ += 1
        return 0

    cdef int greet(self) except -1:
        """Take the hello of the other end, for which connecting did not wait."""
        try:
            self.greeting.receive_hello(self.arrivals.first(self.hello))
        except (LiaisonError, OSError) as error:
            self.unreported = error
            self.lose(f"its other end is not what was expected: {error}")
            raise
        self.largest = min(self.largest, <uint64_t>self.greeting.theirs)
        self.arrivals.start += self.hello
        self.greeting = None
        return 0

    cdef bint waiting(self) noexcept:
        """Whether `find` would find, or refuse, something in what has arrived."""
        if self.greeting is not None:
            return self.arrivals.here() >= self.hello
        return self.arrivals.ready()

    cdef bint has_more(self) except -1:
        return (self.kept is not None or self.finished or self.lost is not None or self.waiting()
                or (self.seal is not None and self.seal.more()))

    # ---- bytes

    cdef bint fill(self, int64_t end) except -1:
        """Receives some bytes; False when none came before `end`."""
        cdef char *target
        cdef Py_ssize_t room
        cdef Py_ssize_t count
        if self.is_closed or self.finished or self.lost is not None:
            self.check()
            raise self.ended()
        try:
            target = self.arrivals.place(&room)
            if self.seal is None:
                count = self.get(target, room, self.arrivals.large is not None, end)
            else:
                count = self.get_sealed(target, room, end)
        except Corrupt as error:
            self.refused(error)
            raise
        except OSError as error:
            if isinstance(error, LiaisonError) or not self.gone(error.errno):
                raise
            self.check()
            self.lose(f"its other end is gone ({error.strerror})")
            raise self.ended() from error
        except MemoryError:
            if self.arrivals.forgone:
                self.give_up(
                    f"there was no memory for a message of {self.arrivals.forgone} bytes")
            raise
        if count < 0:
            return False
        if count == 0:
            self.check()
            self.lose("its other end went away during the handshake"
                      if self.greeting is not None
                      else "its other end went away without closing it")
            raise self.ended()
        self.arrivals.came(count)
        return True

    cdef Py_ssize_t get(self, char *target, Py_ssize_t room, bint whole, int64_t end) except -2:
        """Bytes from the socket; 0 at the end, -1 when none came before `end`."""
        cdef ssize_t count
        cdef int problem, flags
        while True:
            if self.wire is not None or self.plain is not None:
                self.push_beside()
            self.own()
            if end == FOREVER and self.wire is None and self.plain is None:
                flags = MSG_WAITALL if whole else 0
                with nogil:
                    count = recv(self.fd, target, room, flags)
                    problem = errno
            elif whole:  # there may be megabytes to copy
                with nogil:
                    count = recv(self.fd, target, room, MSG_DONTWAIT)
                    problem = errno
            else:
                count = recv(self.fd, target, room, MSG_DONTWAIT)
                problem = errno
            if count >= 0:
                return count
            if problem == EAGAIN:
                if not self.wait_to_receive(end):
                    return -1
            elif problem != EINTR:
                self.look_closer()
                raise OSError(problem, os.strerror(problem))
            PyErr_CheckSignals()
            self.check()

    cdef Py_ssize_t get_sealed(self, char *target, Py_ssize_t room, int64_t end) except -2:
        """The same by the seal."""
        cdef Py_ssize_t count, size
        cdef char *raw
        while True:
            count = self.seal.unwrap(target, room)
            if count >= 0:
                return count
            raw = self.seal.room(&size)
            # Never wait for all of `size`: no more may come.
            count = self.get(raw, size, False, end)
            if count < 0:
                return -1
            self.seal.came(count)

    cdef bint wait_to_receive(self, int64_t end) except -1:
        """Waits until there is something to receive, sending on meanwhile what is pending."""
        cdef int ready
        while self.wire is not None or self.plain is not None:
            ready = self.wait(POLLIN | POLLOUT, end)
            if ready & ~POLLOUT or not ready:
                return ready != 0
            if not self.push_beside():
                return self.wait(POLLIN, end) != 0  # another thread sends it
        return self.wait(POLLIN, end) != 0

    # ---- the end

    cdef int lose(self, str why) except -1:
        """Nothing comes any more, so nothing can be sent either."""
        self.lost = why
        if self.failure is None:
            self.failure = why
        self.ring()
        return 0

    cdef object refused(self, error):
        """The error, after making sure that nothing more is received."""
        self.unreported = error
        self.give_up(f"what came over it is no message: {error}")
        return error

    cdef int give_up(self, str why) except -1:
        """End the stream, so that the peer notices: what follows cannot be read as frames."""
        self.lose(why)
        if self.descriptor.stands():
            try:
                self.transport.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        return 0

    cdef int look_for_the_end(self) except -1:
        """Look whether the other end reported, before it went, what it had received."""
        if self.receiving.owner == PyThread_get_thread_ident():
            return 0  # from within a receive
        if not self.take_turn(&self.receiving, 0):
            return 0
        try:
            while not self.waiting() and self.kept is None:
                if self.greeting is None:
                    self.arrivals.next()
                if not self.fill(0):
                    break
        except (LiaisonError, EOFError, OSError):
            pass
        finally:
            self.leave_turn(&self.receiving)
        return 0

    cdef object ended(self):
        if self.finished:
            return Ended(
                f"{self.name}: the other end was closed; {self.received_} messages were received",
                clean=True, received=self.received_)
        cut = self.arrivals.cut() if self.greeting is None else ""  # half a hello is no message
        return Ended(f"{self.name}: {self.lost}; {self.received_} messages were received{cut}",
                     received=self.received_)
