# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""The user's objects: each has an end, which carries out its operations.

It is attached to its end once, and has one from the beginning: a call of the end's takes no
reference to it. A method that was taken from a class can be called with anything for `self`, and
Cython believes it, so each looks.
"""

cimport cython
from cpython.buffer cimport PyObject_CheckBuffer, PyObject_GetBuffer

from liaison._native.carrier cimport CarrierEnd

from liaison import errors
from liaison._native.carrier import Unopened

cdef CarrierEnd UNOPENED = Unopened()
cdef object GenericAlias = type(list[int])


cdef int require(object link) except -1:
    if not isinstance(link, Attached):
        raise TypeError(f"this is a method of links, and not of a {type(link).__name__}")
    return 0


@cython.no_gc_clear  # it keeps its end: see above
cdef class Attached:
    """What has an end of a link."""

    def __cinit__(self, *_, **__):
        self.end = UNOPENED

    @classmethod
    def __class_getitem__(cls, message):
        return GenericAlias(cls, message)  # see liaison.message

    @property
    def address(self):
        """The link's address, a URL."""
        return self.end.address

    @property
    def link(self):
        """What this link is, and who is on it at this moment, a `Link`."""
        return self.end.link

    def fileno(self):
        """A descriptor that is readable when there may be a message.

        It becomes quiet again when a receive finds nothing. For selectors and event loops; the
        first call costs a descriptor.
        """
        require(self)
        return self.end.fileno()

    def close(self):
        """Give up this end; idempotent. What it has leased goes to the next receiver."""
        require(self)
        self.end.close()

    @property
    def closed(self):
        """Whether this end was closed."""
        return self.end.closed

    def __bool__(self):
        return True  # an empty mailbox is a mailbox


cdef class Keeping(Attached):
    """What has an end of a link that keeps messages."""

    def peek(self, max=10):
        """Copies of at most `max` waiting messages, oldest first; takes nothing.

        What cannot be decoded appears as its bytes.
        """
        require(self)
        return self.end.peek(max)

    def statistics(self):
        """A snapshot of the counts, a `Statistics`."""
        require(self)
        return self.end.statistics()

    def destroy(self, *, force=False):
        """Destroy the link for everybody: all who use it get `Destroyed`.

        Its creator may, and anyone once the creator is dead, or with `force`; else `NotOwner`.
        """
        require(self)
        self.end.destroy(force=force)

    def __len__(self):
        return len(self.end)


cdef class Sending(Keeping):
    """How messages are sent."""

    def send(self, message, *, timeout=None, bint receipt=False):
        """Send one message; on a rendezvous link, once a receiver has it.

        With ``receipt=True`` returns a receipt, by which to learn who received the message.

        Raises `Full` when there was no room within `timeout` seconds, `NoReceiver` when nobody came
        to a rendezvous, `TooLarge`, `EncodeError`, `NoSpace`, `Destroyed`, `Closed`.

        >>> import liaison
        >>> with liaison.Mailbox("contract") as box:
        ...     receipt = box.send(b"hello", receipt=True)
        ...     print(receipt.state, box.receive(), receipt.state)
        ...     box.destroy()
        queued b'hello' acknowledged
        """
        require(self)
        return self.end.send_object(message, timeout, receipt)

    def try_send(self, message):
        """Send one message if that needs no waiting; return whether it was sent.

        Raises as `send` does, but for `Full` and `NoReceiver`.
        """
        require(self)
        return self.end.try_send_object(message)

    def send_many(self, messages, *, timeout=None):
        """Send messages in their order; return how many were accepted within `timeout` seconds.

        Raises `Full` when not even the first was, otherwise as `send` does.
        """
        require(self)
        return self.end.send_objects(messages, timeout)

    def loan(self, size, *, timeout=None):
        """Borrow memory of the link for a message of `size` bytes, to be sent without a copy.

        Raises `Full`, `TooLarge`, `NoSpace`, `Destroyed`, `Closed`.

        >>> import liaison
        >>> with liaison.Mailbox("contract") as box:
        ...     with box.loan(5) as loan:
        ...         loan[:] = b"hello"
        ...         loan.send()
        ...     print(box.receive())
        ...     box.destroy()
        b'hello'
        """
        require(self)
        return self.end.loan(size, timeout=timeout)


