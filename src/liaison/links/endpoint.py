"""Endpoints: direct communication between processes that name each other."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from liaison._native.link import Corresponding, attach, end_of
from liaison.address import Address
from liaison.carriers.contract import Policy, Reading
from liaison.carriers.registry import carrier_of, local_carrier
from liaison.closing import Closing
from liaison.errors import Closed, Destroyed, Mismatch, NotFound
from liaison.links.end import AnyKind, mismatch, parsed, size
from liaison.links.observer import EndpointObserver
from liaison.message import Message

if TYPE_CHECKING:
    from typing import TypedDict, Unpack, overload

    from liaison.codec import Codec, CodecName
    from liaison.link import Link

    class EndpointOptions(TypedDict, total=False):
        """The options of an endpoint, besides the type of its messages; see `Endpoint`."""

        capacity: int | None
        codec: Codec | CodecName | None


__all__ = [
    "Endpoint",
    "correspondent",
    "forget",
    "let_go",
    "mine",
    "receive",
    "send",
]

local_carrier().prepare("endpoint")

_LARGEST_CAPACITY = 1 << 18  # messages
_KEPT = 64  # mailboxes that `send` and `receive` keep open


class Endpoint(Closing, Corresponding[Message]):
    """This process's name, to which others send, and from which it sends and receives.

    Each pair of endpoints has a link of its own, set up at first use; no other process is on it.
    One process at a time has a name. When that process ends, even by a kill, the endpoint stays,
    and the next process that takes the name finds what was sent meanwhile; `destroy` ends the
    endpoint.

    The weakness of direct communication is that renaming a process breaks every process that knows
    its name. Here `rename` keeps the old name as an alias, until it is retired.

    An endpoint without a name is called ``process-PID-…``, in the current space, and ends with its
    process. Other processes learn this name from its messages and can answer them.

    - ``capacity``: most messages on each link that are accepted and not yet acknowledged; by
      default 256. Between two endpoints the smaller capacity counts. 0 makes the pair a rendezvous:
      `send` returns once the receiver has the message.
    - ``type``, ``codec``: as for a mailbox, for received and sent messages.

    Raises `Busy` while a living process has the name (also this one, by another `Endpoint`),
    `Mismatch` when it exists with another capacity or is another kind of link,
    `InvalidAddress`, `AccessDenied`, `NoSpace`, and `ValueError` for a capacity out of range.

    >>> import liaison
    >>> with liaison.Endpoint("ping") as ping, liaison.Endpoint("pong") as pong:
    ...     ping.send("pong", "hello")
    ...     print(pong.receive("ping"))
    ...     ping.destroy()
    ...     pong.destroy()
    hello
    """

    __slots__ = ()

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

    def __init__(
        self,
        name: str | Address | None = None,
        *,
        capacity: int | None = None,
        type: object = None,
        codec: Codec | CodecName | None = None,
    ) -> None:
        """Take the name; the endpoint is created if it does not exist."""
        where = _unnamed(Address.current_space()) if name is None else parsed(name)
        checked = size("capacity", capacity, 0, _LARGEST_CAPACITY)
        reading = Reading.of(type, codec)
        try:
            end = carrier_of(where).endpoint(where, checked, reading, passing=name is None)
        except Mismatch as error:
            policy = Policy(kind="endpoint", capacity=checked)
            raise mismatch(error, where, policy) from None
        attach(self, end)
        _made.append(weakref.ref(self))
        if name is None:
            atexit.register(_close, weakref.ref(self))

    @classmethod
    def observe(cls, name: str | Address) -> EndpointObserver:
        """Observe an endpoint, also another process's.

        Raises `NotFound` when it does not exist, `Mismatch` when the name is another kind of link.

        >>> import liaison
        >>> with liaison.Endpoint("old") as endpoint, liaison.Endpoint("friend") as friend:
        ...     friend.send("old", 1)
        ...     endpoint.rename("new")
        ...     with liaison.Endpoint.observe("new") as seen:
        ...         print(seen.aliases, [peer.name for peer in seen.known_as()["old"]], len(seen))
        ...     endpoint.destroy()
        ...     friend.destroy()
        ['old'] ['friend'] 1
        """
        return EndpointObserver(name)

    @property
    def name(self) -> str:
        """The endpoint's current name."""
        return end_of(self).name

    @property
    def aliases(self) -> list[str]:
        """The endpoint's earlier names that it has not retired, by which it is still reached."""
        return end_of(self).aliases

    def rename(self, new: str) -> None:
        """Change the endpoint's name to `new`; the old name becomes an alias, which still works.

        Raises `NameTaken` when another link has the name, `InvalidAddress`, `Closed`.

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
        end_of(self).rename(new)

    def retire(self, old: str) -> None:
        """Give up the alias `old`, which other processes may then take.

        Raises `NotFound` when it is not an alias, `ValueError` when it is the current name.

        >>> import liaison
        >>> with liaison.Endpoint("before") as endpoint:
        ...     endpoint.rename("after")
        ...     endpoint.retire("before")
        ...     print(endpoint.aliases)
        ...     endpoint.destroy()
        []
        """
        end_of(self).retire(old)

    def links(self) -> list[Link]:
        """Describe its links, one for each endpoint with which it has communicated."""
        return end_of(self).links()

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse to be pickled: the name belongs to this process."""
        raise TypeError(
            f"the endpoint {self.name!r} belongs to this process and cannot be passed to another; "
            "pass the name, and create another endpoint in that process"
        )

    def __repr__(self) -> str:
        """Show the address."""
        state = " (closed)" if self.closed else ""
        return f"<Endpoint {self.address}{state}>"


