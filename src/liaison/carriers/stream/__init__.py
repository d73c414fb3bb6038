"""The carrier of stream sockets: Unix, TCP and TLS.

From the bottom: `handshake` is how two ends find out who the other is, without any input or output;
`tls` adds encryption to it, `place` knows which sockets an address means and who may use it,
`greeting` brings a new connection to where messages may flow, `trust` says what it takes,
`newcomers` who may stay until then. `connection` is an end; `binding` and `listener` make some for
those who listen, `dialing` one for who connects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liaison.carriers.contract import Carrier
from liaison.carriers.stream.binding import bind
from liaison.carriers.stream.dialing import dial
from liaison.carriers.stream.listener import Listening
from liaison.carriers.stream.trust import Trust
from liaison.errors import InvalidAddress

if TYPE_CHECKING:
    from liaison._native.carrier import CarrierEnd
    from liaison.address import Address
    from liaison.carriers.contract import Policy, Reading, Terms
    from liaison.carriers.steps import Steps
    from liaison.carriers.stream.connection import Conversation

__all__ = ["CARRIER", "Sockets"]


class Sockets(Carrier):
    """Connections between two programs, by the sockets of the system."""

    def open(self, where: Address, how: str, policy: Policy, reading: Reading) -> CarrierEnd:
        """Refuse: a socket keeps no messages."""
        raise self.unable(policy.kind or "link", where)

    def unable(self, kind: str, where: object) -> InvalidAddress:
        """The error of another kind of link at a socket's address."""
        return InvalidAddress(
            f"{where}: no {kind} can be carried by a socket, but connections (liaison.listen and "
            "liaison.connect); use a bare name or shm://"
        )

    def listening(self, where: Address, terms: Terms) -> Steps[Listening]:
        trust = Trust(where, terms, server=True)
        return Listening(
            (yield from bind(where, open_to_all=trust.open_to_all)), where.scheme, trust
        )

    def connecting(self, where: Address, terms: Terms) -> Steps[Conversation]:
        return dial(where, Trust(where, terms, server=False))


CARRIER = Sockets()
