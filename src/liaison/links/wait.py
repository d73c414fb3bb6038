"""Waiting for several links at once, of any kinds.

A carrier that can wait for several of its links, as shared memory can for mailboxes of one space,
waits for them without descriptors: see `_memory`. All other links are waited for by epoll.

Each list of links has one epoll set, which is kept from one call to the next, so a call makes as
many system calls for 1,000 links as for one. These rules keep a set valid:

- It has weak references to its links. When the first of them is deleted, the set is discarded,
  before another object can have the same identity.
- A closed descriptor leaves the set only if no forked child has a copy of it. So the set is made
  anew when one of its links is closed (`closed` reports that, and wakes waiters), and when the
  `fileno()` of an object that is not a link has changed.
- A forked child shares its parent's sets; it forgets them, and makes its own. So does a process
  that has closed all its descriptors, as daemons do: see `Poll`.
- One thread at a time uses a set: it is taken out of the cache, and put back afterwards.
"""

from __future__ import annotations

import errno
import os
import threading
import weakref

from liaison._native.carrier import CarrierEnd, closed
from liaison._native.link import end_of
from liaison._native.poll import ENDED, READABLE, Poll
from liaison.carriers.contract import End
from liaison.deadline import Deadline
from liaison.errors import Closed, Corrupt, Destroyed

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Protocol, TypeVar

    from liaison.carriers.contract import Several

    class HasDescriptor(Protocol):
        """An object that can be waited for."""

        def fileno(self) -> int:
            """Return a descriptor that is readable when there may be something to receive."""
            ...

    Waited = TypeVar("Waited", bound=HasDescriptor)


__all__ = ["Watch", "wait"]

_KEPT = 8  # sets: each costs two descriptors
_GONE = (Closed, Destroyed, Corrupt)  # errors that a receive would raise at once


def wait(links: Iterable[Waited], *, timeout: float | None = None) -> list[Waited]:
    """Wait until something can be received from any of `links`; return those, or [] after timeout.

    You can mix links of all kinds and other objects that have a ``fileno()``. A link is returned
    when it has a message (another receiver may take it first: use `try_receive`), another object
    when it is readable. A link that was closed or destroyed is returned at once: receiving from it
    raises.

    Each call begins the list with another link, so a program that serves only the first one serves
    all in turn.

    ``timeout`` is in seconds; None waits for ever, 0 does not wait. Raises `ValueError` for an
    empty list without a timeout, and `AccessDenied` for an observer. Mailboxes of one space need no
    descriptors. Mixed with other objects or spaces, each takes three: `OSError` when they run out.

    >>> import liaison
    >>> with liaison.Mailbox("tea") as tea, liaison.Mailbox("coffee") as coffee:
    ...     tea.send("green")
    ...     print(liaison.wait([coffee, tea]) == [tea], tea.receive())
    ...     print(liaison.wait([coffee, tea], timeout=0.01))
    ...     tea.destroy()
    ...     coffee.destroy()
    True green
    []
    """
    if hasattr(links, "fileno"):  # iterating over a link would receive from it, for ever
        raise TypeError(f"links is one link; write a list of links: [{links!r}]")
    every = list(links)
    deadline = None if timeout is None else Deadline(timeout)
    for several in _memory:
        if several.knows(every):
            found = several.wait(every, timeout)
            if found is not None:
                return found
    if not every and timeout is None:
        raise ValueError("there is nothing to wait for: links is empty, and timeout=None")
    while (several := _together(every)) is not None:
        _keep(several, every)
        found = several.wait(every, deadline and deadline.remaining())
        if found is not None:
            return found
        if several.exhausted:
            _give_up(several)
            break
    with Watch.of(every) as watch:
        while True:
            left = deadline and deadline.remaining()
            found = watch.look(every, left)
            if found or left == 0:
                return found


def _together(links: list[Any]) -> Several | None:
    """Their carrier's set for these links, if they have one carrier that can wait for several."""
    end = end_of(links[0]) if links else None
    return end.several(links) if isinstance(end, End) else None


# The carriers' sets, oldest first. A set stays here while a thread waits with it.
_memory: list[Several] = []


def _keep(several: Several, links: Sequence[Any]) -> None:
    """Keep the set until one of its links is deleted or closed, or too many others were used."""
    this = weakref.ref(several)

    def died(_: object) -> None:
        known = this()
        if known is not None:
            _give_up(known)

    several.references = [weakref.ref(link, died) for link in links]
    with _lock:
        _memory.append(several)
        while len(_memory) > _KEPT:
            _memory.pop(0).close()


def _give_up(several: Several) -> None:
    with _lock:
        if several in _memory:
            _memory.remove(several)
    several.close()