# The endpoint that `send` and `receive` use: the newest that this process has created, or else one
# without a name.
_lock = threading.Lock()
_made: list[weakref.ref[Endpoint]] = []
_own: Endpoint | None = None
_boxes: dict[str, AnyKind] = {}


@lru_cache(maxsize=1024)
def _full(target: str, space: str | None) -> str:
    return str(Address.parse(target))


def _address(target: str | Address) -> str:
    if isinstance(target, Address):
        return str(target)
    return _full(target, os.environ.get("LIAISON_SPACE"))


def _mine() -> Endpoint | None:
    with _lock:
        _made[:] = [made for made in _made if made() is not None]
        for made in reversed(_made):
            endpoint = made()
            if endpoint is not None and not endpoint.closed:
                return endpoint
    return None


def _unnamed(space: Address) -> Address:
    """The address of an endpoint without a name."""
    return space.called(f"process-{os.getpid()}-{os.urandom(3).hex()}")


def _close(made: weakref.ref[Endpoint]) -> None:
    """Close the endpoint at exit, so that others need not find out that its process is dead."""
    endpoint = made()
    if endpoint is not None:
        endpoint.close()


def _passing(near: Address) -> Endpoint:
    """Make an endpoint without a name, for the rest of the process's life."""
    global _own  # noqa: PLW0603 - there is one for each process
    made = Endpoint.__new__(Endpoint)
    where = _unnamed(near)
    reading = Reading.of(None, None)
    attach(made, carrier_of(where).endpoint(where, None, reading, passing=True))
    _own = made
    atexit.register(made.close)
    _made.append(weakref.ref(made))
    return made


def _box(address: str) -> AnyKind | None:
    """The mailbox, queue or port at `address`; None if it is an endpoint."""
    known = _boxes.get(address)
    if known is not None and not known.closed:
        return known
    with AnyKind.observe(address) as seen:
        if seen.link.kind == "endpoint":
            return None
    while len(_boxes) >= _KEPT:
        _boxes.pop(next(iter(_boxes)), None)  # closed when no thread uses it
    _boxes[address] = box = AnyKind.open(address)
    return box


def mine() -> Endpoint:
    """This process's own endpoint. Raises `NotFound` when it has none."""
    endpoint = _mine()
    if endpoint is None:
        raise NotFound(
            "this process has no endpoint, so no message can have been sent to it; "
            "create one with Endpoint(...)"
        )
    return endpoint


def correspondent(
    target: str | Address, *, receiving: bool = False
) -> tuple[AnyKind | Endpoint, str]:
    """Return the link by which to reach the target, and the target's address.

    The link is the mailbox, queue or port of that name, or else this process's endpoint. Raises
    `NotFound` when nothing has this name, unless an endpoint is `receiving`: then the source may be
    created later.
    """
    address = _address(target)
    endpoint = _mine()
    if endpoint is None or receiving or address in _boxes:
        try:
            box = _box(address)
        except NotFound:
            if endpoint is None or not receiving:
                raise
            box = None
        if box is not None:
            return box, address
    return endpoint or _passing(Address.parse(address)), address


def let_go(space: Address) -> None:
    """Close the mailboxes in `space` that `send` and `receive` keep open."""
    for address in list(_boxes):
        if Address.parse(address).called("") == space:
            _boxes.pop(address, None)  # closed when no thread uses it


def forget(address: str) -> bool:
    """Forget the mailbox at `address` after a failure; return whether to try again."""
    if _boxes.pop(address, None) is not None:
        return True
    with suppress(NotFound):
        return _box(address) is not None
    return False


def send(target: str | Address, message: Any, *, timeout: float | None = None) -> None:
    """Send one message to an endpoint, mailbox, queue or port; `timeout` is in seconds.

    To an endpoint it is sent by the newest endpoint that this process has created. A process that
    has none gets one without a name, so that it can be answered.

    Raises `NotFound` when nothing has this name, otherwise as `Endpoint.send` and `Mailbox.send`.

    >>> import liaison
    >>> with liaison.Mailbox("letters") as box:
    ...     liaison.send("letters", "dear all")
    ...     print(liaison.receive("letters"))
    ...     box.destroy()
    dear all
    """
    for last in (False, False, True):  # the remembered target may have ended
        link, address = correspondent(target)
        try:
            if isinstance(link, Endpoint):
                link.send(address, message, timeout=timeout)
            else:
                link.send(message, timeout=timeout)
            return
        except (Closed, Destroyed, Mismatch):
            if last or not forget(address):
                raise


def receive(source: str | Address | None = None, *, timeout: float | None = None) -> Any:
    """Receive one message from an endpoint or a mailbox; without a source, from any endpoint.

    Messages of endpoints are received by the newest endpoint that this process has created.

    Raises `NotFound` when nothing has this name and this process has no endpoint, `Empty` when no
    message came within `timeout` seconds, otherwise as `Endpoint.receive` and `Mailbox.receive`.

    >>> import liaison
    >>> with liaison.Endpoint("me") as me, liaison.Endpoint("you") as you:
    ...     me.send("you", "hello")
    ...     print(liaison.receive("me"))  # by `you`, the newest
    ...     me.destroy()
    ...     you.destroy()
    hello
    """
    if source is None:
        return mine().receive(timeout=timeout)
    link, address = correspondent(source, receiving=True)
    if isinstance(link, Endpoint):
        return link.receive(address, timeout=timeout)
    return link.receive(timeout=timeout)
