"""The carrier of one machine: links in shared memory, by the engine."""

from __future__ import annotations

import os
import pwd
from contextlib import contextmanager
from functools import cache

from liaison import errors
from liaison._native import mailbox as native
from liaison._native import space as native_space
from liaison._native.mailbox import Burial, closing
from liaison._native.poll import ENDED, READABLE, Poll
from liaison._native.several import Several
from liaison._native.space import SpaceHandle, root_of
from liaison.address import Address, is_name
from liaison.carriers.contract import MailboxContract
from liaison.link import Link

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from typing import Any, TypeVar

    from liaison.codec import Codec, Coder
    from liaison.link import Peer

    _Made = TypeVar("_Made")
    Place = tuple[int, str, str]  # of a space: its owner, its name, and the directory it is in

__all__ = [
    "ENDED",
    "READABLE",
    "Burial",
    "MailboxEnd",
    "PipeEnd",
    "Poll",
    "Several",
    "all_names",
    "closing",
    "directory",
    "in_space",
    "link_names",
    "link_of",
    "named_pipe",
    "open_space",
    "own_name",
    "owner_of",
    "pipe",
    "remove_space",
    "space_names",
]

# Spaces stay open for as long as the process lives, so that it keeps its place among the members
# between one link and the next. By path, because the environment may change where they lie.
_spaces: dict[tuple[str, str], SpaceHandle] = {}

_TRIES = 100  # of making something in a space, each in one that was removed meanwhile
_ESTABLISHED = {"endpoint": "automatic", "pipe": "inherited"}  # others: by name
_LARGEST_DIRECT = 1 << 30  # bytes: what the engine lets an arena grow to

_HOW = {
    "open": native.OPEN,
    "create": native.CREATE,
    "open or create": native.OPEN_OR_CREATE,
    "observe": native.OBSERVE,
}


def owner_of(address: Address) -> tuple[int, bool]:
    """The user id of the space's owner, and whether it is a space that a group shares."""
    if address.owner is None:
        return os.geteuid(), False
    try:
        return pwd.getpwnam(address.owner).pw_uid, True
    except KeyError:
        raise errors.NotFound(
            f"there is no user {address.owner!r}, whose space {address.space!r} was asked for"
        ) from None


def open_space(
    address: Address, *, create: bool = True, group: int = -1, entered: bool = False
) -> SpaceHandle:
    """The address's space, made where it is missing and `create` says so."""
    uid, shared = owner_of(address)
    root = root_of(uid, shared)
    # Anew each time: one that was removed (a logout does that) and perhaps made again is another.
    create = (create and not shared) or group >= 0
    fresh = SpaceHandle(root, uid, address.space, create, group, entered=entered)
    _spaces[root, address.space] = fresh
    return fresh


def remove_space(address: Address, *, force: bool) -> None:
    """Remove the address's space, if nothing keeps it."""
    uid, shared = owner_of(address)
    root = root_of(uid, shared)
    native_space.remove_space(root, uid, address.space, force)
    _spaces.pop((root, address.space), None)


def in_space(address: Address, make: Callable[[SpaceHandle], _Made], *, create: bool) -> _Made:
    """Make something in the address's space; in a new one, where that is removed meanwhile."""
    tries = 0
    while True:
        tries += 1
        space = open_space(address, create=create, entered=True)
        try:
            return make(space)
        except errors.NotFound:
            if not (create and space.gone) or tries == _TRIES:
                raise
        finally:
            space.rest()


def space_at(place: Place) -> SpaceHandle:
    """The space at a place that another process told of."""
    owner, name, root = place
    key = (root, name)
    if key not in _spaces or _spaces[key].gone:
        _spaces[key] = SpaceHandle(root, owner, name, False, -1)
    return _spaces[key]


def place_of(space: SpaceHandle) -> Place:
    """How to tell another process where a space is."""
    root, _, name = space.path.rpartition("/")
    return os.stat(space.path).st_uid, name, root


def space_names() -> list[str]:
    """The caller's spaces."""
    uid = os.geteuid()
    found: list[str] = []
    for shared in (False, True):
        names = list(filter(is_name, _entries(root_of(uid, shared), uid)))
        found += [f"{own_name()}@{name}" for name in names] if shared and names else names
    return found


def own_name() -> str:
    """The caller's name, by which others reach the spaces that it shares. Raises `NotFound`."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise errors.NotFound(
            f"user {os.geteuid()} has no name, by which others could reach its spaces"
        ) from None


def _entries(root: str, owner: int) -> list[str]:
    """What is in a directory that is the owner's; nothing in another that stands in its place."""
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        return sorted(os.listdir(descriptor)) if os.fstat(descriptor).st_uid == owner else []
    finally:
        os.close(descriptor)


