"""Spaces in shared memory: where they lie, and what is in them."""

from __future__ import annotations

import os
import pwd

from liaison import errors
from liaison._native import space as native_space
from liaison._native.space import SpaceHandle, root_of
from liaison.address import Address, is_name
from liaison.owner import own_name

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    _Made = TypeVar("_Made")
    Place = tuple[int, str, str]  # of a space: its owner, its name, and the directory it is in

__all__ = [
    "Directory",
    "all_names",
    "in_space",
    "link_names",
    "open_space",
    "owner_of",
    "place_of",
    "remove_space",
    "space_at",
    "space_names",
]

# Spaces stay open for as long as the process lives, so that it keeps its place among the members
# between one link and the next. By path, because the environment may change where they lie.
_spaces: dict[tuple[str, str], SpaceHandle] = {}

_TRIES = 100  # of making something in a space, each in one that was removed meanwhile


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


class Directory:
    """A descriptor of one of the space's directories, ``"links"`` or ``"names"``, for a block.

    In a shared space a path may lead elsewhere by the time it is used.
    """

    def __init__(self, space: SpaceHandle, part: str) -> None:
        self._descriptor = space.directory(part)

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def all_names(space: SpaceHandle) -> list[str]:
    """The names of the space's links, those that are part of another link too."""
    try:
        with Directory(space, "names") as names:
            return os.listdir(names)
    except errors.NotFound:
        return []


def link_names(space: SpaceHandle) -> list[str]:
    """The names of the space's links.

    Not of those that are part of another link, whose names begin with ``~``; and no link has a name
    that `check_name` refuses, whatever a member of the space calls its own files.
    """
    return sorted(filter(is_name, all_names(space)))
