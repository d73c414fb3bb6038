"""The same computation in one process, to check the result."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from liaison.demo.figures import Figures, Unreadable, figures_of
from liaison.demo.survey import Source, load, reason

__all__ = ["compute_alone"]


def compute_alone(
    sources: list[Source], tick: Callable[[int], None]
) -> tuple[dict[int, Figures | Unreadable], float]:
    """Compute the figures of all files; return them and the seconds it took.

    Calls `tick` after each file, with the number of files done.
    """
    figures: dict[int, Figures | Unreadable] = {}
    start = perf_counter()
    for source in sources:
        try:
            figures[source.id] = figures_of(load(source.path, source.size), source.python)
        except OSError as error:
            figures[source.id] = Unreadable(reason(error))
        tick(len(figures))
    return figures, perf_counter() - start