cdef class Looped(Keeping):
    """What a loop receives from, until the link is over."""

    def __contains__(self, message):
        raise TypeError(
            "whether a message is in a link cannot be asked, since others may take it meanwhile: "
            "look with peek()")

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return self.receive()  # also a subclass's own
        except (errors.Destroyed, errors.Ended):
            raise StopIteration from None


cdef class Receiving(Looped):
    """How messages are received."""

    def receive(self, *, timeout=None):
        """Receive one message.

        Raises `Empty` when none came within `timeout` seconds, `Busy` when another process has the
        exclusive turn, `DecodeError` when the message cannot be decoded (it carries the payload),
        `Destroyed`, `Closed`.
        """
        require(self)
        return self.end.receive_object(timeout)

    def try_receive(self, default=None):
        """Receive one message if there is one, else return `default`."""
        require(self)
        return self.end.try_receive_object(default)

    def receive_many(self, Py_ssize_t max, *, timeout=None):
        """Wait for one message, then take those that follow it: at most `max` in all.

        Raises as `receive` does.
        """
        require(self)
        return self.end.receive_objects(max, timeout)

    def lease(self, *, timeout=None):
        """Receive one message, and keep it until it is acknowledged.

        Raises as `receive` does; decoding happens when ``.message`` is read.

        >>> import liaison
        >>> with liaison.Mailbox("contract") as box:
        ...     box.send({"job": 1})
        ...     try:
        ...         with box.lease() as delivery:
        ...             raise RuntimeError("could not do it")
        ...     except RuntimeError:
        ...         pass
        ...     with box.lease() as delivery:
        ...         print(delivery.message, delivery.attempt)
        ...     box.destroy()
        {'job': 1} 2
        """
        require(self)
        return self.end.lease_object(timeout)


cdef class Corresponding(Looped):
    """How endpoints send and receive.

    ``to`` and ``source`` are an endpoint's name or address, or a `Peer` that has a name. A bare
    name is in the space of the endpoint whose method is called.
    """

    def send(self, to, message, *, timeout=None, bint receipt=False):
        """Send one message to the endpoint called `to`; the link to it is set up at first use.

        It need not have a process at the moment: the next process that takes its name finds the
        message. If either of the two has ``capacity=0`` they meet in rendezvous: this returns once
        the message was received. With ``receipt=True`` returns a receipt.

        Raises `NotFound` when there is no endpoint of that name, `Mismatch` when the name is
        another kind of link's, `Full` when there was no room within `timeout` seconds,
        `NoReceiver` when nobody came to the rendezvous, `Destroyed` when the endpoint is destroyed
        meanwhile, `TooLarge`, `EncodeError`, `NoSpace`, `Closed`, and `AccessDenied` in a forked
        child, which is another process and needs an endpoint of its own.

        >>> import liaison
        >>> with liaison.Endpoint("alice") as alice, liaison.Endpoint("bob") as bob:
        ...     alice.send("bob", "hello")
        ...     print(bob.receive("alice"))
        ...     alice.destroy()
        ...     bob.destroy()
        hello
        """
        require(self)
        return self.end.send_to(to, message, timeout, receipt)

    def try_send(self, to, message):
        """Send one message if that needs no waiting; return whether it was sent.

        Raises as `send` does, but for `Full` and `NoReceiver`.
        """
        require(self)
        return self.end.try_send(to, message)

    def receive(self, source=None, *, timeout=None):
        """Receive one message: from the endpoint called `source`, or else from anyone.

        From one endpoint, messages come in the order in which it sent them. From anyone, the
        senders that have sent something have their turns. A source that does not exist yet is
        waited for. When a name is retired and given to another endpoint, a receiver that waits for
        it already goes on waiting for the endpoint that had it. `lease` reports who sent a message.

        Raises `Empty` when none came within `timeout` seconds, `DecodeError`, `Destroyed`,
        `Closed`, and `AccessDenied` in a forked child.
        """
        require(self)
        return self.end.receive_from(source, timeout)

    def try_receive(self, source=None, default=None):
        """Receive one message if there is one, else return `default`."""
        require(self)
        return self.end.try_receive(source, default)

    def lease(self, source=None, *, timeout=None):
        """Receive one message, and keep it until it is acknowledged.

        Its ``sender`` is the process that sent it, with the name that its endpoint has now; a
        reply can be sent to it. Raises as `receive` does.

        >>> import liaison
        >>> with liaison.Endpoint("alice") as alice, liaison.Endpoint("bob") as bob:
        ...     alice.send("bob", 20)
        ...     with bob.lease() as delivery:
        ...         bob.send(delivery.sender, delivery.message + 1)
        ...     print(delivery.sender.name, alice.receive())
        ...     alice.destroy()
        ...     bob.destroy()
        alice 21
        """
        require(self)
        return self.end.lease(source, timeout=timeout)


