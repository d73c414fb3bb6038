"""What an operation of several steps waits for between them.

Such an operation is written once, as a generator that yields what it waits for. Whoever drives it
waits in a way of their own: `liaison.links.driving` blocks, `liaison.aio.driving` awaits. When the
time is over, `TimeoutError` is raised at the wait; when the operation is given up, what ended it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, TypeVar

    _Result = TypeVar("_Result")
    Steps = Generator["Aside | Pause | Readable | Writable", Any, _Result]

__all__ = ["Aside", "Pause", "Readable", "Writable"]


class _Awaited:
    __slots__ = ("descriptor",)

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor


class Readable(_Awaited):
    """Until a descriptor is readable, or is just being closed."""

    __slots__ = ()


class Writable(_Awaited):
    """Until what is sent by a descriptor finds room, or it is just being closed."""

    __slots__ = ()


class Pause:
    """For so many seconds."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Aside:
    """Until a function has returned, which cannot but block; the step is given what it returned."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function
