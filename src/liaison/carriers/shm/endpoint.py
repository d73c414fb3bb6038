"""Endpoints in shared memory: which endpoint a name means, and which ones have sent."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import select
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from liaison import errors
from liaison._native import endpoint as native
from liaison._native.carrier import arriving, closed, closing
from liaison._native.link import end_of
from liaison._native.names import alias, label_of, retire, set_label, version_of
from liaison._native.poll import Poll
from liaison.address import Address, check_name
from liaison.carriers import contract
from liaison.carriers.shm.dead_letters import empty_orphan
from liaison.carriers.shm.pairs import (
    Caller,
    Own,
    Way,
    has_sender,
    is_empty,
    is_over,
    leads,
    names_of,
    remove_known,
    remove_pairs,
    senders_to,
)
from liaison.carriers.shm.space import open_space
from liaison.link import Link, Peer, Statistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from liaison._native.endpoint import Route
    from liaison._native.mailbox import MailboxEnd
    from liaison.carriers.contract import Reading

__all__ = ["EndpointEnd"]

_INTRODUCTIONS = 16  # that there is room for; the engine's own number
_ID = re.compile(r"[0-9a-f]{32}\Z")
_PATIENCE = 0.1  # seconds: much longer than a killed process takes to be seen dead
_ROUTES = 4096  # names that an endpoint keeps in mind
_FEW = 16  # links: with so many more than twice what there were, somebody looks who can still send


_Got = TypeVar("_Got")


class _Ours(Exception):
    """The name is this process's already."""


def _patiently(attempt: Callable[[], _Got]) -> _Got:
    """Try again while a place is taken: the process that has it may be dying."""
    patience = time.monotonic() + _PATIENCE
    while True:
        try:
            return attempt()
        except errors.Busy:
            if time.monotonic() > patience:
                raise
            time.sleep(_PATIENCE / 50)


