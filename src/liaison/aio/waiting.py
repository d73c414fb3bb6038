"""Waiting for several links at once, in a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from liaison.aio.line import checkpoint, readable
from liaison.deadline import nanoseconds
from liaison.links.wait import Watch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from liaison.links.wait import Waited

__all__ = ["wait"]


async def wait(links: Iterable[Waited], *, timeout: float | None = None) -> list[Waited]:
    """Wait until something can be received from any of `links`; return those, or [] after timeout.

    This is `liaison.wait`, awaited; links of `liaison` and of `liaison.aio` may be mixed. Raises
    what `liaison.wait` raises.

    >>> import anyio
    >>> from liaison import aio
    >>> async def main():
    ...     async with aio.Mailbox("tea") as tea, aio.Mailbox("coffee") as coffee:
    ...         await tea.send("green")
    ...         print(await aio.wait([coffee, tea]) == [tea])
    ...         tea.destroy()
    ...         coffee.destroy()
    >>> anyio.run(main)
    True
    """
    if hasattr(links, "fileno"):
        raise TypeError(f"links is one link; write a list of links: [{links!r}]")
    given = list(links)
    every = [getattr(link, "_end", link) for link in given]
    if not every and timeout is None:
        raise ValueError("there is nothing to wait for: links is empty, and timeout=None")
    nanoseconds(timeout)  # raises, if it is not valid
    by_end = {id(end): link for end, link in zip(every, given, strict=True)}
    await checkpoint()
    found: list[Any] = []
    with Watch.of(every) as watch:
        found = watch.look(every, 0)
        if not found and timeout != 0:
            with anyio.move_on_after(timeout):
                while not found:
                    await readable(watch.fileno())
                    found = watch.look(every, 0)
    return [by_end[id(end)] for end in found]
