"""Endpoints for tasks: direct communication, awaited.

The messages from one endpoint to another are in a link of these two. So a task sends to one
endpoint, and receives from one, as on any link. To receive from anyone, a task waits for a
descriptor that watches all links of the endpoint, and the introductions of new senders.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from liaison._native.carrier import arriving
from liaison.aio.end import Coming, End, Held, Receipt, patiently, receivers
from liaison.aio.line import PENDING, calling
from liaison.deadline import Deadline
from liaison.errors import Closed, Destroyed, Empty, Mismatch
from liaison.links import endpoint as links
from liaison.links.end import passing_to
from liaison.message import Generic, Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Literal, Self, Unpack, overload

    from liaison.address import Address
    from liaison.carriers.contract import Correspondent, Delivery
    from liaison.link import Link
    from liaison.links.endpoint import EndpointOptions

__all__ = ["Endpoint", "receive", "send"]

_Default = TypeVar("_Default")


class Endpoint(Held, Generic[Message]):
    """This process's name, for the tasks of an event loop; see `liaison.Endpoint`.

    The arguments and errors are those of `liaison.Endpoint`.

    >>> import anyio
    >>> from liaison import aio
    >>> async def main():
    ...     async with aio.Endpoint("alice") as alice, aio.Endpoint("bob") as bob:
    ...         await alice.send("bob", "hello")
    ...         async with bob.lease() as delivery:
    ...             await bob.send(delivery.sender, f"{delivery.message} to you too")
    ...         print(await alice.receive("bob"))
    ...         alice.destroy()
    ...         bob.destroy()
    >>> anyio.run(main)
    hello to you too
    """

    __slots__ = ("__weakref__", "_end", "_held")

    if TYPE_CHECKING:

        @overload
        def __init__(
            self,
            name: str | Address | None = None,
            *,
            type: type[Message],
            **options: Unpack[EndpointOptions],
        ) -> None: ...
        @overload
        def __init__(
            self,
            name: str | Address | None = None,
            *,
            type: object = None,
            **options: Unpack[EndpointOptions],
        ) -> None: ...

    @passing_to(links.Endpoint.__init__)
    def __init__(self, name: str | Address | None = None, **options: Any) -> None:
        """Take the name; the endpoint is created if it does not exist."""
        self._hold(links.Endpoint(name, **options))

    @staticmethod
    def observe(name: str | Address) -> links.EndpointObserver:
        """Observe an endpoint; see `liaison.Endpoint.observe`."""
        return links.Endpoint.observe(name)

    # ---- sending ------------------------------------------------------------------------

    if TYPE_CHECKING:

        @overload
        async def send(
            self,
            to: Correspondent,
            message: Message,
            *,
            timeout: float | None = None,
            receipt: Literal[False] = False,
        ) -> None: ...
        @overload
        async def send(
            self,
            to: Correspondent,
            message: Message,
            *,
            timeout: float | None = None,
            receipt: Literal[True],
        ) -> Receipt[Message]: ...
        @overload
        async def send(
            self,
            to: Correspondent,
            message: Message,
            *,
            timeout: float | None = None,
            receipt: bool,
        ) -> Receipt[Message] | None: ...

    async def send(
        self,
        to: Correspondent,
        message: Message,
        *,
        timeout: float | None = None,
        receipt: bool = False,
    ) -> Receipt[Message] | None:
        """Send one message to the endpoint called `to`.

        With ``receipt=True`` returns a `Receipt`. Raises as `liaison.Endpoint.send` does.
        """
        end = self._end
        deadline = Deadline(timeout)
        try:
            way = _box(end.way_to(to))
            return await way.send(message, timeout=timeout, receipt=receipt)
        except Destroyed:
            if end.is_over(to):
                raise  # the endpoint was destroyed, and not only the link, as `clean` may do
        way = _box(end.way_to(to))
        return await way.send(message, timeout=deadline.remaining(), receipt=receipt)

    def try_send(self, to: Correspondent, message: Message) -> bool:
        """Send one message if that needs no waiting; return whether it was sent."""
        return self._end.try_send(to, message)

    # ---- receiving ----------------------------------------------------------------------

    async def receive(
        self, source: Correspondent | None = None, *, timeout: float | None = None
    ) -> Message:
        """Receive one message: from the endpoint called `source`, or else from anyone.

        Raises as `liaison.Endpoint.receive` does.
        """
        if source is None:
            return await self._from_anyone(lambda: self._end.receive(timeout=0), timeout)
        return await self._from(source, lambda way, left: way.receive(timeout=left), timeout)

    if TYPE_CHECKING:

        @overload
        def try_receive(
            self, source: Correspondent | None = None, default: None = None
        ) -> Message | None: ...
        @overload
        def try_receive(
            self, source: Correspondent | None = None, *, default: _Default
        ) -> Message | _Default: ...
        @overload
        def try_receive(
            self, source: Correspondent | None, default: _Default
        ) -> Message | _Default: ...

    def try_receive(self, source: Correspondent | None = None, default: Any = None) -> Any:
        """Receive one message if there is one, else return `default`."""
        return self._end.try_receive(source, default)

    def lease(
        self, source: Correspondent | None = None, *, timeout: float | None = None
    ) -> Coming[Delivery[Message]]:
        """Receive one message, and keep it until it is acknowledged.

        The call is awaited, or entered with ``async with``, which settles the delivery at the end
        of the block. Raises as `receive` does.
        """
        if source is None:
            return Coming(lambda: self._from_anyone(lambda: self._end.lease(timeout=0), timeout))
        return Coming(
            lambda: self._from(source, lambda way, left: way.lease(timeout=left), timeout)
        )

    async def _from_anyone(self, receive: Callable[[], Any], timeout: float | None) -> Any:
        def attempt() -> Any:
            try:
                return receive()
            except Empty:
                return PENDING

        return await patiently(receivers(self._end), attempt, receive, timeout)

    async def _from(
        self,
        source: Any,
        receive: Callable[[End, float | None], Awaitable[Any]],
        timeout: float | None,
    ) -> Any:
        """Receive on the link from one endpoint, so that others' messages do not wake the task.

        Until that link exists, wait on the endpoint's own link, where new senders introduce
        themselves.
        """
        end = self._end
        deadline = Deadline(timeout)

        def look() -> Any:
            found = end.way_from(source)
            return PENDING if found is None else found

        def last() -> Any:
            found = look()
            if found is PENDING:
                raise Empty(
                    f"no message came to {end.address} from {source} in time; "
                    "wait longer with timeout="
                )
            return found

        while True:
            try:
                news = receivers(end.news)
                way = await patiently(news, look, last, deadline.remaining(), queue=False)
            except Closed:
                end.check()  # raises an error that names the endpoint
                raise
            try:
                return await receive(_box(way), deadline.remaining())
            except Destroyed:
                end.ended(way)
            except Closed:
                end.check()

    def __aiter__(self) -> Self:
        """Receive messages from anyone until the endpoint is destroyed."""
        return self

    async def __anext__(self) -> Message:
        try:
            return await self.receive()
        except Destroyed:
            raise StopAsyncIteration from None

    # ---- names and observation --------------------------------------------------------------

    @property
    def name(self) -> str:
        """The endpoint's current name."""
        return self._end.name

    @property
    def aliases(self) -> list[str]:
        """The endpoint's earlier names that it has not retired, by which it is still reached."""
        return self._end.aliases

    def rename(self, new: str) -> None:
        """Change the endpoint's name to `new`; see `liaison.Endpoint.rename`."""
        self._end.rename(new)

    def retire(self, old: str) -> None:
        """Give up the alias `old`; see `liaison.Endpoint.retire`."""
        self._end.retire(old)

    def links(self) -> list[Link]:
        """Describe its links, one for each endpoint with which it has communicated."""
        return self._end.links()

    def peek(self, max: int = 10) -> list[Message | bytes]:
        """Return copies of at most `max` waiting messages; receive none."""
        return self._end.peek(max)

    def fileno(self) -> int:
        """Return a descriptor that is readable when there may be a message from anyone."""
        return self._end.fileno()

    def __len__(self) -> int:
        """Count the waiting messages."""
        return len(self._end)

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse to be pickled: the name belongs to this process."""
        return self._held.__reduce__()


async def send(target: str | Address, message: Any, *, timeout: float | None = None) -> None:
    """Send one message to an endpoint, mailbox, queue or port; see `liaison.send`.

    >>> import anyio, liaison
    >>> from liaison import aio
    >>> async def main():
    ...     with liaison.Mailbox("letters") as box:
    ...         await aio.send("letters", "dear all")
    ...         print(await aio.receive("letters"))
    ...         box.destroy()
    >>> anyio.run(main)
    dear all
    """
    for last in (False, False, True):  # the remembered target may have ended
        link, address = links.correspondent(target)
        try:
            if isinstance(link, links.Endpoint):
                await _awaited(link).send(address, message, timeout=timeout)
            else:
                await _box(link).send(message, timeout=timeout)
            return
        except (Closed, Destroyed, Mismatch):
            if last or not links.forget(address):
                raise


async def receive(source: str | Address | None = None, *, timeout: float | None = None) -> Any:
    """Receive one message from an endpoint or a mailbox, or from anyone; see `liaison.receive`."""
    if source is None:
        return await _awaited(links.mine()).receive(timeout=timeout)
    link, address = links.correspondent(source, receiving=True)
    if isinstance(link, links.Endpoint):
        return await _awaited(link).receive(address, timeout=timeout)
    return await _box(link).receive(timeout=timeout)


def _awaited(endpoint: links.Endpoint) -> Endpoint:
    return Endpoint._around(endpoint)


def _box(end: Any) -> End:
    return End._around(end)


# Tasks that wait for a new sender are woken also when another task has taken it in.
arriving.append(calling)
