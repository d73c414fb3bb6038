"""The links of which endpoints consist, in shared memory: found, opened and removed.

An endpoint is a link of its own (kind "endpoint"): its names lead to it, the process that has its
turn is the one it names, and its messages are introductions. What one endpoint sends another lies
in a link of these two (kind "direct"), made at first use, whose hidden name says whose it is::

    ~TO.FROM      the ids of the endpoints

Ids stay when names change. Two endpoints that talk both ways have two of these; to their users that
is one link, two-way. It is the receiver's: it stays when its sender is gone, until it is empty.
"""

from __future__ import annotations

import os
import re
import weakref
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from liaison import errors
from liaison._native import endpoint as native
from liaison._native.names import label_of, noted_names_of
from liaison.address import Address, is_name
from liaison.carriers.contract import Reading
from liaison.carriers.shm.end import MailboxEnd
from liaison.carriers.shm.space import Directory, all_names, open_space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from liaison._native.space import SpaceHandle
    from liaison.carriers.contract import How

__all__ = [
    "WAY",
    "Caller",
    "Own",
    "Way",
    "clean_pairs",
    "has_sender",
    "is_empty",
    "is_over",
    "leads",
    "names_of",
    "observed",
    "remove_known",
    "remove_pairs",
    "senders_to",
    "space_of",
    "ways_to",
]

WAY = re.compile(r"~([0-9a-f]{32})\.([0-9a-f]{32})\Z")


_PLAIN = Reading.of(None, None)


class Own(MailboxEnd):
    """An end of an endpoint's own link."""

    __slots__ = ()

    @classmethod
    def begin(
        cls,
        where: Address,
        how: How,
        policy: dict[str, Any],
        empty_orphan: Callable[[SpaceHandle, str], object] | None = None,
    ) -> Own:
        """Open it, as ``how`` says; `empty_orphan` moves what a dead port of that name has left."""
        end = cls.__new__(cls)
        policy = {"kind": "endpoint", **policy}
        end.start(where, how, _PLAIN, _no_dead_letters, empty_orphan or _no_orphan, **policy)
        return end

    def about(self) -> dict[str, Any]:
        """The engine's facts."""
        return self.facts()


class Way(MailboxEnd):
    """An end of what leads from one endpoint to another."""

    __slots__ = ("sender_id",)

    sender_id: str

    @classmethod
    def begin(
        cls,
        where: Address,
        to: str,
        sender: str,
        how: How = "open",
        policy: dict[str, Any] | None = None,
        reading: Reading = _PLAIN,
    ) -> Way:
        """Open it, as ``how`` says; `where` is the receiver's address."""
        end = cls.__new__(cls)
        end.sender_id = sender
        policy = {"kind": "direct", **(policy or {})}
        end.start(*(where, how, reading, _no_dead_letters, _no_orphan), f"~{to}.{sender}", **policy)
        return end

    @property
    def origin(self) -> str:
        """The sender's address when it first sent."""
        return self.dead_letters

    @property
    def called(self) -> str:
        """By which name the sender knows the receiver."""
        name = label_of(self)
        return "" if name.startswith("~") else name


def _no_dead_letters(*_: object) -> None:
    raise errors.Corrupt("what endpoints send has no dead letters")


def _no_orphan(*_: object) -> bool:
    return False


def _number(space: SpaceHandle, part: str, name: str) -> int | None:
    """Which file it is; None: there is none."""
    with suppress(FileNotFoundError), Directory(space, part) as names:
        return os.stat(name, dir_fd=names, follow_symlinks=False).st_ino
    return None


def names_of(space: SpaceHandle, id: str) -> list[str]:
    """What leads to the link with this id, hidden names apart."""
    noted = noted_names_of(space, id)
    if noted is not None:
        return sorted(set(filter(is_name, noted)))
    number = _number(space, "links", id)
    with Directory(space, "names") as names, os.scandir(names) as entries:
        return sorted(e.name for e in entries if e.inode() == number and is_name(e.name))


def leads(space: SpaceHandle, name: str, id: str) -> bool:
    """Whether the link with this id is called so."""
    number = _number(space, "links", id)
    return number is not None and number == _number(space, "names", name)


def observed(space: SpaceHandle, near: Address, id: str) -> Own | None:
    """The endpoint with this id, which was once at `near`; None: there is none."""
    names = [near.name] if leads(space, near.name, id) else names_of(space, id)
    for name in names:
        with suppress(errors.NotFound):
            return Own.begin(near.called(name), "observe", {})
    return None


