"""Which sockets an address means, and who is at the other end of one."""

from __future__ import annotations

import errno
import os
import socket
import struct
from ipaddress import ip_address
from typing import TYPE_CHECKING

from liaison.carriers.steps import Aside
from liaison.errors import AccessDenied, CallTimeout, InvalidAddress, NameTaken, NotFound
from liaison.link import Peer

if TYPE_CHECKING:
    from typing import Any

    from liaison.address import Address
    from liaison.carriers.steps import Steps

__all__ = [
    "check_neighbour",
    "describe",
    "explained",
    "own",
    "peer_of",
    "peer_url",
    "places",
    "tune",
    "url",
    "user_of",
]

_credentials = struct.Struct("3i")
# A TCP peer that was silent for so many seconds is asked whether it is still there, so often, so
# many times: a machine that is gone without a word is noticed within a minute and a half.
_ASKED_AFTER = ((socket.TCP_KEEPIDLE, 45), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 3))


# ---- where it is


def tune(connection: socket.socket) -> None:
    """Let a TCP connection send at once, and notice when its peer has vanished."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _ASKED_AFTER:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


def places(where: Address, *, open_to_all: bool) -> Steps[list[tuple[int, Any]]]:
    """The families and addresses of the sockets that are meant, the best first.

    Raises `NotFound`, `CallTimeout` when the system's resolver takes too long, and `InvalidAddress`
    for one that anybody reaches, unless `open_to_all`.
    """
    if where.scheme == "unix":
        return [(socket.AF_UNIX, where.path)]
    host, port = where.hosts[0]
    found: list[tuple[int, Any]]
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        try:
            found = yield Aside(lambda: _resolved(host, port))
        except TimeoutError:
            raise CallTimeout(f"the system did not find the host {host!r} in time") from None
    else:
        found = _resolved(host, port)  # nobody has to be asked for this one
    # A loopback address first: "localhost" may have several.
    found.sort(key=lambda one: not _is_loopback(one[1][0]))
    if not open_to_all:
        found = [one for one in found if _is_loopback(one[1][0])]
    if not found:
        raise InvalidAddress(
            f"{host!r} is reached over the network, where anybody may listen and speak: use "
            "tls:// with tls= and token=, or insecure=True if that network is trusted"
        )
    return found


def _resolved(host: str, port: int) -> list[tuple[int, Any]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise NotFound(f"the host {host!r} is not known: {error.strerror}") from None
    return [(one[0], one[4]) for one in found]


def _is_loopback(host: str) -> bool:
    number = ip_address(host.partition("%")[0])
    mapped = getattr(number, "ipv4_mapped", None)
    return (mapped or number).is_loopback


def explained(error: OSError, address: str) -> OSError:
    """The error of liaison that the system's error means at this address."""
    if error.errno == errno.EADDRINUSE:
        return NameTaken(f"{address}: another process listens there")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return AccessDenied(f"{address} may not be used: {error.strerror}")
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR, errno.ENOTSOCK):
        return NotFound(f"nobody listens at {address}: {error.strerror}")
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL):
        return NotFound(f"{address} is not there: {error.strerror}")
    return error


def url(scheme: str, where: tuple[str, int]) -> str:
    """The address of a TCP socket."""
    host, port = where[0], where[1]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def peer_url(scheme: str, where: tuple[str, int]) -> str | None:
    """The address of the other end; None on a Unix socket, whose client has none."""
    return None if scheme == "unix" else url(scheme, where)


# ---- who is there


def check_neighbour(connection: socket.socket) -> None:
    """Refuse the process of another user at the other end of a Unix socket; root is not refused.

    Raises `AccessDenied`.
    """
    uid = user_of(connection)
    if uid not in (os.geteuid(), 0):
        raise AccessDenied(
            f"the process at the other end is user {uid}'s: let both ends share a token="
        )


def peer_of(connection: socket.socket) -> Peer | None:
    """The process at the other end of a Unix socket, by what the kernel says."""
    if connection.family != socket.AF_UNIX:
        return None
    return describe(_credentials_of(connection)[0])


def user_of(connection: socket.socket) -> int:
    """The user of the process at the other end of a Unix socket, by what the kernel says."""
    return _credentials_of(connection)[1]


def own() -> Peer:
    """This process."""
    return describe(os.getpid())


def _credentials_of(connection: socket.socket) -> tuple[int, int, int]:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _credentials.size)
    pid, uid, gid = _credentials.unpack(raw)
    return pid, uid, gid


def describe(pid: int) -> Peer:
    """What /proc tells about a process."""
    started, command = 0.0, ""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            line = file.read(4096).rstrip(b"\0").replace(b"\0", b" ")
            command = line[:127].decode(errors="replace")
        with open("/proc/stat", encoding="utf-8") as file:
            boot = next(int(row.split()[1]) for row in file if row.startswith("btime"))
        started = boot + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        pass  # it has ended, or is not ours to look at
    return Peer(name=None, pid=pid, host=socket.gethostname(), started=started, command=command)
