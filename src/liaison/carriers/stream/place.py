"""Which socket an address means, and who may use it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import socket
import stat
import struct
from ipaddress import ip_address
from time import sleep
from typing import TYPE_CHECKING

from liaison.deadline import Deadline
from liaison.errors import AccessDenied, InvalidAddress, NameTaken, NotFound
from liaison.link import Peer

if TYPE_CHECKING:
    from collections.abc import Generator

    from liaison.address import Address

__all__ = [
    "Path",
    "check_neighbour",
    "describe",
    "explained",
    "own",
    "peer_of",
    "peer_url",
    "resolved",
    "seat",
    "tune",
    "user_of",
]

_BACKLOG = 4096  # the system makes it what it allows: many come at once, strangers or not
_DEFERRED = 1  # seconds that the system keeps back a TCP connection on which nothing has come
_PATIENCE = 5.0  # seconds for another process that replaces a stale socket of the directory
_credentials = struct.Struct("3i")
# A TCP peer that was silent for so many seconds is asked whether it is still there, so often, so
# many times: a machine that is gone without a word is noticed within a minute and a half.
_ASKED_AFTER = ((socket.TCP_KEEPIDLE, 45), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 3))


# ---- where one listens


class Path:
    """The file of a Unix socket that this process listens on.

    It is named below a descriptor of its directory: what a path leads to may be another file by the
    time it is removed, where somebody else can rename a directory on the way.
    """

    __slots__ = ("_directory", "_file", "_name", "_pid", "_where")

    def __init__(self, path: str, directory: int, file: os.stat_result) -> None:
        """Note which file it is, and in which directory."""
        self._where, self._name = os.path.split(path)
        self._directory = os.fstat(directory)
        self._file = file
        self._pid = os.getpid()

    def remove(self) -> None:
        """Remove the file, unless it is another's by now; a forked child leaves it alone."""
        if os.getpid() != self._pid:
            return
        with contextlib.suppress(OSError), _directory(self._where) as directory:
            found = os.stat(self._name, dir_fd=directory, follow_symlinks=False)
            if os.path.samestat(os.fstat(directory), self._directory) and os.path.samestat(
                found, self._file
            ):
                os.unlink(self._name, dir_fd=directory)


def seat(address: Address, *, open_to_all: bool) -> tuple[socket.socket, str, Path | None]:
    """Listen at an address: the socket, the real address, and the file if there is one.

    Raises `NameTaken`, `AccessDenied`, `NotFound`, and `InvalidAddress` for one that can be reached
    from elsewhere, unless `open_to_all`.
    """
    if address.scheme == "unix":
        listening, file = _bound(address.path)
        return listening, str(address), file
    host, port = address.hosts[0]
    family, where = resolved(host, port, open_to_all=open_to_all)[0]
    listening = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _DEFERRED)
        listening.bind(where)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise explained(error, str(address)) from error
    return listening, _url(address.scheme, listening.getsockname()), None


@contextlib.contextmanager
def _directory(path: str) -> Generator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _below(directory: int, name: str) -> str:
    """A file in a directory, for the calls that take nothing but a path of 107 bytes."""
    return f"/proc/self/fd/{directory}/{name}"


def _bound(path: str) -> tuple[socket.socket, Path]:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    where, name = os.path.split(path)
    # It gets its name when it listens already and has its rights: nobody meets it half made.
    fresh = f".{secrets.token_hex(8)}"
    try:
        os.fchmod(listening.fileno(), 0o600)  # what bind gives to the file
        try:
            with _directory(where) as directory:
                listening.bind(_below(directory, fresh))
                try:
                    listening.listen(_BACKLOG)
                    made = os.stat(fresh, dir_fd=directory, follow_symlinks=False)
                    _name(fresh, name, path, directory)
                    return listening, Path(path, directory, made)
                finally:
                    os.unlink(fresh, dir_fd=directory)
        except OSError as error:
            if isinstance(error, NameTaken | AccessDenied):
                raise
            raise explained(error, f"unix://{path}") from error
    except BaseException:
        listening.close()
        raise


def _name(fresh: str, name: str, path: str, directory: int) -> None:
    """Give a socket its lasting name, in the place of a dead one's if need be."""
    try:
        os.link(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)
        return
    except FileExistsError:
        _check_dead(name, path, directory)
    # A dead one is replaced under the directory's lock, so that it is not replaced twice.
    deadline = Deadline(_PATIENCE)
    while True:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if deadline.expired:
                raise AccessDenied(
                    f"{path} is a dead listener's, and another process keeps the directory "
                    "locked (flock), so it cannot be replaced"
                ) from None
            sleep(0.01)
    _check_dead(name, path, directory)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
    try:
        os.link(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)
    except FileExistsError:
        raise NameTaken(f"unix://{path}: another process listens there") from None


def _check_dead(name: str, path: str, directory: int) -> None:
    """Return if the file is a socket of this user's on which nobody listens any more."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise NameTaken(f"{path} exists and is not a socket; choose another path, or remove it")
    if found.st_uid != os.geteuid():
        raise AccessDenied(f"{path} is another user's socket; choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.setblocking(False)
        try:
            probe.connect(_below(directory, name))
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except OSError as error:
            if error.errno == errno.EPROTOTYPE:
                raise NameTaken(f"{path} is a socket of another kind") from None
            if error.errno != errno.EAGAIN:  # that is a living one's full queue
                raise
    raise NameTaken(f"unix://{path}: another process listens there; connect to it")


# ---- where one connects to


def tune(connection: socket.socket) -> None:
    """Let a TCP connection send at once, and notice when its peer has vanished."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _ASKED_AFTER:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


def resolved(host: str, port: int, *, open_to_all: bool) -> list[tuple[int, tuple[str, int]]]:
    """The addresses of a host, the best first; asks the system's resolver, which blocks.

    Raises `NotFound`, and `InvalidAddress` for one that anybody reaches, unless `open_to_all`.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise NotFound(f"the host {host!r} is not known: {error.strerror}") from None
    # A loopback address first: "localhost" may have several.
    found.sort(key=lambda one: not _is_loopback(str(one[4][0])))
    if not open_to_all:
        found = [one for one in found if _is_loopback(str(one[4][0]))]
    if not found:
        raise InvalidAddress(
            f"{host!r} is reached over the network, where anybody may listen and speak: use "
            "tls:// with tls= and token=, or insecure=True if that network is trusted"
        )
    return [(one[0], one[4]) for one in found]  # pyright: ignore[reportReturnType]


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


def _url(scheme: str, where: tuple[str, int]) -> str:
    host, port = where[0], where[1]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def peer_url(scheme: str, where: tuple[str, int]) -> str | None:
    """The address of the other end; None on a Unix socket, whose client has none."""
    return None if scheme == "unix" else _url(scheme, where)


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
