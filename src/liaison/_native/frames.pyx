# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""Frames over a stream socket: an end that sends and receives them, and breaks off cleanly.

header.pxd says what a frame is. The last one of an end that is closed is BYE, without a payload:
without it, the end of the bytes is a death or a cut. Under TLS or with a token the frames go
through a `Seal`, and BYE with them, so that nobody on the way can make a cut look like the end.

This is compiled for two reasons. A message costs one system call at either end and little beside
it. And a signal's handler (Ctrl-C) runs here only where PyErr_CheckSignals calls it, never between
a system call and the note of what it did, after which the stream could not be read any more.

From the bottom: a `Stream` is the socket and who uses it, a `Sender` sends frames by it, `Arrivals`
finds frames in what comes, a `Receiver` receives them. `Frames` is the whole end, from its
beginning to its close.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from liaison._native.arrivals cimport WINDOW
from liaison._native.clock cimport now
from liaison._native.header cimport BYE as _BYE, HEAD
from liaison._native.receiver cimport Receiver
from liaison._native.thread cimport PyThread_get_thread_ident

import socket

from liaison.errors import Closed, Disconnected

HEADER, BYE = HEAD, _BYE
LARGEST = (1 << 32) - 4096  # bytes of a message, as in a mailbox

cdef enum:
    DRAINED = 64  # buffers of unread bytes that closing throws away

cdef int64_t LINGER = 1000000000  # ns that closing waits for what was sent to leave


cdef class Frames(Receiver):
    """One end of a connection, by which messages go both ways."""

    def _open(self, str name not None, connection, coder, bint bytes_only, *, seal=None,
              bytes rest=b"", greeting=None, Py_ssize_t hello=0, uint64_t ours, uint64_t theirs):
        """Begin, once; `rest` are bytes that came already, at most 64 KiB of them."""
        cdef Py_ssize_t room
        if PyBytes_GET_SIZE(rest) > WINDOW:
            raise ValueError("too much came before")
        self.seal = seal
        self.coder = coder
        self.bytes_only = bytes_only
        self.greeting = greeting
        self.hello = hello
        self.arrivals.most = ours
        self.largest = theirs
        if self.seal is None:
            self.arrivals.put(rest)
        elif rest:
            memcpy(self.seal.room(&room), PyBytes_AS_STRING(rest), len(rest))
            self.seal.came(len(rest))
        self.hold(name, connection)

    @property
    def confirmed(self):
        """How many of those `sent` the other program is known to have received.

        It says so with each of its own messages that is received here, and when it is closed.
        """
        return min(self.sent_, self.arrivals.seen)

    @property
    def encrypted(self):
        """Whether it is TLS."""
        return self.seal is not None and self.seal.secret

    cdef object disconnected(self):
        cdef uint64_t confirmed
        self.look_for_the_end()
        confirmed = min(
            self.sent_, self.arrivals.highest(0 if self.greeting is None else self.hello))
        cut = "; of one more a part was sent" if self.pending else ""
        return Disconnected(
            f"{self.name}: {self.failure}; of {self.sent_} messages sent as a whole it is known "
            f"to have received {confirmed}{cut}; connect again",
            sent=self.sent_, confirmed=confirmed)

    # ---- closing

    def close(self):
        """Close this end; idempotent.

        The other end gets what was sent here, and then `Ended`. What it sent and this end has not
        received is lost; it learns how many of its messages were received. Waits up to a second
        for the other end to make room for what is still to be sent.
        """
        if not self.part():
            self.linger()

    def part(self):
        """The same without waiting; return whether that was all. If not, `linger` is to follow."""
        if self.is_closed:
            return True
        cdef bint mine = self.mine(), done = True
        self.is_closed = True
        self.users += 1
        try:
            if mine:
                done = self.send_bye(0)
        finally:
            if done:
                self.finish_closing(mine)
        return done

    def linger(self):
        """Wait up to a second for the other end to make room, and leave."""
        try:
            self.send_bye(now() + LINGER)
        finally:
            self.finish_closing(True)

    cdef bint send_bye(self, int64_t end) except -1:
        """Whether BYE was sent, or cannot be sent any more."""
        if self.sending.owner == PyThread_get_thread_ident():
            return True  # from a signal's handler, within a send
        self.closer = PyThread_get_thread_ident()
        try:
            if not self.take_turn(&self.sending, end):
                return False
            try:
                if self.failure is None and not self.finished:
                    if not self.push_bye(end):
                        return False
                    self.transport.shutdown(socket.SHUT_WR)
            finally:
                self.leave_turn(&self.sending)
        except (OSError, Closed):
            pass
        finally:
            self.closer = 0
        return True

    cdef int finish_closing(self, bint mine) except -1:
        try:
            # TCP answers bytes that nobody read by a reset, which overtakes what was sent.
            if mine and self.transport.family != socket.AF_UNIX:
                for _ in range(DRAINED):
                    if not self.transport.recv(1 << 16, socket.MSG_DONTWAIT):
                        break
        except OSError:
            pass
        finally:
            if mine:
                try:
                    self.transport.shutdown(socket.SHUT_RDWR)  # wakes this process's other threads
                except OSError:
                    pass
            self.users -= 1
            self.leave()
        return 0

    def __reduce__(self):
        raise TypeError("a connection is this process's: let the other process connect, or fork it")

    def __del__(self):
        """Close an end that was dropped."""
        try:
            self.close()
        except Exception:
            pass
