"""Observers of a link of any kind, endpoints included."""

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
    """An observer of an endpoint; a context manager that closes it.

    Its counts are the sums over all links on which the endpoint receives.
    """

    def __init__(self, address: str | Address) -> None:
        """Observe the endpoint at `address`; see `Endpoint.observe`."""
        where = parsed(address)
        attach(self, carrier_of(where).observe_endpoint(where))

    @property
    def aliases(self) -> list[str]:
        """The endpoint's earlier names that it has not retired."""
        return end_of(self).aliases

    def known_as(self) -> dict[str, list[Peer]]:
        """Return the names that senders use, each with the living processes that use it."""
        return end_of(self).known_as()


def observed(address: str | Address) -> AnyKind | EndpointObserver:
    """Observe a link of any kind, endpoints included. Raises as `Mailbox.observe` does."""
    end = AnyKind.observe(address)
    if end.link.kind != "endpoint":
        return end
    end.close()
    return EndpointObserver(address)
