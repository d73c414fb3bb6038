"""Message queues: a FIFO of fixed geometry, with the methods of `queue.Queue`."""

from __future__ import annotations

from liaison.carriers.contract import Policy
from liaison.links.end import LinkEnd, parsed, size

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Any, Self

    from liaison.address import Address
    from liaison.codec import Codec

__all__ = ["MessageQueue"]

_MOST_MESSAGES = 1 << 18
_LARGEST_MESSAGE = (1 << 32) - 4096  # bytes


class MessageQueue(LinkEnd):
    """A named FIFO of a fixed number of messages of bounded size, between any processes.

    Opens the queue at `address`, or creates it. All its memory is reserved at creation, in one ring
    of equal places, so a queue never lacks memory later. `put`, `get` and the other methods of
    ``queue.Queue`` raise `Full` and `Empty`, which are also ``queue.Full`` and ``queue.Empty``. A
    queue also has `lease`, `loan`, receipts, `peek`, `statistics` and `fileno`, like a mailbox.

    - ``max_messages``: most messages that are accepted and not yet acknowledged; by default 10.
    - ``message_size``: bytes of the largest message, as encoded; by default 8192.
    - ``type``, ``codec``: as for a mailbox.

    Arguments that are given must agree with a queue that exists. Raises `InvalidAddress`,
    `Mismatch` when it exists with other properties, `AccessDenied`, `NoSpace`, `Corrupt`,
    `VersionMismatch`, and `ValueError` for a number that is out of range.

    >>> import liaison
    >>> with liaison.MessageQueue("readings", max_messages=2) as queue:
    ...     queue.put(20.5)
    ...     queue.put(21.0)
    ...     print(queue.full(), queue.get(), queue.get(), queue.empty())
    ...     queue.destroy()
    True 20.5 21.0 True
    """

    __slots__ = ()

    _named = "queue"

    def __init__(
        self,
        address: str | Address,
        *,
        max_messages: int | None = None,
        message_size: int | None = None,
        type: Any = None,
        codec: Codec | str | None = None,
    ) -> None:
        """Open the queue, or create it."""
        policy = _policy(max_messages, message_size)
        self._begin("open or create", parsed(address), policy, type, codec)

    @classmethod
    def create(
        cls,
        address: str | Address,
        *,
        max_messages: int | None = None,
        message_size: int | None = None,
        type: Any = None,
        codec: Codec | str | None = None,
    ) -> Self:
        """Create a queue that does not exist; the arguments are the constructor's.

        Raises `NameTaken` where one exists, otherwise as the constructor does.

        >>> import liaison
        >>> with liaison.MessageQueue.create("fresh", message_size=64) as queue:
        ...     print(queue.link.capacity, queue.link.max_message)
        ...     queue.destroy()
        10 64
        """
        policy = _policy(max_messages, message_size)
        return cls._opened("create", parsed(address), policy, type, codec)

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put a message into the queue, waiting for a place if `block` is true.

        `timeout` is in seconds; None waits for ever. Raises `Full` when no place was free in time,
        `TooLarge`, `EncodeError`, `Destroyed`, `Closed`, and `ValueError` for a negative timeout.

        >>> import liaison
        >>> with liaison.MessageQueue("one", max_messages=1) as queue:
        ...     queue.put("a")
        ...     try:
        ...         queue.put("b", timeout=0.01)
        ...     except liaison.Full:
        ...         print("full")
        ...     queue.destroy()
        full
        """
        self.send(item, timeout=_patience(block, timeout))

    def put_nowait(self, item: Any) -> None:
        """Put a message into the queue without waiting. Raises as `put` does.

        >>> import liaison
        >>> with liaison.MessageQueue("quick") as queue:
        ...     queue.put_nowait("a")
        ...     print(queue.qsize(), queue.get_nowait())
        ...     queue.destroy()
        1 a
        """
        self.send(item, timeout=0)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the oldest message out of the queue, waiting for one if `block` is true.

        `timeout` is in seconds; None waits for ever. Raises `Empty` when no message came in time,
        `DecodeError`, `Destroyed`, `Closed`, and `ValueError` for a negative timeout.

        >>> import liaison
        >>> with liaison.MessageQueue("none") as queue:
        ...     try:
        ...         queue.get(block=False)
        ...     except liaison.Empty:
        ...         print("empty")
        ...     queue.destroy()
        empty
        """
        return self.receive(timeout=_patience(block, timeout))

    def get_nowait(self) -> Any:
        """Take the oldest message out of the queue without waiting. Raises as `get` does."""
        return self.receive(timeout=0)

    def qsize(self) -> int:
        """Count the waiting messages; other processes may change that. Raises `Closed`."""
        return len(self)

    def empty(self) -> bool:
        """Return whether no message waits at this moment. Raises `Closed`."""
        return len(self) == 0

    def full(self) -> bool:
        """Return whether `put_nowait` would find no place at this moment. Raises `Closed`.

        A message that is leased, or being written, has a place too.
        """
        return self.statistics().free == 0


def _patience(block: bool, timeout: float | None) -> float | None:
    if not block:
        return 0
    if timeout is not None and timeout < 0:
        raise ValueError(f"timeout={timeout} is negative: it is 0 or more, or None")
    return timeout


def _policy(max_messages: int | None, message_size: int | None) -> Policy:
    return Policy(
        capacity=size("max_messages", max_messages, 1, _MOST_MESSAGES),
        max_message=size("message_size", message_size, 1, _LARGEST_MESSAGE),
    )