cdef class Conversing(Attached):
    """How messages go both ways between two programs."""

    def send(self, message, *, timeout=None, bint receipt=False):
        """Send one message.

        It returns when the system has the message, which does not mean that the other program has
        received it. A large message of which a part has left when `timeout` passes counts as sent:
        its rest goes out with what is done next here, see `pending`.

        Raises `Full` when nothing of it could be sent within `timeout` seconds, `TooLarge`,
        `EncodeError`, `Disconnected`, `Closed`, and `TypeError` for ``receipt=True``, which a
        connection does not have.
        """
        require(self)
        self.end.send_object(message, timeout, receipt)

    def try_send(self, message):
        """Send one message if that needs no waiting; return whether it was sent.

        Raises as `send` does, but for `Full`.
        """
        require(self)
        return self.end.try_send_object(message)

    def send_many(self, messages, *, timeout=None):
        """Send messages in their order; return how many were sent within `timeout` seconds.

        Raises `Full` when not even the first was, otherwise as `send` does.
        """
        require(self)
        return self.end.send_objects(messages, timeout)

    def flush(self, *, timeout=None):
        """Send what is `pending`.

        Raises `Full` when that took longer than `timeout` seconds, `Disconnected`, `Closed`.
        """
        require(self)
        self.end.flush(timeout=timeout)

    def receive(self, *, timeout=None):
        """Receive one message.

        Raises `Empty` when none came within `timeout` seconds, `Ended` when there will be none any
        more, `DecodeError` when the message cannot be decoded (the connection goes on), `TooLarge`
        and `Corrupt` when what came is no message of this link (it does not), `Closed`, and
        `AccessDenied` when it turns out that the other end asks for a token.
        """
        require(self)
        return self.end.receive_object(timeout)

    def try_receive(self, default=None):
        """Receive one message if there is one, else return `default`. Raises as `receive` does."""
        require(self)
        return self.end.try_receive_object(default)

    def receive_many(self, Py_ssize_t max, *, timeout=None):
        """Wait for one message, then take those that follow it: at most `max` in all.

        Raises as `receive` does, and `ValueError` for a `max` below 1.
        """
        require(self)
        return self.end.receive_objects(max, timeout)

    def __iter__(self):
        """Receive messages until the other end is closed.

        When it was not closed, but its process died or the way there was cut, the loop ends with
        `Ended`.
        """
        return self

    def __next__(self):
        try:
            return self.receive()  # also a subclass's own
        except errors.Ended as error:
            if error.clean:
                raise StopIteration from None
            raise

    @property
    def pending(self):
        """Bytes of a message that `send` took, and that wait for the other end to read.

        0 except after a timeout or an interruption in the middle of a large message. They go out
        with whatever is called next on this end, `flush` for example.
        """
        return self.end.pending

    @property
    def sent(self):
        """How many messages were handed over to the system as a whole."""
        return self.end.sent

    @property
    def confirmed(self):
        """How many of those `sent` the other program is known to have received.

        It reports that with each of its own messages that is received here, and when it is closed.
        """
        return self.end.confirmed


cdef class Lent:
    """Memory of a link on loan, whoever's carrier it is; a buffer on every Python."""

    cdef readonly object loan
    cdef object __weakref__

    def __init__(self, loan):
        self.loan = loan

    @property
    def view(self):
        """The memory, writable."""
        return self.loan.view

    def discard(self):
        """Give the memory back; idempotent."""
        self.loan.discard()

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        memory = self.loan if PyObject_CheckBuffer(self.loan) else self.loan.view
        PyObject_GetBuffer(memory, buffer, flags)

    def __len__(self):
        return len(self.loan)

    def __bool__(self):
        return True

    def __getitem__(self, key):
        return self.loan[key]

    def __setitem__(self, key, value):
        self.loan[key] = value

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.discard()


def attach(Attached link not None, CarrierEnd end not None):
    """Give a user's object its end; once."""
    if link.end is not UNOPENED:
        end.close()
        raise RuntimeError(f"{link!r} is open already: make another object for another end")
    link.end = end


cpdef object end_of(object link):
    """The end that a user's object has; anything else as it is."""
    return (<Attached>link).end if isinstance(link, Attached) else link
