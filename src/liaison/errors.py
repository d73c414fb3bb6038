"""Every error of liaison, and what each asks of you.

::

    LiaisonError                                   anything below
     │
     ├── not now: nobody's fault, try again
     │    ├── Full                  queue.Full                no room came in time
     │    │    └── NoReceiver                                 rendezvous: nobody came in time
     │    ├── Empty                 queue.Empty               no message came in time
     │    ├── Busy                  BlockingIOError           a living process has it
     │    └── CallTimeout           TimeoutError              no answer came in time
     │
     ├── the caller's mistake: retrying changes nothing
     │    ├── InvalidAddress        ValueError                not an address
     │    ├── Mismatch              ValueError                the link exists, and is another one
     │    ├── TooLarge              ValueError                above the link's largest message
     │    ├── EncodeError           ValueError                this object cannot be a message
     │    ├── Closed                ValueError                this end was closed by you
     │    ├── Deadlock                                        waiting would close a cycle
     │    └── LeaseLost                                       the message is no longer yours
     │
     ├── the world is not as expected: look first
     │    ├── NotFound              FileNotFoundError         nothing has this name
     │    ├── NameTaken             FileExistsError           something has this name
     │    ├── AccessDenied          PermissionError           rights of the space or the link
     │    ├── NotOwner              PermissionError           another living process's link
     │    ├── NoSpace               OSError                   memory could not be reserved
     │    └── Unsupported           OSError                   this kernel or sandbox lacks a thing
     │
     └── the other side
          ├── Destroyed             BrokenPipeError           the link was destroyed
          ├── PeerDied              ConnectionResetError      who could answer is dead
          ├── Ended                 EOFError                  nothing more will come from there
          ├── Disconnected          BrokenPipeError           nobody is there to take it
          ├── DecodeError           ValueError                a message that cannot be read
          ├── RemoteError                                     an exception raised over there
          ├── Corrupt               OSError                   a segment fails its checks
          └── VersionMismatch       OSError                   another version's segment

The second column is the builtin (or ``queue``) class that each one also is, so that a program
written for Python's own queues, files and sockets catches them as it stands. Where that class is
an ``OSError``, ``errno`` is set. ``str(error)`` is the message, without an ``[Errno …]`` before it.
Every error survives pickling.
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
    """What all errors of liaison have in common; never raised itself.

    >>> try:
    ...     raise Empty("no message within 2 s")
    ... except LiaisonError as error:
    ...     print(error)
    no message within 2 s
    """

    def __str__(self) -> str:
        r"""Return the text on one line, what is not printable in it as escapes such as ``\\x1b``.

        It can quote what others wrote: a name, an address, a part of a message.
        """
        return _printable(super().__str__())


# `errno` stands in each class body instead of being handed to OSError's constructor, because
# OSError(number, text) would print "[Errno 28] text" and would pickle as two arguments.


class Full(LiaisonError, _queue.Full):
    """There was no room for the message before the timeout passed.

    Fault: nobody's; the receivers are slower than the senders. Retry: yes, later, or with a longer
    timeout. The message was not accepted.

    >>> import queue
    >>> issubclass(Full, queue.Full)
    True
    """


class NoReceiver(Full):
    """Nobody came to take the message of a rendezvous before the timeout passed.

    Fault: nobody's. Retry: yes; the message was not handed over.

    >>> issubclass(NoReceiver, Full)
    True
    """


class Empty(LiaisonError, _queue.Empty):
    """No message came before the timeout passed.

    Fault: nobody's. Retry: yes.

    >>> import queue
    >>> issubclass(Empty, queue.Empty)
    True
    """


class Busy(LiaisonError, BlockingIOError):
    """What was asked for belongs to a living process at the moment.

    Exclusive reception and ports have one receiver; a pair link has its two processes.
    Fault: nobody's. Retry: yes, once that process has ended or closed its end.

    >>> Busy("process 4711 receives here").errno == __import__("errno").EAGAIN
    True
    """

    errno: int | None = _errno.EAGAIN


class CallTimeout(LiaisonError, TimeoutError):
    """No answer came before the deadline of the call; the server was told to stop.

    Fault: nobody's, or a slow server's. Retry: only a call that may run twice, because the server
    can have carried it out.

    >>> issubclass(CallTimeout, TimeoutError)
    True
    """

    errno: int | None = _errno.ETIMEDOUT


class InvalidAddress(LiaisonError, ValueError):
    """The text is not an address; nothing was created or opened.

    Fault: the caller's (or of who set LIAISON_SPACE). Retry: no, mend the text first.

    >>> issubclass(InvalidAddress, ValueError)
    True
    """


class Mismatch(LiaisonError, ValueError):
    """The link exists, with a geometry, kind or policy other than the one asked for.

    Fault: the caller's. Retry: no; open the link as it is, or destroy it and create it anew.

    >>> issubclass(Mismatch, ValueError)
    True
    """


class TooLarge(LiaisonError, ValueError):
    """The message is above the largest that this link was created for.

    Fault: the caller's. Retry: no; split the message, or create the link with more.

    >>> issubclass(TooLarge, ValueError)
    True
    """


class EncodeError(LiaisonError, ValueError):
    """The object cannot be made into a message; nothing was sent.

    Fault: the sender's. Retry: no; the text says what could be sent instead.

    >>> issubclass(EncodeError, ValueError)
    True
    """


class Closed(LiaisonError, ValueError):
    """The program itself closed this end before using it.

    The link lives on, for others too. Fault: the caller's. Retry: no; open it again.

    >>> issubclass(Closed, ValueError)  # as with a closed file
    True
    """


class Deadlock(LiaisonError):
    """Waiting would close a cycle of waits that certainly never ends.

    Fault: that of the programs in the cycle, taken together. Retry: no; release what this process
    holds first.

    >>> issubclass(Deadlock, LiaisonError)
    True
    """


class LeaseLost(LiaisonError):
    """The message is no longer this lease's: it was released, or given to another receiver.

    Fault: usually the holder's, who acknowledged too late. Retry: no; somebody else has the
    message now, so effects of working on it should be undone or be harmless.

    >>> issubclass(LeaseLost, LiaisonError)
    True
    """


class NotFound(LiaisonError, FileNotFoundError):
    """Nothing has this name.

    Fault: the caller's, or of a process that has not created it yet. Retry: once it was created.

    >>> issubclass(NotFound, FileNotFoundError)
    True
    """

    errno: int | None = _errno.ENOENT


class NameTaken(LiaisonError, FileExistsError):
    """Something has this name already.

    Fault: the caller's. Retry: no; open it, or choose another name.

    >>> issubclass(NameTaken, FileExistsError)
    True
    """

    errno: int | None = _errno.EEXIST


class AccessDenied(LiaisonError, PermissionError):
    """The rights of the space or of the link do not allow this.

    Also raised where a file of the space is not what it should be (its owner, mode or type):
    nothing was followed and nothing was changed. Fault: of who set the rights. Retry: no.

    >>> AccessDenied("space lab belongs to alice").errno == __import__("errno").EACCES
    True
    """

    errno: int | None = _errno.EACCES


class NotOwner(LiaisonError, PermissionError):
    """The link was created by another process that lives, and ``force=True`` was not given.

    Fault: the caller's. Retry: once its creator has ended, or with ``force=True``.

    >>> issubclass(NotOwner, PermissionError)
    True
    """

    errno: int | None = _errno.EPERM


class NoSpace(LiaisonError, OSError):
    """Memory for a link, or for one more message in it, could not be reserved.

    Nothing was created, or sent. A link with ``memory=`` or ``max_message=`` has all of its memory
    once it was created.

    ``errno`` tells why: ``ENOSPC``, the memory file system is full; ``EDQUOT``, the user's share of
    it is; ``EFBIG``, this process may not make files so large (``ulimit -f``). Fault: of the
    machine, or of a capacity that is too large for it. Retry: after freeing memory, or with less.

    >>> error = NoSpace("64 MiB asked for, 12 MiB free")
    >>> error.errno == __import__("errno").ENOSPC, str(error)
    (True, '64 MiB asked for, 12 MiB free')
    """

    errno: int | None = _errno.ENOSPC


class Unsupported(LiaisonError, OSError):
    """This kernel, container, sandbox or interpreter lacks what is needed; nothing was created.

    The text says what is lacking, where it is known to work, and what can be done. Fault: of the
    machine's set-up. Retry: no.

    >>> Unsupported("no OFD locks here").errno == __import__("errno").ENOSYS
    True
    """

    errno: int | None = _errno.ENOSYS


class Destroyed(LiaisonError, BrokenPipeError):
    """The link was destroyed, while or before it was used.

    Fault: nobody's, usually the end of the work. Retry: no; create or open a new link.

    >>> issubclass(Destroyed, BrokenPipeError)
    True
    """

    errno: int | None = _errno.EPIPE


class PeerDied(LiaisonError, ConnectionResetError):
    """The one process that could answer is dead.

    Fault: the other side's. Retry: once it runs again, and only what may happen twice, because it
    can have died after doing it.

    >>> issubclass(PeerDied, ConnectionResetError)
    True
    """

    errno: int | None = _errno.ECONNRESET


class Ended(LiaisonError, EOFError):
    """The other end of a pipe or connection is gone, and everything that came was received.

    ``clean`` is True when the other end was closed, and False when its process died or the way
    there was cut, so that more may have been meant to come. A `pipe`, which several processes may
    hold, does not tell: there it is True. ``received`` counts the messages that this end received.
    Fault: nobody's, or the other side's. Retry: no; connect anew.

    >>> error = Ended("the other end was closed", clean=True, received=7)
    >>> error.clean, error.received, isinstance(error, EOFError)
    (True, 7, True)
    """

    def __init__(self, message: str = "", *, clean: bool = False, received: int = 0) -> None:
        """Note how it ended beside the text."""
        super().__init__(message)
        self.clean = clean
        self.received = received


class Disconnected(LiaisonError, BrokenPipeError):
    """The other end of a pipe or connection is gone, so nothing can be sent there any more.

    The message whose sending raised this was not delivered. Of those before it, ``sent`` were
    handed over to the system as a whole, and the first ``confirmed`` of these are known to have
    been received by the other program; what became of the ones between the two nobody knows.
    Fault: nobody's, or the other side's. Retry: connect anew, then send again what may arrive
    twice.

    >>> error = Disconnected("the other end is gone", sent=9, confirmed=7)
    >>> error.sent, error.confirmed, isinstance(error, BrokenPipeError)
    (9, 7, True)
    """

    errno: int | None = _errno.EPIPE

    def __init__(self, message: str = "", *, sent: int = 0, confirmed: int = 0) -> None:
        """Note beside the text what was delivered."""
        super().__init__(message)
        self.sent = sent
        self.confirmed = confirmed


class DecodeError(LiaisonError, ValueError):
    r"""A message arrived that cannot be read as what this receiver asked for.

    ``payload`` is the message's bytes, so it is not lost, and ``format`` the number beside it (a
    `liaison.codec.Format`), None when unknown. Fault: the sender's, or of a ``type=`` or ``codec=``
    that differs between the two. Retry: no; the message has been taken.

    >>> error = DecodeError("expected int, got str", payload=b"\xa1x", format=1)
    >>> error.payload, error.format, str(error)
    (b'\xa1x', 1, 'expected int, got str')
    """

    def __init__(
        self,
        message: str = "",
        *,
        payload: bytes = b"",
        format: int | None = None,
    ) -> None:
        """Note the message's bytes and format beside the text."""
        super().__init__(message)
        self.payload = payload
        self.format = format


