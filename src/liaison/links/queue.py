"""Message queues: a FIFO of fixed geometry, with the methods of `queue.Queue`."""

from __future__ import annotations

from liaison.carriers.contract import Policy
from liaison.links.end import LinkEnd, parsed, size
from liaison.message import Message

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Self, TypedDict, Unpack, overload

    from liaison.address import Address
    from liaison.codec import Codec, CodecName

    class QueueOptions(TypedDict, total=False):
        """The options of a queue, besides the type of its messages; see `MessageQueue`."""

        max_messages: int | None
        message_size: int | None
        codec: Codec | CodecName | None


__all__ = ["MessageQueue"]

_MOST_MESSAGES = 1 << 18
_LARGEST_MESSAGE = (1 << 32) - 4096  # bytes


class MessageQueue(LinkEnd[Message]):
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

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, address: str | Address, *, type: type[Message], **options: Unpack[QueueOptions]
        ) -> None: ...
        @overload
        def __init__(
            self, address: str | Address, *, type: object = None, **options: Unpack[QueueOptions]
        ) -> None: ...

    def __init__(
        self,
        address: str | Address,
        *,
        max_messages: int | None = None,
        message_size: int | None = None,
        type: object = None,
        codec: Codec | CodecName | None = None,
    ) -> None:
        """Open the queue, or create it."""
        policy = Policy(
            capacity=size("max_messages", max_messages, 1, _MOST_MESSAGES),
            max_message=size("message_size", message_size, 1, _LARGEST_MESSAGE),
        )
        self._begin(self._how_constructed, parsed(address), policy, type, codec)

    @classmethod
    def create(
        cls,
        address: str | Address,
        *,
        type: type[Message] | object = None,
        **options: Unpack[QueueOptions],
    ) -> Self:
        """Create a queue that does not exist; the options are the constructor's.

        Raises `NameTaken` where one exists, otherwise as the constructor does.

        >>> import liaison
        >>> with liaison.MessageQueue.create("fresh", message_size=64) as queue:
        ...     print(queue.link.capacity, queue.link.max_message)
        ...     queue.destroy()
        10 64
        """
        made = cls._to_create()
        MessageQueue.__init__(made, address, type=type, **options)
        return made

    def put(self, item: Message, block: bool = True, timeout: float | None = None) -> None:
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

    def put_nowait(self, item: Message) -> None:
        """Put a message into the queue without waiting. Raises as `put` does.

        >>> import liaison
        >>> with liaison.MessageQueue("quick") as queue:
        ...     queue.put_nowait("a")
        ...     print(queue.qsize(), queue.get_nowait())
        ...     queue.destroy()
        1 a
        """
        self.send(item, timeout=0)

    def get(self, block: bool = True, timeout: float | None = None) -> Message:
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

    def get_nowait(self) -> Message:
        """Take the oldest message out of the queue without waiting. Raises as `get` does."""
        return self.receive(timeout=0)

    def qsize(self) -> int:
        """Count the waiting messages; other processes may change the count. Raises `Closed`."""
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
