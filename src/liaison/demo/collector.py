"""Counting results correctly although a worker dies."""

from __future__ import annotations

from collections import Counter

from liaison.demo.figures import Figures, Unreadable
from liaison.demo.messages import Done, News, Ready, Sent, Taken

__all__ = ["Collector"]


class Collector:
    """Counts one result for each file; a second one with an attempt above 1 is dropped.

    - ``figures``: of each file, by its id.
    - ``holding``: which file each worker has leased, by the worker's process id.
    - ``shares``: how many files each worker has done.
    - ``sent``: files that the reader has sent to the workers; None until it has sent all.
    - ``taken``: deliveries to workers; ``received``: results from them.
    - ``redelivered``: deliveries to another worker after the first one had died.
    - ``dropped``: second results with an attempt above 1, which are not counted.
    - ``doubled``: second results with attempt 1. There must be none.
    """

    def __init__(self, expected: int) -> None:
        """Wait for the results of `expected` files."""
        self.expected = expected
        self.figures: dict[int, Figures | Unreadable | None] = {}
        self.holding: dict[int, int] = {}
        self.shares: Counter[int] = Counter()
        self.sent: int | None = None
        self.taken = 0
        self.received = 0
        self.redelivered = 0
        self.dropped = 0
        self.doubled = 0

    @property
    def complete(self) -> bool:
        """Whether there is a result for every file."""
        return len(self.figures) >= self.expected

    @property
    def lost(self) -> int:
        """Files without a result."""
        return self.expected - len(self.figures)

    def take(self, news: News) -> None:
        """Count a message."""
        match news:
            case Ready():
                pass
            case Sent():
                self.sent = news.jobs
            case Taken():
                self.taken += 1
                self.holding[news.pid] = news.id
                self.redelivered += news.attempt > 1
            case Done():
                self._count(news)

    def _count(self, done: Done) -> None:
        self.received += not isinstance(done.figures, Unreadable)
        if self.holding.pop(done.pid, None) is not None:
            self.shares[done.pid] += 1
        if done.id not in self.figures:
            self.figures[done.id] = done.figures
        elif done.attempt > 1:
            self.dropped += 1
        else:
            self.doubled += 1
