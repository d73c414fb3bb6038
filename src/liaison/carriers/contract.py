"""What each carrier promises of a mailbox and of an endpoint: the words of the API, said once.

A carrier implements these methods in a class of its own; nothing above it may depend on more. It
owns what it gives out until that is settled. Where a method waits, ``timeout`` is in seconds:
None waits for ever, 0 does not wait, and Ctrl-C interrupts. Every method may be called from many
threads, and after a fork from the child.
"""

from __future__ import annotations

# A contract has no bodies.
# pyright: reportReturnType=false

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Any, Protocol, Self

    from liaison.address import Address
    from liaison.link import Link, Peer, Statistics
else:
    Protocol = object

__all__ = [
    "DeliveryContract",
    "EndpointContract",
    "LoanContract",
    "MailboxContract",
    "ReceiptContract",
]


class DeliveryContract(Protocol):
    """A message under lease; leaving its ``with`` block acknowledges it, or returns it."""

    @property
    def message(self) -> Any:
        """What was sent. Raises `DecodeError`."""

    @property
    def view(self) -> memoryview:
        """The bytes in place."""

    @property
    def sender(self) -> Peer:
        """The process that sent it."""

    @property
    def attempt(self) -> int:
        """How many times it was delivered: 1 at first."""

    def acknowledge(self) -> None:
        """Be done with it. Raises `LeaseLost` when it is no longer the caller's."""

    def release(self) -> None:
        """Give it to the next receiver, ahead of the rest."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class LoanContract(Protocol):
    """Memory of the link to write a message into; leaving its ``with`` block discards it."""

    @property
    def view(self) -> memoryview:
        """The memory, writable."""

    def send(self, *, timeout: float | None = None) -> None:
        """Send what was written; `timeout` is for a rendezvous."""

    def discard(self) -> None:
        """Give the memory back; idempotent."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...
    def __setitem__(self, index: Any, value: Any, /) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class ReceiptContract(Protocol):
    """Tells a sender what became of its message."""

    @property
    def state(self) -> str:
        """``"queued"``, ``"received"``, ``"acknowledged"`` or ``"dead-lettered"``."""

    def wait_received(self, timeout: float | None = None) -> Peer:
        """Wait until somebody has received it; who. Raises `Empty`."""

    def wait_acknowledged(self, timeout: float | None = None) -> Peer:
        """Wait until it was acknowledged or dead-lettered; by whom. Raises `Empty`."""


class MailboxContract:
    """The operations of a mailbox, as every carrier has them.

    Not abstract in the sense of `abc`: a checker of types must see that a `Mailbox`, which inherits
    this, can be made. A carrier's class stands before it; a test sees to it that it has everything.
    """

    __slots__ = ()

    @property
    def address(self) -> str:
        """The link's address, a URL."""

    def send(
        self, message: Any, *, timeout: float | None = None, receipt: bool = False
    ) -> ReceiptContract | None:
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

    def try_send(self, message: Any) -> bool:
        """Send one message if that needs no waiting; return whether it was sent.

        Raises as `send` does, but for `Full` and `NoReceiver`.
        """

    def send_many(self, messages: Iterable[Any], *, timeout: float | None = None) -> int:
        """Send messages in their order; return how many were accepted within `timeout` seconds.

        Raises `Full` when not even the first was, otherwise as `send` does.
        """

    def loan(self, size: int, *, timeout: float | None = None) -> LoanContract:
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

    def receive(self, *, timeout: float | None = None) -> Any:
        """Receive one message.

        Raises `Empty` when none came within `timeout` seconds, `Busy` when another process has the
        exclusive turn, `DecodeError` when the message cannot be decoded (it carries the payload),
        `Destroyed`, `Closed`.
        """

    def try_receive(self, default: Any = None) -> Any:
        """Receive one message if there is one, else return `default`."""

    def receive_many(self, max: int, *, timeout: float | None = None) -> list[Any]:
        """Wait for one message, then take what is there besides: at most `max` in all.

        Raises as `receive` does.
        """

    def lease(self, *, timeout: float | None = None) -> DeliveryContract:
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

    def peek(self, max: int = 10) -> list[Any]:
        """Copies of at most `max` waiting messages, oldest first; takes nothing.

        What cannot be decoded appears as its bytes.
        """

    def statistics(self) -> Statistics:
        """Return a snapshot of the counts."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when there may be a message.

        It becomes quiet again when a receive finds nothing. For selectors and event loops; the
        first call costs a descriptor.
        """

    def close(self) -> None:
        """Give up this end; idempotent. What it has leased goes to the next receiver."""

    @property
    def closed(self) -> bool:
        """Whether this end was closed."""

    def destroy(self, *, force: bool = False) -> None:
        """Destroy the link for everybody: all who use it get `Destroyed`.

        Its creator may, and anyone once the creator is dead, or with `force`; else `NotOwner`.
        """

    @property
    def link(self) -> Link:
        """What this link is, and who is on it at this moment."""

    def __len__(self) -> int:
        """Count the messages that wait."""

    def __iter__(self) -> Iterator[Any]:
        """Receive messages until the link is destroyed."""


