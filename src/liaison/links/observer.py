"""Looking at a link of any kind, also at an endpoint, without taking part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liaison._native.link import Keeping, attach, end_of
from liaison.carriers.registry import carrier_of
from liaison.closing import Closing
from liaison.links.end import AnyKind, parsed

if TYPE_CHECKING:
    from liaison.address import Address
    from liaison.link import Peer

__all__ = ["EndpointObserver", "observed"]


class EndpointObserver(Closing, Keeping[Any]):
    """An endpoint that exists, observed; a context manager that closes it.

    Its counts are those of all the links on which it receives, together.
    """

    def __init__(self, address: str | Address) -> None:
        """Look at it."""
        where = parsed(address)
        attach(self, carrier_of(where).observe_endpoint(where))

    @property
    def aliases(self) -> list[str]:
        """The other names by which it is reached."""
        return end_of(self).aliases

    def known_as(self) -> dict[str, list[Peer]]:
        """The names by which senders know it, and the living processes that use them."""
        return end_of(self).known_as()


def observed(address: str | Address) -> AnyKind | EndpointObserver:
    """Observe a link of any kind, also an endpoint. Raises as `Mailbox.observe` does."""
    end = AnyKind.observe(address)
    if end.link.kind != "endpoint":
        return end
    end.close()
    return EndpointObserver(address)
