"""What a party holds, and waits with."""

from __future__ import annotations

import os
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING

from liaison.testing.memory.party import Killed, player

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from liaison.deadline import Deadline
    from liaison.testing.memory.box import Item, Waiter
    from liaison.testing.memory.party import Party

__all__ = ["Bell", "Belonging"]

# Seconds: a signal that comes right before CPython's lock sleeps is handled when that wakes, so
# none sleeps for ever.
_SLICE = 1.0


class Bell:
    """A descriptor that is readable while it rings."""

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._rings = False
        weakref.finalize(self, os.close, self.descriptor)

    def ring(self, ringing: bool) -> None:
        """Be readable, or not."""
        if ringing and not self._rings:
            os.eventfd_write(self.descriptor, 1)
        elif self._rings and not ringing:
            os.eventfd_read(self.descriptor)
        self._rings = ringing


class Belonging:
    """Something of a party's."""

    party: Party
    box: Any
    over = True
    _bell: Bell | None = None

    def present(self) -> None:
        """Raise the error when this thread cannot be the party."""
        if os.getpid() != self.party.world.process:
            raise RuntimeError("memory:// is the memory of one process, and this is its child")
        if not self.party.alive:
            raise Killed

    @contextmanager
    def locked(self) -> Generator[Any]:
        """Have the lock; gives the box."""
        with self.party.world.changed:
            yield self.box

    def until(self, condition: Callable[[], object], deadline: Deadline) -> bool:
        """Wait, with the lock held, until `condition()`; whether it came in time."""
        while not condition():
            left = deadline.remaining()
            if left == 0:
                return False
            self.party.world.changed.wait(_SLICE if left is None else min(left, _SLICE))
            self.present()
        return True

    def await_item(
        self, waiter: Waiter, line: list[Any], allowed: Callable[[], None], deadline: Deadline
    ) -> Item | None:
        """Wait in line, with the lock held, until the box gives an item; None: too late."""
        line.append(waiter)
        self.box.arrange()

        def came() -> bool:
            if waiter.item is None:
                allowed()
            return waiter.item is not None

        try:
            self.until(came, deadline)
            item, waiter.item = waiter.item, None
            return item
        finally:
            if waiter in line:
                line.remove(waiter)
            if waiter.item is not None and self.party.alive:  # interrupted
                assert waiter.item.holder is not None
                waiter.item.holder.box.give_back(waiter.item)
            self.box.arrange()

    def descriptor(self) -> int:
        """One that is readable exactly while a receive would not have to wait."""
        if self._bell is None:
            self._bell = Bell()
        self.ring()
        return self._bell.descriptor

    def ring(self) -> None:
        """Something has changed: make the descriptor what it should be."""
        if self._bell is not None:
            self._bell.ring(self.ready())

    def is_(self, other: Belonging) -> bool:
        """Whether that is this very one."""
        return self is other

    def ready(self) -> bool:
        """Whether a receive would not have to wait."""
        return self.over or self.has_something()

    def has_something(self) -> bool:
        """Whether there is something to receive, or to be told instead."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        """Whether it was given up, or is another party's than the one that asks."""
        return self.over or player(self.party.world) is not self.party