class Watch:
    """An epoll set for a list of links; a context manager that puts it back into the cache."""

    __slots__ = (
        *("__weakref__", "_always", "_by_descriptor", "_foreign", "_key", "_members"),
        *("_next", "_references", "_set", "_stale"),
    )

    @classmethod
    def of(cls, links: Sequence[Any]) -> Watch:
        """The set for these links: one that was kept, or a new one."""
        key = tuple(map(id, links))
        watch = _kept.pop(key, None)
        if watch is None:
            watch = cls(key, links)
        _used.add(watch)
        return watch

    def __init__(self, key: tuple[int, ...], links: Sequence[Any]) -> None:
        self._key = key
        self._members = frozenset(id(end_of(link)) for link in links)
        self._next = 0
        self._references: list[weakref.ref[Any]] | None = []
        self._set: Poll | None = None
        self._stale = True
        this = weakref.ref(self)

        def died(_: object) -> None:
            watch = this()
            if watch is not None:
                watch._references = None
                if _kept.pop(watch._key, None) is watch:
                    watch._dispose()

        for link in links:
            try:
                self._references.append(weakref.ref(link, died))
            except TypeError:  # it allows no weak reference: the set is not kept
                self._references = None
                break

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _used.discard(self)
            if self._references is None or self._stale or self._key in _kept:
                self._dispose()
                return
            _kept[self._key] = self
            while len(_kept) > _KEPT:
                _kept.pop(next(iter(_kept)))._dispose()

    def fileno(self) -> int:
        """Return a descriptor that is readable when `look` may find something."""
        assert self._set is not None
        return self._set.fileno()

    def look(self, links: Sequence[Any], timeout: float | None) -> list[Any]:
        """Find the links that can be received from; sleep once, for at most `timeout` seconds.

        The list may be empty before the time has passed.
        """
        if self._stale or self._set is None or not self._set.stands() or self._changed(links):
            self._build(links)
        ready = set(self._always)
        for index, _ in self._foreign:
            if (asks := _asks(links[index])) is not None and asks():
                ready.add(index)  # the link has a message that its descriptor does not show
        assert self._set is not None
        for descriptor in self._set.poll(0 if ready else timeout, len(links)):
            for index in self._by_descriptor.get(descriptor, ()):
                asks = _asks(links[index])
                if asks is None or asks():
                    ready.add(index)
        if not ready:
            return []
        every = len(links)
        first = self._next
        order = sorted(ready, key=lambda index: (index - first) % every)
        self._next = order[0] + 1
        return [links[index] for index in order]

    def _changed(self, links: Sequence[Any]) -> bool:
        return any(_descriptor(links[index]) != known for index, known in self._foreign)

    def _build(self, links: Sequence[Any]) -> None:
        self._dispose()
        with _lock:
            self._set = Poll()
            self._stale = False  # from now on, closing a link rings the doorbell
        self._always: list[int] = []
        self._foreign: list[tuple[int, int]] = []
        self._by_descriptor: dict[int, list[int]] = {}
        known: set[int] = set()
        try:
            for index, link in enumerate(links):
                if id(link) in known:
                    continue
                known.add(id(link))
                descriptor = _descriptor(link)
                if not isinstance(end_of(link), End):
                    self._foreign.append((index, descriptor))
                if descriptor < 0:
                    self._always.append(index)
                    continue
                beside = self._by_descriptor.setdefault(descriptor, [])
                beside.append(index)
                if len(beside) == 1 and not self._register(descriptor):
                    self._always.append(index)
        except BaseException:
            self._stale = True
            raise

    def _register(self, descriptor: int) -> bool:
        assert self._set is not None
        try:
            self._set.register(descriptor, READABLE | ENDED)
        except PermissionError:
            return False  # a regular file: always readable
        except OSError as error:
            if error.errno == errno.EBADF:
                return False  # closed at this moment, by another thread
            raise
        return True

    def _dispose(self) -> None:
        with _lock:
            if self._set is not None:
                self._set.close()
                self._set = None
            self._stale = True

    def _disturb(self) -> None:
        """Make the set stale, since one of its links was closed; the caller holds the lock."""
        self._stale = True
        if self._set is not None:
            self._set.ring()


def _asks(link: Any) -> Callable[[], bool] | None:
    """The function that tells whether a link has something to receive; None for other objects."""
    end = end_of(link)
    if isinstance(end, CarrierEnd):
        return end.ready  # type: ignore[attr-defined]
    return None


def _descriptor(link: Any) -> int:
    """The link's descriptor; -1 when it is closed or destroyed."""
    try:
        return link.fileno()
    except _GONE:
        return -1
    except ValueError:
        if getattr(link, "closed", False):  # as a closed file does
            return -1
        raise


# Reentrant: garbage collection can delete a link, and so discard its sets, at any point.
_lock = threading.RLock()
_kept: dict[tuple[int, ...], Watch] = {}  # oldest first
_used: set[Watch] = set()


def _closed(link: object) -> None:
    for several in [several for several in _memory if several.has(link)]:
        _give_up(several)
    if not _kept and not _used:
        return
    with _lock:
        number = id(link)
        for watch in [*_kept.values(), *_used]:
            if number in watch._members:  # pyright: ignore[reportPrivateUsage]
                watch._disturb()  # pyright: ignore[reportPrivateUsage]


def _forked() -> None:
    """Close a forked child's copies of the sets, which does not change the parent's sets."""
    global _lock  # noqa: PLW0603 - a thread of the parent may have held the old one
    _lock = threading.RLock()
    for watch in [*_kept.values(), *_used]:
        watch._dispose()  # pyright: ignore[reportPrivateUsage]
    _kept.clear()
    _used.clear()
    for several in _memory:
        several.abandon()
    _memory.clear()


closed.append(_closed)
os.register_at_fork(after_in_child=_forked)
