"""What the collector knows: counting that a death on the way cannot upset."""

from __future__ import annotations

from collections import Counter

from liaison.demo.figures import Figures, Unreadable
from liaison.demo.messages import Done, News, Ready, Sent, Taken

__all__ = ["Collector"]


class Collector:
    """Counts results by file: a second one of the same file is dropped, if it is flagged as such.

    - ``figures``: of each file, by its id.
    - ``holding``: which file each worker has at the moment, by the worker's process id.
    - ``shares``: how many files each worker has done.
    - ``sent``: files that the reader sent to the workers; None while it goes on.
    - ``taken``: deliveries to workers; ``received``: what they computed.
    - ``redelivered``: deliveries to another worker after the one before had died.
    - ``dropped``: second results, flagged, and so not counted.
    - ``doubled``: second results without a flag. There must be none.
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
        """Note a message."""
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