@contextmanager
def directory(space: SpaceHandle, part: str) -> Generator[int]:
    """A descriptor of one of the space's directories, ``"links"`` or ``"names"``.

    In a shared space a path may lead elsewhere by the time it is used.
    """
    descriptor = space.directory(part)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def all_names(space: SpaceHandle) -> list[str]:
    """The names of the space's links, those that are part of another link too."""
    try:
        with directory(space, "names") as names:
            return os.listdir(names)
    except errors.NotFound:
        return []


def link_names(space: SpaceHandle) -> list[str]:
    """The names of the space's links.

    Not of those that are part of another link, whose names begin with ``~``; and no link has a name
    that `check_name` refuses, whatever a member of the space calls its own files.
    """
    return sorted(filter(is_name, all_names(space)))


def link_of(facts: dict[str, Any], senders: Iterable[Peer] | None = None) -> Link:
    """A link, of the engine's facts; `senders`, where these are others than those that it tells."""
    attached = facts.pop("attached")
    pair_capacity = facts.pop("pair_capacity")
    kind = facts["kind"]
    if kind == "endpoint":  # what it is to its users, and not what its own messages are
        facts |= {
            "capacity": pair_capacity,
            "max_processes": 2,
            "message_size": "variable",
            "max_message": _LARGEST_DIRECT,
        }
    both = kind == "named pipe"  # each of its two processes sends and receives
    return Link(
        carrier="shm",
        direction="two-way" if kind == "endpoint" or both else "one-way",
        established=_ESTABLISHED.get(kind, "named"),
        senders=tuple(
            (peer for peer, sends, _ in attached if sends or both) if senders is None else senders
        ),
        receivers=tuple(peer for peer, _, receives in attached if receives or both),
        **facts,
    )


@cache
def _coders() -> type[Coder]:
    """What makes coders. The first link imports it, since msgspec takes as long as all the rest.

    The first message cannot: it may be that of a signal handler, or of `__del__` when Python ends.
    """
    from liaison.codec import Coder

    return Coder


def _reading(type: Any, codec: Codec | str | None) -> tuple[Callable[[], Coder], bool]:
    """What an end needs to know to read messages: its coder, and whether bytes need none."""
    make_coder = _coders()
    if type is None and codec is None:
        return make_coder, True
    coder = make_coder(type, codec)
    return lambda: coder, coder.takes_bytes


class MailboxEnd(native.End, MailboxContract):
    """A mailbox's end in shared memory; see `liaison.carriers.contract` for what it promises."""

    __slots__ = ()

    def _start(
        self,
        address: Address,
        how: str,
        policy: dict[str, Any],
        type: Any,
        codec: Codec | str | None,
        undertaker: Callable[[Any, int, memoryview, int], None],
        mourner: Callable[[SpaceHandle, str], object],
        name: str = "",
    ) -> None:
        reading = _reading(type, codec)

        def begin(space: SpaceHandle) -> None:
            self._begin(
                *(space, name or address.name, str(address), _HOW[how], *reading),
                *(undertaker, mourner),
                default_dead_letters=f"{address}.dead",
                **policy,
            )

        in_space(address, begin, create=how in ("create", "open or create"))

    @property
    def link(self) -> Link:
        """What this link is, and who is on it at this moment."""
        return link_of(self._describe())


class PipeEnd(MailboxEnd):
    """An end of a pipe that has no name; see `liaison.links.pipe`."""

    __slots__ = ()

    def _take(
        self, descriptors: tuple[int, int], place: Place, reads: bool, type: Any, codec: Any
    ) -> None:
        space = space_at(place)
        self._adopt(space, *descriptors, reads, *_reading(type, codec))

    def _place(self) -> Place:
        """Where the space is in which the pipe's users are known."""
        return place_of(self._space)


def pipe(
    reader: PipeEnd, writer: PipeEnd, type: Any, codec: Codec | str | None, policy: dict[str, Any]
) -> None:
    """Make a pipe; the two become its ends."""
    here = Address.current_space()
    # The processes know one another by a space of this machine, whatever bare names mean.
    where = here if here.scheme == "shm" else Address("shm", space="default")
    reading = _reading(type, codec)
    in_space(
        where,
        lambda space: native.open_pipe(reader, writer, space, *reading, **policy),
        create=True,
    )


def named_pipe(
    reader: MailboxEnd,
    writer: MailboxEnd,
    address: Address,
    type: Any,
    codec: Codec | str | None,
    policy: dict[str, Any],
) -> None:
    """Be a side of a named pipe; the two become its ends for the way here and the way there."""
    reading = _reading(type, codec)
    in_space(
        address,
        lambda space: native.open_named_pipe(
            *(reader, writer, space, address.name, str(address)), *reading, **policy
        ),
        create=True,
    )