def is_over(where: Address, end: Own) -> bool:
    """Whether the endpoint was to end with its process, and now does."""
    facts = end.about()
    if not facts["lifetime"] or native.holder(end) is not None:
        return False
    if not native.end_unneeded(end):
        return False  # somebody has just become it
    remove_pairs(where, facts["id"])
    return True


def has_sender(way: Way, near: SpaceHandle) -> bool:
    """Whether the sender's endpoint is there, or can come again."""
    origin = Address.parse(way.origin)
    end = observed(space_of(way.origin, near), origin, way.sender_id)
    if end is None:
        return False
    with closing(end):
        return not is_over(origin, end)


def clean_pairs(where: Address, space: SpaceHandle) -> int:
    """Remove endpoints that were to end with their process, and links that nobody can use.

    Returns how many; `where` is any address in the space.
    """
    removed = 0
    for name in all_names(space):
        way = WAY.match(name)
        with suppress(errors.LiaisonError):
            if way is None:
                with closing(Own.begin(where.called(name), "observe", {})) as end:
                    removed += is_over(where.called(name), end)
                continue
            with closing(Way.begin(where, way[1], way[2], "observe")) as end:
                if _number(space, "links", way[1]) is None:
                    end.destroy(force=True)
                    removed += 1
                elif is_empty(end) and not has_sender(end, space):
                    removed += native.end_unneeded(end)
    return removed


def _pairs(space: SpaceHandle) -> Iterator[tuple[str, str]]:
    """The ids of all endpoints that are linked: the receiver's, and the sender's."""
    for match in map(WAY.match, all_names(space)):
        if match:
            yield match[1], match[2]


def _pairs_at(where: Address) -> Iterator[tuple[str, str]]:
    """The same; none where the space was removed."""
    try:
        space = open_space(where, create=False)
    except errors.NotFound:
        return iter(())
    return _pairs(space)


def senders_to(space: SpaceHandle, id: str) -> set[str]:
    """The ids of the endpoints from which there are links to this one."""
    return {sender for receiver, sender in _pairs(space) if receiver == id}


def ways_to(where: Address, id: str) -> list[Way]:
    """Observed ends of all links that lead to the endpoint; the caller closes them."""
    found: list[Way] = []
    for receiver, sender in _pairs_at(where):
        if receiver == id:
            with suppress(errors.LiaisonError):
                found.append(Way.begin(where, id, sender, "observe"))
    return found


def remove_pairs(where: Address, id: str) -> None:
    """What belongs to an endpoint that was destroyed: all that leads to it.

    What it sent to others is theirs, but for what is empty: they may be waiting for more.
    """
    for pair in _pairs_at(where):
        if id not in pair:
            continue
        with (
            suppress(errors.LiaisonError),
            closing(Way.begin(where, *pair, "observe")) as way,
        ):
            if pair[0] == id or is_empty(way):
                way.destroy(force=True)


def remove_known(incoming: Iterable[Way], outgoing: Iterable[Way]) -> None:
    """The same where these are all that there can be, without a look at all names."""
    for way in (*incoming, *filter(_is_over_or_empty, outgoing)):
        with suppress(errors.LiaisonError):
            way.destroy(force=True)


def _is_over_or_empty(way: Way) -> bool:
    try:
        return is_empty(way)
    except errors.LiaisonError:
        return True


def is_empty(way: Way) -> bool:
    """Whether nothing of it is still to be settled."""
    counts = way.statistics()
    return not (counts.waiting or counts.leased or counts.loaned)


class Caller:
    """What the sender of a link's messages is called, as far as it is known."""

    __slots__ = ("_end", "_space", "_way")

    def __init__(self, space: SpaceHandle, way: Way) -> None:
        self._space = space
        self._way = weakref.ref(way)
        self._end: Own | None = None

    def __call__(self) -> str | None:
        """Its name now, or the one that it had when it first sent."""
        way = self._way()
        if way is None:
            return None
        try:
            origin = Address.parse(way.origin)
        except errors.InvalidAddress:
            return None  # whoever can write the link's file can write that
        try:
            if self._end is None:
                space = space_of(way.origin, self._space)
                self._end = observed(space, origin, way.sender_id)
            if self._end is not None:
                return label_of(self._end)
        except errors.LiaisonError:
            pass
        return origin.name


def space_of(address: str, near: SpaceHandle) -> SpaceHandle:
    """The space in which an endpoint at `address` is; `near` where it is that."""
    with suppress(errors.LiaisonError):
        return open_space(Address.parse(address), create=False)
    return near
