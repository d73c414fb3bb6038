"""An endpoint, for the process that it names and for observers."""

from __future__ import annotations

from abc import abstractmethod

from liaison.carriers.contract.end import KeepingEnd

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from liaison._native.carrier import CarrierEnd
    from liaison.address import Address
    from liaison.carriers.contract.end import End
    from liaison.carriers.contract.held import Delivery, Receipt
    from liaison.link import Link, Peer

    Correspondent: TypeAlias = str | Address | Peer  # how users name an endpoint

# pyright: reportReturnType=false

__all__ = ["EndpointEnd", "ObservedEndpoint"]


class _AnyEndpoint(KeepingEnd):
    """What users and observers of an endpoint have; they count what is on all links to it.

    They peek at the messages of one sender after the other's.
    """

    @property
    @abstractmethod
    def aliases(self) -> list[str]:
        """The other names by which it is reached."""


class EndpointEnd(_AnyEndpoint):
    """An endpoint, for the process that it names.

    First what users call, with the meaning that it has for `liaison.Endpoint`; then the steps of
    which the same consists for tasks. What goes from one endpoint to another lies on a link of
    these two, and the end of that is an `End`.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What the endpoint is called now; after it was closed, what it was called then."""

    @abstractmethod
    def send(
        self,
        to: Correspondent,
        message: Any,
        *,
        timeout: float | None = None,
        receipt: bool = False,
    ) -> Receipt | None:
        """Send one message to the endpoint called `to`."""

    @abstractmethod
    def try_send(self, to: Correspondent, message: Any) -> bool:
        """Send one message if that needs no waiting; whether it was sent."""

    @abstractmethod
    def receive(self, source: Correspondent | None = None, *, timeout: float | None = None) -> Any:
        """Receive one message, from `source` or from anyone."""

    @abstractmethod
    def try_receive(self, source: Correspondent | None = None, default: Any = None) -> Any:
        """Receive one message if there is one, else `default`."""

    @abstractmethod
    def lease(
        self, source: Correspondent | None = None, *, timeout: float | None = None
    ) -> Delivery:
        """Receive one message, and keep it until it is settled."""

    @abstractmethod
    def rename(self, new: str) -> None:
        """Be called `new` from now on; the old name still reaches it."""

    @abstractmethod
    def retire(self, old: str) -> None:
        """Be no longer reached by a name that it had."""

    @abstractmethod
    def fileno(self) -> int:
        """A descriptor that is readable when there may be a message from anyone."""

    @abstractmethod
    def links(self) -> list[Link]:
        """Its links, one for each endpoint that it has sent to or received from."""

    # ---- in steps

    @abstractmethod
    def check(self) -> None:
        """Raise the error of an end that is closed, destroyed or another process's."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether a receive need not wait. If it would have to, `fileno()` is quiet now."""

    @abstractmethod
    def way_to(self, to: Correspondent) -> End:
        """The end by which `to` is sent to."""

    @abstractmethod
    def way_from(self, source: Correspondent) -> End | None:
        """The end by which is received what `source` sends; None while nothing has come from it."""

    @abstractmethod
    def is_over(self, to: Correspondent) -> bool:
        """Whether what `to` led to was destroyed, for all that is known."""

    @abstractmethod
    def ended(self, way: CarrierEnd) -> None:
        """Give up an end that `way_from` gave, and that says it was destroyed.

        Raises `Destroyed` when the endpoint itself was.
        """

    @property
    @abstractmethod
    def news(self) -> CarrierEnd:
        """An end whose descriptor is readable when somebody new may have sent.

        `way_from` silences it.
        """


class ObservedEndpoint(_AnyEndpoint):
    """An endpoint, observed."""

    @abstractmethod
    def known_as(self) -> dict[str, list[Peer]]:
        """The names by which senders know it, and the living processes that use them."""
