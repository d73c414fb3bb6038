"""Endpoints: direct communication, between processes that name each other."""

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
from liaison.carriers.contract import Reading
from liaison.carriers.registry import carrier_of, local_carrier
from liaison.closing import Closing
from liaison.errors import Closed, Destroyed, Mismatch, NotFound
from liaison.links.end import AnyKind, parsed, size
from liaison.links.observer import EndpointObserver
from liaison.message import Message

if TYPE_CHECKING:
    from typing import TypedDict, Unpack, overload

    from liaison.codec import Codec, CodecName
    from liaison.link import Link

    class EndpointOptions(TypedDict, total=False):
        """What can be said of an endpoint beside the type of its messages; see `Endpoint`."""

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
_KEPT = 64  # mailboxes that the functions below keep open


class Endpoint(Closing, Corresponding[Message]):
    """This process's name, by which others send to it, and it receives.

    Each pair of endpoints that talk has a link of their own, which is set up at first use; no other
    process is on it. One process at a time has a name. When it ends, however it ends, the endpoint
    stays, and a process that comes back under the name finds what was sent to it meanwhile;
    `destroy` ends it.

    The weakness of direct communication is that renaming a process breaks whoever knows its name.
    Here `rename` keeps the old name as an alias, until it is retired.

    Without a name it is one that others cannot know before it has sent something, and that ends
    with its process: ``process-PID-…``, in the current space. It can be answered.

    - ``capacity``: how many messages to it, or from it, each link holds that were accepted and not
      yet acknowledged; 256 when created without saying, and between two endpoints the smaller of
      what they said. With 0 a pair meets in rendezvous: `send` returns once the other has received.
    - ``type``, ``codec``: as a mailbox's, for what is received and what is sent.

    Raises `Busy` while the name is a living process's (also this one's, by another `Endpoint`),
    `Mismatch` when it exists with another capacity or is another kind of link's,
    `InvalidAddress`, `AccessDenied`, `NoSpace`, `ValueError` for a capacity that cannot be.

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
        """Be the endpoint, which is made where it does not exist."""
        where = _unnamed(Address.current_space()) if name is None else parsed(name)
        checked = size("capacity", capacity, 0, _LARGEST_CAPACITY)
        reading = Reading.of(type, codec)
        end = carrier_of(where).endpoint(where, checked, reading, passing=name is None)
        attach(self, end)
        _made.append(weakref.ref(self))
        if name is None:
            atexit.register(_close, weakref.ref(self))

    @classmethod
    def observe(cls, name: str | Address) -> EndpointObserver:
        """Look at an endpoint, also another process's, without taking part.

        Raises `NotFound` where there is none, `Mismatch` where the name is another kind of link's.

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
        """What the endpoint is called now."""
        return end_of(self).name

    @property
    def aliases(self) -> list[str]:
        """The other names by which it is reached: those it had, and has not retired."""
        return end_of(self).aliases

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
        end_of(self).rename(new)

    def retire(self, old: str) -> None:
        """Be no longer reached by the alias `old`, which others may then take.

        Raises `NotFound` when it is none of the endpoint's names, `ValueError` when it is what the
        endpoint is called now.
        """
        end_of(self).retire(old)

    def links(self) -> list[Link]:
        """Return its links, one for each endpoint that it has sent to or received from."""
        return end_of(self).links()

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse to travel: the name is this process's."""
        raise TypeError(
            f"an endpoint is one process's name, so {self.name!r} cannot be given to another; "
            "pass the name, and let the other process have an endpoint of its own"
        )

    def __repr__(self) -> str:
        """Show where it is."""
        state = " (closed)" if self.closed else ""
        return f"<Endpoint {self.address}{state}>"


# What this process is called, by the functions below: the newest endpoint that it has made, or else
# one that ends with it.
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
    """Where an endpoint is that has no name of its own."""
    return space.called(f"process-{os.getpid()}-{os.urandom(3).hex()}")


def _close(made: weakref.ref[Endpoint]) -> None:
    """At the process's end: what was to end with it need not be found dead by others."""
    endpoint = made()
    if endpoint is not None:
        endpoint.close()


def _passing(near: Address) -> Endpoint:
    """An endpoint for a process that has not said what it is called, for its life."""
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
    """The mailbox, or the like, that is called so; None: it is an endpoint."""
    known = _boxes.get(address)
    if known is not None and not known.closed:
        return known
    with AnyKind.observe(address) as seen:
        if seen.link.kind == "endpoint":
            return None
    while len(_boxes) >= _KEPT:
        _boxes.pop(next(iter(_boxes)), None)  # closed when nobody is in it
    _boxes[address] = box = AnyKind.open(address)
    return box


def mine() -> Endpoint:
    """This process's own endpoint. Raises `NotFound` when it has none."""
    endpoint = _mine()
    if endpoint is None:
        raise NotFound(
            "this process has no endpoint, so nobody can have sent it anything: "
            "say what it is called with Endpoint(...)"
        )
    return endpoint


def correspondent(
    target: str | Address, *, receiving: bool = False
) -> tuple[AnyKind | Endpoint, str]:
    """What a target means: a mailbox or the like, or else the endpoint to do it with.

    And its address. Raises `NotFound` when nothing is called so; who is `receiving` as somebody
    whose name is known may be sent to by one who is not there yet.
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
    """Keep none of the mailboxes in `space` open that the functions below have found by name."""
    for address in list(_boxes):
        if Address.parse(address).called("") == space:
            _boxes.pop(address, None)  # closed when nobody is in it


def forget(address: str) -> bool:
    """After a failure: whether what was known of the address was wrong, or may have been."""
    if _boxes.pop(address, None) is not None:
        return True
    with suppress(NotFound):
        return _box(address) is not None
    return False


def send(target: str | Address, message: Any, *, timeout: float | None = None) -> None:
    """Send one message to the endpoint, or into the mailbox, queue or port, that is called so.

    This process's own endpoint sends it: the newest one made. A process that has made none gets
    one for its life, called ``process-PID-…``, so that it can be answered.

    Raises `NotFound` when nothing is called so, otherwise as `Endpoint.send` and `Mailbox.send`.

    >>> import liaison
    >>> with liaison.Mailbox("letters") as box:
    ...     liaison.send("letters", "dear all")
    ...     print(liaison.receive("letters"))
    ...     box.destroy()
    dear all
    """
    for last in (False, False, True):  # what was known of the target may be over
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
    """Receive one message from an endpoint, from a mailbox, or, without a source, from anyone.

    What endpoints send comes to this process's own: the newest one made.

    Raises `NotFound` when nothing is called so and this process has no endpoint, `Empty` when no
    message came within `timeout` seconds, otherwise as `Endpoint.receive` and `Mailbox.receive`.

    >>> import liaison
    >>> with liaison.Endpoint("me") as me, liaison.Endpoint("you") as you:
    ...     me.send("you", "hello")
    ...     print(liaison.receive("me"))  # you: the newest
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
