"""How one listens: from an address to a socket that other programs find."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import socket
import stat
from typing import TYPE_CHECKING

from liaison.carriers.steps import Pause
from liaison.carriers.stream import place
from liaison.deadline import Deadline
from liaison.errors import AccessDenied, NameTaken

if TYPE_CHECKING:
    from collections.abc import Generator

    from liaison.address import Address
    from liaison.carriers.steps import Steps

__all__ = ["SocketFile", "bind"]

_BACKLOG = 4096  # the system makes it what it allows: many come at once, strangers or not
_DEFERRED = 1  # seconds that the system keeps back a TCP connection on which nothing has come
_PATIENCE = 5.0  # seconds for another process that replaces a stale socket of the directory
_LOCKED = 0.01  # seconds until a directory that is locked is tried again


class SocketFile:
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


def bind(
    where: Address, *, open_to_all: bool
) -> Steps[tuple[socket.socket, str, SocketFile | None]]:
    """Listen at an address: the socket, the real address, and the file if there is one.

    Raises `NameTaken`, `AccessDenied`, `NotFound`, and `InvalidAddress` for one that can be reached
    from elsewhere, unless `open_to_all`.
    """
    if where.scheme == "unix":
        listening, file = yield from _bound(where.path)
        return listening, str(where), file
    family, target = (yield from place.places(where, open_to_all=open_to_all))[0]
    listening = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _DEFERRED)
        listening.bind(target)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise place.explained(error, str(where)) from error
    return listening, place.url(where.scheme, listening.getsockname()), None


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


def _bound(path: str) -> Steps[tuple[socket.socket, SocketFile]]:
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
                    yield from _name(fresh, name, path, directory)
                    return listening, SocketFile(path, directory, made)
                finally:
                    os.unlink(fresh, dir_fd=directory)
        except OSError as error:
            if isinstance(error, NameTaken | AccessDenied):
                raise
            raise place.explained(error, f"unix://{path}") from error
    except BaseException:
        listening.close()
        raise


def _name(fresh: str, name: str, path: str, directory: int) -> Steps[None]:
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
            yield Pause(_LOCKED)
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
