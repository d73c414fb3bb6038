"""Every error of liaison, and what to do about it.

::

    LiaisonError                                   anything below
     │
     ├── not now: try again later
     │    ├── Full                  queue.Full                no room within the timeout
     │    │    └── NoReceiver                                 rendezvous: no receiver came
     │    ├── Empty                 queue.Empty               no message within the timeout
     │    ├── Busy                  BlockingIOError           a living process has it
     │    └── CallTimeout           TimeoutError              no answer within the timeout
     │
     ├── the caller's mistake: retrying does not help
     │    ├── InvalidAddress        ValueError                not an address
     │    ├── Mismatch              ValueError                the link has other properties
     │    ├── TooLarge              ValueError                above the link's largest message
     │    ├── EncodeError           ValueError                this object cannot be a message
     │    ├── Closed                ValueError                this end was closed by you
     │    ├── Deadlock                                        waiting would close a cycle
     │    └── LeaseLost                                       the message is no longer yours
     │
     ├── the environment: look first
     │    ├── NotFound              FileNotFoundError         nothing has this name
     │    ├── NameTaken             FileExistsError           something has this name
     │    ├── AccessDenied          PermissionError           rights of the space or the link
     │    ├── NotOwner              PermissionError           another living process's link
     │    ├── NoSpace               OSError                   memory could not be reserved
     │    └── Unsupported           OSError                   this kernel or sandbox lacks it
     │
     └── the other side
          ├── Destroyed             BrokenPipeError           the link was destroyed
          ├── PeerDied              ConnectionResetError      the answering process is dead
          ├── Ended                 EOFError                  the other end is gone: receiving
          ├── Disconnected          BrokenPipeError           the other end is gone: sending
          ├── DecodeError           ValueError                a message that cannot be read
          ├── RemoteError                                     an exception of the other side
          ├── Corrupt               OSError                   a segment fails its checks
          └── VersionMismatch       OSError                   a segment of another version

The second column is the builtin (or ``queue``) class that each error also is, so a program written
for Python's own queues, files and sockets catches it unchanged. If that class is an ``OSError``,
``errno`` is set. ``str(error)`` is the message, without an ``[Errno …]`` before it. Every error can
be pickled.
"""

from __future__ import annotations

import errno as _errno
import queue as _queue

from liaison.printable import printable as _printable

__all__ = [
    "AccessDenied",
    "Busy",
    "CallTimeout",
    "Closed",
    "Corrupt",
    "Deadlock",
    "DecodeError",
    "Destroyed",
    "Disconnected",
    "Empty",
    "EncodeError",
    "Ended",
    "Full",
    "InvalidAddress",
    "LeaseLost",
    "LiaisonError",
    "Mismatch",
    "NameTaken",
    "NoReceiver",
    "NoSpace",
    "NotFound",
    "NotOwner",
    "PeerDied",
    "RemoteError",
    "TooLarge",
    "Unsupported",
    "VersionMismatch",
]


class LiaisonError(Exception):
    """The base class of all errors of liaison; never raised itself.

    >>> try:
    ...     raise Empty("no message within 2 s")
    ... except LiaisonError as error:
    ...     print(error)
    no message within 2 s
    """

    def __str__(self) -> str:
        r"""Return the text on one line, with escapes such as ``\\x1b`` for unprintable characters.

        The text can quote what other processes wrote: a name, an address, a part of a message.
        """
        return _printable(super().__str__())


# `errno` stands in each class body instead of being passed to OSError's constructor, because
# OSError(number, text) would print "[Errno 28] text" and would pickle as two arguments.


class Full(LiaisonError, _queue.Full):
    """There was no room for the message before the timeout passed; it was not accepted.

    Fault: none; the receivers are slower than the senders, or a table of the link is full.
    Retry: yes, later, or with a longer timeout.

    >>> import queue
    >>> issubclass(Full, queue.Full)
    True
    """


class NoReceiver(Full):
    """No receiver came to a rendezvous before the timeout passed; the message was not sent.

    Fault: none. Retry: yes.

    >>> issubclass(NoReceiver, Full)
    True
    """


class Empty(LiaisonError, _queue.Empty):
    """No message, or connection to accept, came before the timeout passed.

    Fault: none. Retry: yes.

    >>> import queue
    >>> issubclass(Empty, queue.Empty)
    True
    """


class Busy(LiaisonError, BlockingIOError):
    """A living process has the name, the turn to receive, the side of the link, or the space.

    An exclusive link and a port have one receiver, a pair link two processes. Fault: none.
    Retry: yes, once that process has ended or closed its end.

    >>> Busy("process 4711 receives here").errno == __import__("errno").EAGAIN
    True
    """

    errno: int | None = _errno.EAGAIN