class EndpointEnd(native.EndpointEnd):
    """An endpoint in shared memory; see `liaison.carriers.contract.EndpointEnd`."""

    __slots__ = (
        *("_address", "_reading", "_capacity", "_complete", "_id", "_incoming", "_lock"),
        *("_many", "_outgoing", "_passing", "_registered", "_set", "_space"),
    )

    def __init__(
        self, where: Address, capacity: int | None, reading: Reading, *, passing: bool
    ) -> None:
        """Be the endpoint at `where`. A `passing` one ends with this process."""
        # Whoever asks for a name leads, and may use it, until its process ends.
        self.useless = True
        lifetime = "receiver" if passing else None
        policy = {"pair_capacity": -1 if capacity is None else capacity, "lifetime": lifetime}
        while True:
            own = Own.begin(where, "open or create", policy, empty_orphan)
            try:
                facts = own.about()
                first = self._take_name(own)
                break
            except errors.Destroyed:
                own.close()  # by somebody, just now: the name is free
            except BaseException:
                own.close()
                raise
        self._address = where
        self._space = open_space(where, create=False)
        self._reading = reading
        self._passing = passing
        self._capacity: int = facts["pair_capacity"]
        self._id: str = facts["id"]
        self._lock = threading.RLock()
        self._incoming: dict[str, Way] = {}
        self._outgoing: dict[str, tuple[Way, str]] = {}
        self._set: Poll | None = None
        self._registered: dict[Way, int] = {}
        self._many = _FEW
        self._introduce(self.name)
        self.useless = False
        # Whether nobody can have sent to it, or been sent something by it, but those here and those
        # whose introductions wait: then nothing is to be looked for among all links of the space.
        self._complete = first
        if not first:
            self.introduced([], True)

    def _take_name(self, own: Own) -> bool:
        """Be the process that the endpoint names; whether it is the first.

        Raises `Busy` when a living one is.
        """

        def claim() -> bool:
            try:
                return self.claim(own, _INTRODUCTIONS)
            except errors.Busy:
                who = native.holder(own)
                if who is not None and who.pid == os.getpid():
                    raise _Ours from None
                raise

        try:
            return _patiently(claim)
        except _Ours:
            raise errors.Busy(
                f"{own.address} is this process's already; use that endpoint"
            ) from None
        except errors.Busy:
            who = native.holder(own)
            raise errors.Busy(
                f"{own.address} is the name of a living process"
                f"{f' ({who})' if who else ''}; choose another, or end that one first"
            ) from None

    # ---- names --------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What it is called now; after it was closed, what it was called then."""
        return self._address.name if self.own.closed else label_of(self.own)

    @property
    def address(self) -> str:
        """Its address now, a URL."""
        return str(self._address.called(self.name))

    @property
    def aliases(self) -> list[str]:
        """The other names by which it is reached: those that it had, and has not retired."""
        self.check()
        return [name for name in names_of(self._space, self._id) if name != self.name]

    def rename(self, new: str) -> None:
        """Be called `new` from now on. Who knows the old name still reaches it."""
        self.check()
        check_name(new)
        with self._lock:
            if new != self.name:
                fresh = not leads(self._space, new, self._id)
                alias(self.own, new)  # a death after this leaves one more alias
                try:
                    self._introduce(new)
                except BaseException:
                    with suppress(errors.LiaisonError, OSError):
                        if fresh:
                            retire(self.own, new)
                    raise
                set_label(self.own, new)

    def retire(self, old: str) -> None:
        """Be no longer reached by a name that it had."""
        self.check()
        check_name(old)
        with self._lock:
            if old == self.name:
                raise ValueError(f"{old} is what this endpoint is called: rename it first")
            try:
                retire(self.own, old)
            except errors.NotFound:
                raise errors.NotFound(f"{old} is none of the names of {self.address}") from None

    def _introduce(self, name: str) -> None:
        """Have this process called so in the space, until another of its endpoints takes a name."""
        with _here.lock:
            native.introduce(self._space, name)
            _here.turns[self] = next(_here.turn)

    def _leave(self) -> None:
        """Have this process called as the one of its other endpoints that took a name last."""
        with _here.lock:
            del _here.turns[self]
            here = [one for one in _here.turns if one._space.path == self._space.path]
            last = max(here, key=_here.turns.__getitem__, default=None)
            with suppress(errors.LiaisonError, OSError):
                native.introduce(self._space, last.name if last is not None else "")

    # ---- whom a name means --------------------------------------------------------------------

    def _where(self, to: object) -> Address:
        """An address as users mean it: a bare name is in this endpoint's space."""
        to = end_of(to)
        if isinstance(to, EndpointEnd):
            return to._address
        if isinstance(to, Peer):
            if not to.name:
                raise errors.NotFound(f"{to} has no endpoint, so nothing can be sent to it")
            to = to.name
        if isinstance(to, Address):
            found = to
        elif not isinstance(to, str):
            raise TypeError(
                f"an endpoint is named by a str, an Address or a Peer, not {type(to).__name__}"
            )
        elif "://" not in to:
            found = self._address.called(check_name(to))
        else:
            found = Address.parse(to)
        if found.scheme != "shm":
            raise errors.InvalidAddress(
                f"{found}: an endpoint of this machine reaches those in shared memory only; "
                "use a name or shm://"
            )
        return found

    def _find(self, where: Address) -> tuple[Own, int, str]:
        """The endpoint, observed, the version of its names, and its id."""
        while True:
            found = Own.begin(where, "observe", {})
            try:
                version = version_of(found)
                facts = found.about()
                # The version first, then the name: if that is taken away after this, the
                # version changes.
                right = leads(open_space(where, create=False), where.name, facts["id"])
                if right and not is_over(where, found):
                    return found, version, facts["id"]
            except BaseException:
                found.close()
                raise
            found.close()

    def reach(self, to: Any, sending: bool) -> Route | None:
        """Where `to` leads, with the link that is needed; None: nothing can have come from it."""
        where = self._where(to)
        with self._lock:
            self.check()
            try:
                endpoint, version, id = self._find(where)
            except errors.NotFound:
                if sending:
                    raise errors.NotFound(
                        f"there is no endpoint {where}; start the process that is called so, "
                        "or look with `liaison ls`"
                    ) from None
                return None
            back = self._incoming.get(id)
            if back is None:
                self.introduced([id.encode()], False)
                back = self._incoming.get(id)
            if back is None and not sending:
                endpoint.close()
                return None
            try:
                there = self._open_way(where, endpoint, id) if sending else None
            except BaseException:
                endpoint.close()
                raise
            if len(self.routes) >= _ROUTES:
                self.routes.clear()
            known = self.routes.get(to)
            if there is None and known is not None and known.id == id:
                there = known.there
            route = native.Route(endpoint, version, id, there, back)
            self.routes[to] = route
            return route

    def _open_way(self, where: Address, endpoint: Own, id: str) -> Way:
        way, known_as = self._outgoing.get(id, (None, ""))
        if way is not None and version_of(way) & 1:
            way.close()
            way = None
        if way is None:
            theirs = endpoint.about()["pair_capacity"]
            way = self._begin_way(where, id, min(self._capacity, theirs))
            try:
                self._announce(where, endpoint, way)
            except BaseException:
                way.close()
                raise
        if known_as != where.name:
            set_label(way, where.name)
        self._outgoing[id] = (way, where.name)
        return way

    def is_over(self, to: Any) -> bool:
        """Whether what `to` led to was destroyed, for all that is known."""
        known = self.routes.get(to)
        return known is not None and bool(version_of(known.endpoint) & 1)

    def _begin_way(self, where: Address, id: str, capacity: int) -> Way:
        while True:
            # Opened as it is: the address that it was made from may be another by now.
            with suppress(errors.NotFound):
                return _patiently(
                    lambda: Way.begin(where, id, self._id, "open", None, self._reading)
                )
            policy = {"capacity": capacity, "access": "pair", "dead_letters": self.address}
            with suppress(errors.NameTaken):
                return Way.begin(where, id, self._id, "create", policy, self._reading)

    def _announce(self, where: Address, endpoint: Own, way: Way) -> None:
        """Tell the receiver of a link. It looks for links itself when it has no room for this."""
        try:
            with contextlib.closing(Own.begin(where, "open", {})) as theirs:
                theirs.try_send(self._id.encode())
        except (errors.Destroyed, errors.NotFound):
            if not version_of(endpoint) & 1:
                raise
        # Its destroyer marks an endpoint first, and then looks for the links that lead to it.
        if version_of(endpoint) & 1:
            way.destroy(force=True)
            raise errors.Destroyed(f"{where} was destroyed")

    # ---- senders ------------------------------------------------------------------------------

    def introduced(self, ids: list[bytes], every: bool) -> None:
        """Take in the links of new senders."""
        senders = {id.decode("ascii", "replace") for id in ids}
        with self._lock:
            if every:
                senders |= senders_to(self._space, self._id)
            for sender in sorted(senders - self._incoming.keys()):
                way = self._begun(sender) if _ID.match(sender) else None
                if way is not None:
                    self._incoming[sender] = way
            if len(self._incoming) > self._many:
                self._sweep()
            # Those, too, with which an attempt was interrupted.
            ways = tuple(self._incoming.values())
            if ways != self.ways:
                if self._set is not None:
                    for way in ways:
                        if way not in self._registered:
                            self._register(self._set, way)
                self.ways = tuple(self._incoming.values())
                self.call()
                for notify in arriving:
                    notify(self.own)

    def _begun(self, sender: str) -> Way | None:
        """The link of a new sender; None when it is gone again, or not what it should be."""
        try:
            way = _patiently(
                lambda: Way.begin(self._address, self._id, sender, "open", None, self._reading)
            )
        except errors.NotFound:
            return None
        except errors.LiaisonError:
            self._complete = False
            return None
        try:
            if is_empty(way) and not has_sender(way, self._space):
                way.destroy(force=True)
                way.close()
                return None
        except errors.LiaisonError:
            way.close()
            self._complete = False
            return None
        native.call_sender(way, Caller(self._space, way))
        return way

    def _register(self, watch: Poll, way: Way) -> None:
        try:
            descriptor = way.fileno()
        except errors.Destroyed:
            self.ended(way)
            return
        watch.unregister(descriptor)  # an attempt that was interrupted may have come as far
        watch.register(descriptor, select.EPOLLIN)
        self._registered[way] = descriptor

    def _sweep(self) -> None:
        """Remove the links of senders that were killed and cannot come again."""
        for way in list(self._incoming.values()):
            if is_empty(way) and not has_sender(way, self._space):
                with suppress(errors.LiaisonError):
                    way.destroy(force=True)  # the next look finds that out
        self._many = 2 * len(self._incoming) + _FEW

    def ended(self, end: MailboxEnd) -> None:
        """Give up a link that was destroyed."""
        with self._lock:
            self.check()
            if version_of(self.own) & 1:
                raise errors.Destroyed(f"{self.address} was destroyed")
            for sender, way in list(self._incoming.items()):
                if way is end:
                    del self._incoming[sender]
                    # A forked child may have its descriptor: closing it does not take it out.
                    registered = self._registered.pop(way, None)
                    if self._set is not None and registered is not None:
                        self._set.unregister(registered)
            self.ways = tuple(self._incoming.values())
            for name, route in list(self.routes.items()):
                if route.back is end:
                    del self.routes[name]
            for notify in closing:
                notify(end)
            end.close()

    # ---- seeing -------------------------------------------------------------------------------

    def fileno(self) -> int:
        """Give a descriptor that is readable when there may be a message from anyone."""
        with self._lock:
            self.check()
            if self._set is None or not self._set.stands():
                watch = Poll()
                watch.register(self.own.fileno(), select.EPOLLIN)
                self._registered.clear()
                for way in list(self._incoming.values()):
                    self._register(watch, way)
                self._set = watch
            return self._set.fileno()

    @property
    def link(self) -> Link:
        """What the endpoint is, and who has it or sends to it at this moment."""
        self.hear()
        senders = {peer: None for way in self._incoming.values() for peer in way.link.senders}
        return self.own.link.but(senders=tuple(senders))

    def links(self) -> list[Link]:
        """Its links, one for each endpoint that it has sent to or received from."""
        with self._lock:
            self.hear()
            there = {id: way for id, (way, _) in self._outgoing.items()}
            return [
                _pair(self, self._incoming.get(id), there.get(id))
                for id in sorted(self._incoming.keys() | there.keys())
            ]

    def statistics(self) -> Statistics:
        """The counts of all links to it together."""
        self.hear()
        return Statistics.together([way.statistics() for way in self._incoming.values()])

    def peek(self, max: int = 10) -> list[Any]:
        """Copies of at most `max` messages that wait, those of one sender after the other's."""
        self.hear()
        if max < 0:
            raise ValueError(f"max is 0 or more, not {max}")
        found: list[Any] = []
        for way in list(self._incoming.values()):
            found += way.peek(max - len(found))
        return found

    def __len__(self) -> int:
        """Count the messages that wait."""
        self.hear()
        return sum(map(len, self.ways))

    @property
    def news(self) -> MailboxEnd:
        """Its own link, by which new senders introduce themselves."""
        return self.own

    # ---- life ---------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether this end was closed."""
        return self.useless

    def check(self) -> None:
        """Raise the error of an end that is closed, or another process's."""
        if self.useless:
            self.refuse()

    def refuse(self) -> None:
        """Raise the error that says why it is of no use."""
        if self.own.closed:
            raise errors.Closed(f"{self._address} was closed here; make the endpoint again")
        raise errors.AccessDenied(
            f"{self._address} is the name of the process that forked this one; "
            "make an endpoint of this process's own"
        )

    def close(self) -> None:
        """Give the name up; idempotent. Its next process receives what was sent meanwhile."""
        if self.useless:
            if not self.own.closed:  # a forked child's copy
                self._put_down()
            return
        with self._lock:
            self.useless = True
            self._address = self._address.called(self.name)
            if self._passing:
                with suppress(errors.LiaisonError, OSError):  # else it ends as after a death
                    self._remove()
            self._leave()
            self._put_down()

    def _put_down(self) -> None:
        for end in (self, self.own, *self.ways, *(way for way, _ in self._outgoing.values())):
            for notify in closing:
                notify(end)
        if self._set is not None:
            self._set.close()
        for way in (*self.ways, *(way for way, _ in self._outgoing.values())):
            way.close()
        for route in self.routes.values():
            route.endpoint.close()
        self.own.close()
        self.call()
        for notify in closed:
            notify(self)

    def destroy(self, *, force: bool = False) -> None:
        """Destroy the endpoint with all that was sent to it and not received."""
        self.check()
        with self._lock:
            self._remove()
        self.close()

    def _remove(self) -> None:
        with suppress(errors.LiaisonError, OSError):
            self.hear()
        with suppress(errors.Destroyed):
            self.own.destroy(force=True)
        # In this order: a sender that introduces itself from now on sees afterwards that the
        # endpoint was destroyed.
        try:
            if self._complete and self.heard():
                remove_known(self._incoming.values(), [way for way, _ in self._outgoing.values()])
            else:
                remove_pairs(self._address, self._id)
        except OSError as error:
            raise OSError(
                error.errno,
                f"{error.strerror}; the endpoint is destroyed, and what was sent to it is still "
                "there: destroy() it again",
                self.address,
            ) from error


