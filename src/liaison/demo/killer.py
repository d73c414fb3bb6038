"""The death of a worker, at a moment at which it holds a message under lease."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from liaison.demo.messages import News, Taken

if TYPE_CHECKING:
    from liaison.demo.collector import Collector
    from liaison.demo.mailboxes import MailboxCrew

__all__ = ["Murder"]


class Murder:
    """Half-way, kills a worker of `crew` that holds a file under lease.

    - ``victim``, ``file``: process id of the worker, and id of the file; None until it is done.
    - ``successor``: process id of the worker that was started in its place.
    - ``heir``, ``attempt``, ``seconds``: who got the file next, at which attempt, and how long
      after the kill.
    """

    def __init__(self, crew: MailboxCrew) -> None:
        """Make ready."""
        self._crew = crew
        self._moment = 0.0
        self.victim: int | None = None
        self.file: int | None = None
        self.successor: int | None = None
        self.heir: int | None = None
        self.attempt: int | None = None
        self.seconds: float | None = None

    def witness(self, news: News, collector: Collector) -> None:
        """Look at a message, and strike when it is the one."""
        if not isinstance(news, Taken):
            return
        if self.victim is None:
            if len(collector.figures) >= collector.expected // 2:
                self._strike(news.pid, collector)
        elif news.id == self.file and news.attempt > 1 and self.heir is None:
            self.heir, self.attempt = news.pid, news.attempt
            self.seconds = perf_counter() - self._moment

    def _strike(self, pid: int, collector: Collector) -> None:
        if pid not in self._crew.workers:
            return
        # What the worker has sent is here before it was stopped: when its last word is that it
        # took a file, the file is under lease, and stays so while it stands.
        self._crew.stop(pid)
        while (news := self._crew.results.try_receive()) is not None:
            collector.take(news)
        file = collector.holding.get(pid)
        if file is None:
            self._crew.resume(pid)
            return
        self._moment = perf_counter()
        self._crew.kill(pid)
        collector.holding.pop(pid)
        self.victim, self.file = pid, file