class CallTimeout(LiaisonError, TimeoutError):
    """The other end did not answer before the timeout of a `connect` passed.

    Fault: the server's or the network's. Retry: yes.

    >>> issubclass(CallTimeout, TimeoutError)
    True
    """

    errno: int | None = _errno.ETIMEDOUT


class InvalidAddress(LiaisonError, ValueError):
    """The text is not an address; nothing was created or opened.

    Fault: the caller's, or that of LIAISON_SPACE. Retry: no; correct the text.

    >>> issubclass(InvalidAddress, ValueError)
    True
    """


class Mismatch(LiaisonError, ValueError):
    """The link exists with another capacity, kind or policy than the one asked for.

    Fault: the caller's. Retry: no; leave out those arguments, or destroy the link and create it
    anew.

    >>> issubclass(Mismatch, ValueError)
    True
    """


class TooLarge(LiaisonError, ValueError):
    """The message is larger than any that this link can carry.

    Fault: the caller's. Retry: no; split the message, or create the link with a larger
    ``max_message=``, ``message_size=`` or ``memory=``.

    >>> issubclass(TooLarge, ValueError)
    True
    """


class EncodeError(LiaisonError, ValueError):
    """The object cannot be encoded as a message; nothing was sent.

    Fault: the sender's. Retry: no; the text says what can be sent instead.

    >>> issubclass(EncodeError, ValueError)
    True
    """


class Closed(LiaisonError, ValueError):
    """This end was closed by this program.

    The link itself still exists. Fault: the caller's. Retry: no; open the link again.

    >>> issubclass(Closed, ValueError)  # as with a closed file
    True
    """


class Deadlock(LiaisonError):
    """Waiting would close a cycle of waits that can never end.

    Fault: of all programs in the cycle. Retry: no; first release what this process holds.

    >>> issubclass(Deadlock, LiaisonError)
    True
    """


class LeaseLost(LiaisonError):
    """The message does not belong to this lease any more.

    It was acknowledged or released already, or belongs to the process that forked this one.
    Fault: the caller's. Retry: no; another receiver may have the message.

    >>> issubclass(LeaseLost, LiaisonError)
    True
    """


class NotFound(LiaisonError, FileNotFoundError):
    """Nothing has this name.

    Fault: the caller's, or that of the process that should have created it. Retry: once it exists.

    >>> issubclass(NotFound, FileNotFoundError)
    True
    """

    errno: int | None = _errno.ENOENT


class NameTaken(LiaisonError, FileExistsError):
    """Something has this name already.

    Fault: the caller's. Retry: no; open what exists, or choose another name.

    >>> issubclass(NameTaken, FileExistsError)
    True
    """

    errno: int | None = _errno.EEXIST


class AccessDenied(LiaisonError, PermissionError):
    """The rights of the space or of the link do not allow this, or a peer could not be trusted.

    Also raised when a file of the space has a wrong owner, mode or type (nothing was followed or
    changed), when an observer sends or receives, and when a connection's other end cannot prove
    that it has the token. Fault: of the rights or tokens. Retry: no.

    >>> AccessDenied("space lab belongs to alice").errno == __import__("errno").EACCES
    True
    """

    errno: int | None = _errno.EACCES


class NotOwner(LiaisonError, PermissionError):
    """The link was created by another living process, and ``force=True`` was not given.

    Fault: the caller's. Retry: once its creator has ended, or with ``force=True``.

    >>> issubclass(NotOwner, PermissionError)
    True
    """

    errno: int | None = _errno.EPERM


class NoSpace(LiaisonError, OSError):
    """Memory for a link, or for one more message in it, could not be reserved.

    Nothing was created or sent. A link with ``memory=`` or ``max_message=`` reserves all its memory
    at creation.

    ``errno`` is the cause: ``ENOSPC``, the memory file system is full; ``EDQUOT``, the user's quota
    is used up; ``EFBIG``, this process may not make files so large (``ulimit -f``). Fault: of the
    machine, or of a capacity too large for it. Retry: after freeing memory, or with less.

    >>> error = NoSpace("64 MiB asked for, 12 MiB free")
    >>> error.errno == __import__("errno").ENOSPC, str(error)
    (True, '64 MiB asked for, 12 MiB free')
    """

    errno: int | None = _errno.ENOSPC


class Unsupported(LiaisonError, OSError):
    """This kernel, container, sandbox or interpreter lacks what is needed; nothing was created.

    The text says what is lacking, where it is known to work, and what can be done. Fault: of
    the machine. Retry: no.

    >>> Unsupported("no OFD locks here").errno == __import__("errno").ENOSYS
    True
    """

    errno: int | None = _errno.ENOSYS