def _pair(endpoint: EndpointEnd, back: Way | None, there: Way | None) -> Link:
    """The link of two endpoints, of which each direction is there once it was used."""
    ways = [way.link for way in (back, there) if way is not None]
    if back is not None:
        other = Caller(endpoint._space, back)() or ""  # pyright: ignore[reportPrivateUsage]
    else:
        assert there is not None
        other = there.called
    both = {peer: None for link in ways for peer in (*link.senders, *link.receivers)}
    return ways[0].but(
        name=f"{endpoint.name}~{other}",
        direction="two-way",
        established="automatic",
        dead_letters=None,
        senders=tuple(both),
        receivers=tuple(both),
        bytes=sum(link.bytes for link in ways),
    )


contract.EndpointEnd.register(EndpointEnd)


class _Here:
    """This process's endpoints, and when each took its name: the greater number is the later one.

    A forked child is another process: the names are its parent's.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.turn = itertools.count()
        self.turns: weakref.WeakKeyDictionary[EndpointEnd, int] = weakref.WeakKeyDictionary()

    def forked(self) -> None:
        for endpoint in self.turns:
            endpoint.useless = True
            endpoint.inherited()
            endpoint._lock = threading.RLock()  # pyright: ignore[reportPrivateUsage]
        self.__init__()


_here = _Here()
os.register_at_fork(after_in_child=_here.forked)
