"""Waiting for a condition that nobody announces, with a watchdog."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PATIENCE", "Watchdog", "until"]

PATIENCE = 60.0
"""Seconds until a watchdog gives up: far more than anything should take, even on a busy machine."""

_Result = TypeVar("_Result")


class Watchdog(AssertionError):
    """What a test waited for did not happen; a failure of the test, not an error in it.

    >>> issubclass(Watchdog, AssertionError)
    True
    """


def until(
    condition: Callable[[], _Result], what: str = "", *, patience: float = PATIENCE
) -> _Result:
    """Wait until `condition()` is true, and return what it gave.

    It is asked again and again, with pauses that grow from 0.1 to 10 milliseconds. `what` says in
    the error what was waited for. Raises `Watchdog` after `patience` seconds, and whatever
    `condition` raises.

    >>> numbers = iter(range(10))
    >>> until(lambda: next(numbers) == 3, "the third number")
    True
    """
    end = monotonic() + patience
    pause = 0.0001
    while not (result := condition()):
        if monotonic() > end:
            raise Watchdog(f"{what or 'what the test waits for'} did not happen in {patience} s")
        sleep(pause)
        pause = min(pause * 2, 0.01)
    return result