class EndpointContract:
    """The operations of an endpoint, as every carrier has them; see `MailboxContract`.

    ``to`` and ``source`` are an endpoint's name or address, or a `Peer` that has a name. A bare
    name is in the space of the endpoint that it is said to.
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        """What the endpoint is called now."""

    @property
    def address(self) -> str:
        """Its address now, a URL."""

    @property
    def aliases(self) -> list[str]:
        """The other names by which it is reached: those it had, and has not retired."""

    def send(
        self,
        to: str | Address | Peer,
        message: Any,
        *,
        timeout: float | None = None,
        receipt: bool = False,
    ) -> ReceiptContract | None:
        """Send one message to the endpoint called `to`; the link to it is set up at first use.

        It need not have a process at the moment: who takes its name next finds the message. If
        either of the two has ``capacity=0`` they meet in rendezvous: this returns once the
        message was received. With ``receipt=True`` returns a receipt.

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

    def try_send(self, to: str | Address | Peer, message: Any) -> bool:
        """Send one message if that needs no waiting; return whether it was sent.

        Raises as `send` does, but for `Full` and `NoReceiver`.
        """

    def receive(
        self, source: str | Address | Peer | None = None, *, timeout: float | None = None
    ) -> Any:
        """Receive one message: from the endpoint called `source`, or else from anyone.

        From one endpoint, messages come in the order in which it sent them. From anyone, the
        senders that have sent something have their turns. A source that does not exist yet is
        waited for. When a name is retired and becomes another's, who waits for it already goes on
        waiting for the one that had it. Who sent a message, `lease` tells.

        Raises `Empty` when none came within `timeout` seconds, `DecodeError`, `Destroyed`,
        `Closed`, and `AccessDenied` in a forked child.
        """

    def try_receive(self, source: str | Address | Peer | None = None, default: Any = None) -> Any:
        """Receive one message if there is one, else return `default`."""

    def lease(
        self, source: str | Address | Peer | None = None, *, timeout: float | None = None
    ) -> DeliveryContract:
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

    def rename(self, new: str) -> None:
        """Be called `new` from now on; who knows the old name still reaches it, unchanged.

        The old name becomes an alias. Raises `NameTaken` when another link has the name,
        `InvalidAddress`, `Closed`.

        >>> import liaison
        >>> with liaison.Endpoint("trainee") as endpoint, liaison.Endpoint("boss") as boss:
        ...     endpoint.rename("clerk")
        ...     boss.send("trainee", "your first task")
        ...     print(endpoint.name, endpoint.aliases, endpoint.receive("boss"))
        ...     endpoint.retire("trainee")
        ...     endpoint.destroy()
        ...     boss.destroy()
        clerk ['trainee'] your first task
        """

    def retire(self, old: str) -> None:
        """Be no longer reached by the alias `old`, which others may then take.

        Raises `NotFound` when it is none of the endpoint's names, `ValueError` when it is what the
        endpoint is called now.
        """

    def fileno(self) -> int:
        """Return a descriptor that is readable when there may be a message from anyone."""

    def close(self) -> None:
        """Give the name up; idempotent. What was sent to it waits for who takes it next."""

    @property
    def closed(self) -> bool:
        """Whether this end was closed."""

    def destroy(self, *, force: bool = False) -> None:
        """Destroy the endpoint, with its names and all that was sent to it and not received."""

    @property
    def link(self) -> Link:
        """What the endpoint is, and who has it or sends to it at this moment."""

    def peek(self, max: int = 10) -> list[Any]:
        """Copies of at most `max` messages that wait, those of one sender after the other's."""

    def statistics(self) -> Statistics:
        """Return a snapshot of the counts of all links to it together."""

    def links(self) -> list[Link]:
        """Return its links, one for each endpoint that it has sent to or received from."""

    def __len__(self) -> int:
        """Count the messages that wait."""

    def __iter__(self) -> Iterator[Any]:
        """Receive messages from anyone until the endpoint is destroyed."""
