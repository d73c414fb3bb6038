"""All links of a space at one moment, each looked at once and none of them opened.

An endpoint is shown with what leads to it, which lies in links of their own: so these are found
by one look at the directory, for all endpoints together.
"""

from __future__ import annotations

import os
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from liaison import errors
from liaison._native.facts import look
from liaison._native.names import label_of
from liaison.address import Address, is_name
from liaison.carriers.contract import Listed
from liaison.carriers.shm.end import link_of
from liaison.carriers.shm.pairs import WAY, observed, space_of
from liaison.carriers.shm.space import Directory
from liaison.link import Peer, Statistics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liaison._native.space import SpaceHandle

__all__ = ["listed"]


def listed(
    where: Address, space: SpaceHandle, *, counts: bool
) -> list[Listed | tuple[str, errors.LiaisonError]]:
    """The links of a space; see `liaison.carriers.contract.SpaceEnd.listed`."""
    try:
        with space, Directory(space, "names") as names:
            return list(_Listing(where, space, names, counts))
    except errors.NotFound:
        return []


class _Listing:
    def __init__(self, where: Address, space: SpaceHandle, names: int, counts: bool) -> None:
        self._where = where
        self._space = space
        self._names = names
        self._counts = counts
        self._prefix = str(where.called("x"))[:-1]
        self._known: dict[int, tuple[Peer, bool]] = {}
        self._labels: dict[str, str] = {}  # of endpoints, by id
        self._called: dict[int, list[str]] = {}  # by the file's number
        self._ways: dict[str, list[tuple[str, str]]] = {}  # by the receiver's id
        with os.scandir(names) as entries:
            for entry in entries:
                if match := WAY.match(entry.name):
                    self._ways.setdefault(match[1], []).append((match[2], entry.name))
                elif is_name(entry.name):
                    self._called.setdefault(entry.inode(), []).append(entry.name)

    def __iter__(self) -> Iterator[Listed | tuple[str, errors.LiaisonError]]:
        found: list[tuple[str, list[str], tuple[dict[str, Any], Any] | errors.LiaisonError]] = []
        for called in self._called.values():
            called.sort()
        for called in sorted(self._called.values()):
            for name in called:
                try:
                    facts, statistics = self._look(name)
                except (errors.NotFound, errors.Destroyed):
                    continue  # gone since the directory was read
                except errors.LiaisonError as error:
                    found.append((name, called, error))
                    continue
                if facts["kind"] == "endpoint":
                    self._labels[facts["id"]] = facts["name"]
                found.append((name, called, (facts, statistics)))
                break
        for name, called, one in found:
            if isinstance(one, errors.LiaisonError):
                yield name, one
            elif one[0]["kind"] == "endpoint":
                yield self._endpoint(name, called, one[0])
            else:
                yield Listed(self._prefix + name, link_of(one[0]), one[1], [], {})

    def _look(self, name: str) -> tuple[dict[str, Any], Statistics | None]:
        address = self._prefix + name
        return look(self._space, self._names, name, address, self._known, self._counts)

    def _endpoint(self, name: str, called: list[str], facts: dict[str, Any]) -> Listed:
        senders: dict[Peer, None] = {}
        known_as: dict[str, list[Peer]] = {}
        each: list[Statistics] = []
        total = 0
        for sender, way_name in self._ways.get(facts["id"], ()):
            try:
                way, statistics = self._look(way_name)
            except errors.LiaisonError:
                continue
            if statistics is not None:
                each.append(statistics)
            total += way["bytes"]
            if users := self._senders(sender, way):
                senders |= dict.fromkeys(users)
                label: str = name if way["name"].startswith("~") else way["name"]
                known_as.setdefault(label, []).extend(users)
        facts["bytes"] += total
        link = link_of(facts, senders)
        counted = None
        if self._counts:
            room = min((one.free for one in each), default=link.capacity or 0)
            counted = Statistics.together(each)
            if room != counted.free:
                counted = counted.but(free=room)
        aliases = [one for one in called if one != link.name]
        known_as = dict(sorted(known_as.items()))
        return Listed(self._prefix + link.name, link, counted, aliases, known_as)

    def _senders(self, id: str, way: dict[str, Any]) -> list[Peer]:
        users = [peer for peer, sends, _ in way["attached"] if sends]
        name = self._caller(id, way["dead_letters"] or "") if users else None
        return [Peer(name, who.pid, who.host, who.started, who.command) for who in users]

    def _caller(self, id: str, origin: str) -> str | None:
        """What the endpoint with this id is called, or was when it first sent, from `origin`."""
        name = origin.removeprefix(self._prefix)
        if is_name(name):
            return self._labels.get(id, name)
        try:
            elsewhere = Address.parse(origin)
        except errors.InvalidAddress:
            return None  # whoever can write the link's file can write that
        with suppress(errors.LiaisonError):
            end = observed(space_of(origin, self._space), elsewhere, id)
            if end is not None:
                with closing(end):
                    return label_of(end)
        return elsewhere.name
