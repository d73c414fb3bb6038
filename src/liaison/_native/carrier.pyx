# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""What a link's end is to the links: a carrier's, whichever that is.

A user's object has one end and calls it through C where that has to be quick. An end of the engine's
answers there. One that is written in Python has methods of the names that
`liaison.carriers.contract` gives, and is asked for these.
"""

cimport cython

from liaison import errors

# Callables. They get an end before it is closed, and after it was closed, so that waiters on its
# descriptor are woken; and an endpoint's end when a new sender may have sent to it.
closing = []
closed = []
arriving = []


cdef class CarrierEnd:
    """One end of a link, as its carrier made it."""

    def __bool__(self):
        return True  # also when no message waits

    cdef object send_object(self, object message, object timeout, bint receipt):
        return self.send(message, timeout=timeout, receipt=receipt)

    cdef bint try_send_object(self, object message) except -1:
        return self.try_send(message)

    cdef Py_ssize_t send_objects(self, object messages, object timeout) except -1:
        return self.send_many(messages, timeout=timeout)

    cdef object receive_object(self, object timeout):
        return self.receive(timeout=timeout)

    cdef object try_receive_object(self, object default):
        return self.try_receive(default)

    cdef list receive_objects(self, Py_ssize_t max, object timeout):
        return self.receive_many(max, timeout=timeout)

    cdef object lease_object(self, object timeout):
        return self.lease(timeout=timeout)

    # ---- of an endpoint

    cdef object send_to(self, object to, object message, object timeout, bint receipt):
        return self.send(to, message, timeout=timeout, receipt=receipt)

    cdef object receive_from(self, object source, object timeout):
        return self.receive(source, timeout=timeout)


@cython.final
cdef class TwoWay(CarrierEnd):
    """A side of a link with two ways: the end of the way here, and the one of the way there."""

    cdef CarrierEnd reader
    cdef CarrierEnd writer

    def __cinit__(self, CarrierEnd reader not None, CarrierEnd writer not None):
        self.reader = reader
        self.writer = writer

    cdef object send_object(self, object message, object timeout, bint receipt):
        return self.writer.send_object(message, timeout, receipt)

    cdef bint try_send_object(self, object message) except -1:
        return self.writer.try_send_object(message)

    cdef Py_ssize_t send_objects(self, object messages, object timeout) except -1:
        return self.writer.send_objects(messages, timeout)

    cdef object receive_object(self, object timeout):
        return self.reader.receive_object(timeout)

    cdef object try_receive_object(self, object default):
        return self.reader.try_receive_object(default)

    cdef list receive_objects(self, Py_ssize_t max, object timeout):
        return self.reader.receive_objects(max, timeout)

    cdef object lease_object(self, object timeout):
        return self.reader.lease_object(timeout)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.writer if name in OUTWARD else self.reader, name)

    def __len__(self):
        return len(self.reader)

    def statistics(self, *, bint outgoing=False):
        """A snapshot of the counts of the way here, or of the `outgoing` way."""
        return (self.writer if outgoing else self.reader).statistics()

    def close(self):
        """Give up this end; idempotent. The other side learns it at once."""
        if self.reader.closed:
            return
        for callback in closing:
            callback(self)
        self.writer.close()
        self.reader.close()
        for callback in closed:
            callback(self)

    def destroy(self, *, bint force=False):
        """Destroy the link for both sides, with what is in it."""
        try:
            self.reader.destroy(force=force)
        except errors.Destroyed:
            pass  # perhaps by this very end, which could not do the other half
        self.writer.destroy(force=True)


# What the end of the way there does.
OUTWARD = frozenset((
    "send", "try_send", "send_many", "loan", "rendezvous",
    "pack", "post", "room", "offer", "reached", "withdraw", "write", "largest_message",
))


class Unopened(CarrierEnd):
    """In place of an end, where there is none: the link was not opened, or arrived closed."""

    closed = True

    def __init__(self, address="a link that was not opened"):
        self.address = address

    def close(self):
        """Do nothing: it is closed."""

    def __getattr__(self, name):
        raise errors.Closed(
            f"{self.address} is not open: open it again, and call super().__init__(...) in a "
            "constructor of your own")

    def __len__(self):
        return self.__getattr__("len")