class RemoteError(LiaisonError):
    """A call raised an exception over there that is not one of Python's own.

    ``type`` is the name of its class, ``message`` its text and ``traceback`` the remote traceback;
    all three are text only. Fault: the remote function's, or that of the arguments it was given.
    Retry: as the remote function says.

    >>> error = RemoteError("no row 7", type="shop.NoRow", traceback="Traceback …")
    >>> str(error), error.type, error.message
    ('shop.NoRow: no row 7', 'shop.NoRow', 'no row 7')
    """

    def __init__(
        self,
        message: str = "",
        *,
        type: str = "",
        traceback: str = "",
    ) -> None:
        """Note the class and the traceback of the remote exception beside its text."""
        super().__init__(message)
        self.message = message
        self.type = type
        self.traceback = traceback

    def __str__(self) -> str:
        """Return the text, after the name of the class."""
        return _printable(f"{self.type}: {self.message}" if self.type else self.message)


class Corrupt(LiaisonError, OSError):
    """A segment of shared memory fails its checks; this process is unharmed.

    Fault: of whoever wrote to it, never the caller's. Retry: no; destroy the link (with
    ``force=True``) and create it anew.

    >>> issubclass(Corrupt, OSError)
    True
    """

    errno: int | None = _errno.EUCLEAN


class VersionMismatch(LiaisonError, OSError):
    """The segment was made by a version of liaison that this one cannot share it with.

    No payload was touched. Fault: of the installation. Retry: no; use one version in all processes
    of a space.

    >>> issubclass(VersionMismatch, OSError)
    True
    """

    errno: int | None = _errno.EPROTONOSUPPORT
