"""Hosts and ports, as the addresses of sockets and servers give them."""

from __future__ import annotations

import ipaddress
import re

from liaison.errors import InvalidAddress

__all__ = ["CREDENTIALS", "canonical_host", "check_port", "split_host"]

CREDENTIALS = re.compile(r"[!-~]+")
_NATS_PORT = 4222
_MAX_HOST = 253
_MAX_PORT = 65535

_HOST_AND_PORT = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# Resolvers read "2130706433", "127.1" and "0x7f.1" as addresses too, so a host that ends like one
# must be one in full: otherwise "is it loopback?" has two answers.
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")


def split_host(place: str, scheme: str, shown: str) -> tuple[str, int]:
    """The host and the port; `shown` is the whole address, as an error shows it."""
    found = _HOST_AND_PORT.fullmatch(place)
    if found is None:
        raise InvalidAddress(
            f"{shown} does not give hosts as HOST:PORT: "
            "an IPv6 address stands in brackets, a port has up to five digits"
        )
    bracketed, plain, port = found.groups()
    if bracketed is not None and ":" not in bracketed:
        raise InvalidAddress(f"{shown} has brackets around what is not an IPv6 address")
    if port is None:
        if scheme != "nats":
            raise InvalidAddress(f"{shown} lacks its port: add it, as in {scheme}://host:5000")
        port = _NATS_PORT
    return (plain if bracketed is None else bracketed), int(port)


def canonical_host(host: str) -> str:
    """The one way to write a host. Raises `InvalidAddress`."""
    labels = host.lower().split(".")
    if ":" in host or _NUMERIC_LABEL.fullmatch(labels[-1]):
        try:
            number = ipaddress.IPv6Address(host) if ":" in host else ipaddress.IPv4Address(host)
        except ValueError as error:
            raise InvalidAddress(f"bad host {host!r}: {error}") from None
        return str(number)
    if len(host) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidAddress(
            f"bad host {host!r}: give a host's name or number, such as localhost or 127.0.0.1"
        )
    return host.lower()


def check_port(host: str, port: object, *, lowest: int) -> None:
    """Raise what is wrong with a port."""
    if not isinstance(port, int) or isinstance(port, bool):
        raise TypeError(f"a port is an int, not {type(port).__name__}")
    if not lowest <= port <= _MAX_PORT:
        raise InvalidAddress(f"bad port {port} of {host!r}: use {lowest} to {_MAX_PORT}")
