"""Listeners: addresses to which other programs connect."""

from __future__ import annotations

from liaison.closing import Closing
from liaison.links.connection import Connection
from liaison.message import Generic, Message

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from liaison.carriers.contract import ListenerEnd

__all__ = ["Listener"]


class Listener(Closing, Generic[Message]):
    """An address to which other programs connect; `listen` makes it.

    Nothing runs in the background: handshakes happen while `accept` waits. At most 64 connections
    can be in the handshake, for 5 seconds and with 4 KiB each; when one more comes, one of
    the address that has the most of them is dropped. So strangers do not keep out clients of other
    addresses. A wrong token is refused after a second, and at most 4 tokens a second are checked
    for each address.

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
        """Make a listener from its carrier's end; use `listen` instead."""
        self._end = end

    @property
    def address(self) -> str:
        """The address, a URL; if port 0 was asked for, with the port that was chosen."""
        return self._end.address

    def accept(self, timeout: float | None = None) -> Connection[Message]:
        """Wait for a client to connect and to complete the handshake.

        Raises `Empty` when none did within `timeout` seconds, `Closed`, and `OSError` when this
        process may open no more files.
        """
        return Connection.around(self._end.accept(timeout))

    @property
    def dropped(self) -> int:
        """How many connections were dropped during their handshake.

        The logger ``liaison.listener`` reports from which address, at most once a second.
        """
        return self._end.dropped

    def fileno(self) -> int:
        """Return a descriptor that is readable when `accept` has something to do."""
        return self._end.fileno()

    def close(self) -> None:
        """Stop listening; idempotent. Accepted connections stay open."""
        self._end.close()

    @property
    def closed(self) -> bool:
        """Whether the listener was closed."""
        return self._end.closed

    def __repr__(self) -> str:
        """Show the address."""
        return f"<Listener {self.address}{' (closed)' if self.closed else ''}>"