class Destroyed(LiaisonError, BrokenPipeError):
    """The link was destroyed, while or before it was used.

    Fault: none, usually; the work has ended. Retry: no; create or open a new link.

    >>> issubclass(Destroyed, BrokenPipeError)
    True
    """

    errno: int | None = _errno.EPIPE


class PeerDied(LiaisonError, ConnectionResetError):
    """The one process that could answer is dead.

    Fault: the other side's. Retry: once it runs again, and only what may happen twice, because it
    can have died afterwards.

    >>> issubclass(PeerDied, ConnectionResetError)
    True
    """

    errno: int | None = _errno.ECONNRESET


class Ended(LiaisonError, EOFError):
    """The other end of a pipe or connection is gone, and everything that arrived was received.

    ``clean`` is True when the other end was closed, and False when its process died or the
    connection was cut, so that messages may be missing. A `pipe`, which several processes may hold,
    cannot tell: there it is True. ``received`` counts the messages that this end received.
    Fault: none, or the other side's. Retry: no; connect anew.

    >>> error = Ended("the other end was closed", clean=True, received=7)
    >>> error.clean, error.received, isinstance(error, EOFError)
    (True, 7, True)
    """

    def __init__(self, message: str = "", *, clean: bool = False, received: int = 0) -> None:
        """Store the text and how the other end ended."""
        super().__init__(message)
        self.clean = clean
        self.received = received


class Disconnected(LiaisonError, BrokenPipeError):
    """The other end of a pipe or connection is gone, so nothing can be sent to it any more.

    The message whose sending raised this was not delivered. Of the earlier ones, ``sent`` were
    handed over to the system as a whole, and the other program is known to have received the first
    ``confirmed`` of them. What became of the rest is unknown. Fault: none, or the other side's.
    Retry: connect anew, then send again what may arrive twice.

    >>> error = Disconnected("the other end is gone", sent=9, confirmed=7)
    >>> error.sent, error.confirmed, isinstance(error, BrokenPipeError)
    (9, 7, True)
    """

    errno: int | None = _errno.EPIPE

    def __init__(self, message: str = "", *, sent: int = 0, confirmed: int = 0) -> None:
        """Store the text and the two counts."""
        super().__init__(message)
        self.sent = sent
        self.confirmed = confirmed


class DecodeError(LiaisonError, ValueError):
    r"""A message arrived that cannot be read as what this receiver asked for.

    ``payload`` is the message's bytes, so it is not lost, and ``format`` their format (a
    `liaison.codec.Format`), None when unknown. Fault: the sender's, or that of a ``type=`` or
    ``codec=`` that differs between the two ends. Retry: no; `receive` has removed the message.

    >>> error = DecodeError("expected int, got str", payload=b"\xa1x", format=1)
    >>> error.payload, error.format, str(error)
    (b'\xa1x', 1, 'expected int, got str')
    """

    def __init__(
        self, message: str = "", *, payload: bytes = b"", format: int | None = None
    ) -> None:
        """Store the text and the message's bytes and format."""
        super().__init__(message)
        self.payload = payload
        self.format = format


class RemoteError(LiaisonError):
    """A call raised an exception on the other side that is not a builtin one.

    ``type`` is the name of its class, ``message`` its text and ``traceback`` the remote traceback;
    all three are text only. Fault: the remote function's, or that of its arguments. Retry: as the
    documentation of that function says.

    >>> error = RemoteError("no row 7", type="shop.NoRow", traceback="Traceback …")
    >>> str(error), error.type, error.message
    ('shop.NoRow: no row 7', 'shop.NoRow', 'no row 7')
    """

    def __init__(self, message: str = "", *, type: str = "", traceback: str = "") -> None:
        """Store the text, the class and the traceback of the remote exception."""
        super().__init__(message)
        self.message = message
        self.type = type
        self.traceback = traceback

    def __str__(self) -> str:
        """Return the text, after the name of the class."""
        return _printable(f"{self.type}: {self.message}" if self.type else self.message)


class Corrupt(LiaisonError, OSError):
    """Shared memory, or what arrived on a connection, fails its checks; this process is unharmed.

    Fault: of the process that wrote it, never the caller's. Retry: no; destroy the link (with
    ``force=True``) and create it anew, or connect anew.

    >>> issubclass(Corrupt, OSError)
    True
    """

    errno: int | None = _errno.EUCLEAN


class VersionMismatch(LiaisonError, OSError):
    """The segment or the other end belongs to an incompatible version of liaison.

    No payload was touched. Fault: of the installation. Retry: no; use one version in all
    processes of a space.

    >>> issubclass(VersionMismatch, OSError)
    True
    """

    errno: int | None = _errno.EPROTONOSUPPORT
