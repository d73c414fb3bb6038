"""What has an end that is given up: a context manager that closes it."""

from __future__ import annotations

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Self

__all__ = ["Closing"]


class Closing:
    """Closed at the end of its block.

    >>> class Door(Closing):
    ...     def close(self):
    ...         print("closed")
    >>> with Door():
    ...     print("open")
    open
    closed
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def close(self) -> None:
            """Give it up; idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
