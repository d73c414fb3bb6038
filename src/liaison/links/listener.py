"""Where others connect to, and who is let in."""

from __future__ import annotations

from liaison.closing import Closing
from liaison.links.connection import Connection
from liaison.message import Generic, Message

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from liaison.carriers.connections import ListenerEnd

__all__ = ["Listener"]


class Listener(Closing, Generic[Message]):
    """Where others connect to; `listen` makes it.

    Nothing runs in the background: connections introduce themselves while `accept` waits. At most
    64 may be doing so, for 5 seconds and with 4 KiB each; of more, one is dropped that comes from
    where most come from. So strangers keep nobody out who comes from elsewhere. A wrong token is
    answered after a second, and of one address 4 are looked at in a second.

    >>> import liaison
    >>> with liaison.listen("tcp://127.0.0.1:0") as listener:
    ...     client = liaison.connect(listener.address)
    ...     with listener.accept(timeout=5) as server:
    ...         client.send("hello")
    ...         server.receive()
    ...     client.close()
    'hello'
    """

    __slots__ = ("__weakref__", "_end")

    def __init__(self, end: ListenerEnd) -> None:
        """Listen by a carrier's end; use `listen`, which makes one."""
        self._end = end

    @property
    def address(self) -> str:
        """Where it listens, a URL; with the real port where port 0 was asked for."""
        return self._end.address

    def accept(self, timeout: float | None = None) -> Connection[Message]:
        """Wait for somebody to connect and to introduce themselves as asked.

        Raises `Empty` when nobody did within `timeout` seconds, `Closed`, and `OSError` when this
        process may open no more files.
        """
        return Connection.around(self._end.accept(timeout))

    @property
    def dropped(self) -> int:
        """How many connections were dropped that had not introduced themselves.

        The logger ``liaison.listener`` says from where, once a second at most.
        """
        return self._end.dropped

    def fileno(self) -> int:
        """Return a descriptor that is readable when `accept` has something to do."""
        return self._end.fileno()

    def close(self) -> None:
        """Stop listening; idempotent. Connections that were accepted go on."""
        self._end.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._end.closed

    def __repr__(self) -> str:
        """Show where it listens."""
        return f"<Listener {self.address}{' (closed)' if self.closed else ''}>"
