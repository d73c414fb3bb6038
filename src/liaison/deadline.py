"""How long an operation may still wait.

Everywhere in liaison a timeout is in seconds: ``None`` waits for ever, ``0`` does not wait. What is
given once for a whole operation becomes a `Deadline`, because an operation of several steps must
not start the clock anew with each of them.
"""

from __future__ import annotations

import math
import sys
from time import monotonic

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Deadline", "nanoseconds"]

_LONGEST = 2**63 - 1  # nanoseconds, 292 years: what a signed 64-bit integer holds
_PER_SECOND = 1_000_000_000
_CENTURY = 36525 * 86400 * _PER_SECOND  # nanoseconds; Python's own waits overflow not far beyond


def nanoseconds(timeout: float | None) -> int:
    """Convert a timeout in seconds to nanoseconds; -1 means to wait for ever, 0 not to wait.

    ``None`` and infinity wait for ever. A positive timeout never becomes 0, however short, and
    never more than 2**63 - 1 (292 years), however long.

    Raises `ValueError` for a negative timeout and NaN, `TypeError` for what is not a real number
    (bool included, which is a slip more often than a second).

    >>> nanoseconds(0.25), nanoseconds(0), nanoseconds(None)
    (250000000, 0, -1)
    """
    if timeout is None:
        return -1
    if type(timeout) is not float and type(timeout) is not int:
        timeout = _real(timeout)
    if timeout == 0:
        return 0
    if not timeout > 0:  # and not "timeout < 0", which NaN would pass
        raise ValueError(f"a timeout is 0 or more seconds, or None to wait for ever: not {timeout}")
    if timeout == math.inf:
        return -1
    count = timeout * _PER_SECOND
    return _LONGEST if count >= _LONGEST else int(count) or 1


def _real(timeout: Any) -> float:
    numbers = sys.modules.get("numbers")  # who made a class of numbers has imported it
    if type(timeout) is not bool:
        if isinstance(timeout, numbers.Integral if numbers else int):
            return int(timeout)
        if isinstance(timeout, numbers.Real if numbers else float):
            return float(timeout)
    hint = ": use its total_seconds()" if hasattr(timeout, "total_seconds") else ""
    raise TypeError(
        f"a timeout is a number of seconds, or None to wait for ever: "
        f"not {type(timeout).__name__}{hint}"
    )


class Deadline:
    """The moment at which a timeout passes, by the clock that no one can set (`time.monotonic`).

    It starts when it is made; one of a century or more never comes.
    Raises what `nanoseconds` raises.

    >>> Deadline(0).expired
    True
    >>> Deadline(60).remaining() <= 60
    True
    >>> Deadline(None).remaining() is None
    True
    """

    __slots__ = ("_end",)

    def __init__(self, timeout: float | None) -> None:
        """Start the clock: `timeout` is in seconds, None waits for ever."""
        count = nanoseconds(timeout)
        never = not 0 <= count < _CENTURY
        self._end = None if never else monotonic() + count / _PER_SECOND

    def remaining(self) -> float | None:
        """Return the seconds left, never below 0; None when there is no end.

        It is itself a timeout, ready to be handed on.

        >>> Deadline(0).remaining()
        0.0
        """
        return None if self._end is None else max(0.0, self._end - monotonic())

    @property
    def expired(self) -> bool:
        """Whether no time is left.

        >>> Deadline(None).expired
        False
        """
        return self._end is not None and self._end <= monotonic()

    def __repr__(self) -> str:
        """Return the time left, for people."""
        left = self.remaining()
        return "<Deadline: never>" if left is None else f"<Deadline: {left:.3f} s left>"
