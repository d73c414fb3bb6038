"""Killing a worker while it has a message under lease."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from liaison.demo.messages import News, Taken

if TYPE_CHECKING:
    from liaison.demo.collector import Collector
    from liaison.demo.mailboxes import MailboxTeam

__all__ = ["Killer"]


class Killer:
    """Kills a worker of `team`, half-way through the work, while it has a file under lease.

    - ``victim``, ``file``: process id of the worker and id of the file; None before the kill.
    - ``successor``: process id of the worker that replaced the victim.
    - ``heir``, ``attempt``, ``seconds``: process id of the next worker that got the file, the
      attempt, and the seconds since the kill.
    """

    def __init__(self, team: MailboxTeam) -> None:
        """Prepare; nothing is killed yet."""
        self._team = team
        self._moment = 0.0
        self.victim: int | None = None
        self.file: int | None = None
        self.successor: int | None = None
        self.heir: int | None = None
        self.attempt: int | None = None
        self.seconds: float | None = None

    def witness(self, news: News, collector: Collector) -> None:
        """Look at a message to the collector, and kill its worker when it is time."""
        if not isinstance(news, Taken):
            return
        if self.victim is None:
            if len(collector.figures) >= collector.expected // 2:
                self._strike(news.pid, collector)
        elif news.id == self.file and news.attempt > 1 and self.heir is None:
            self.heir, self.attempt = news.pid, news.attempt
            self.seconds = perf_counter() - self._moment

    def _strike(self, pid: int, collector: Collector) -> None:
        if pid not in self._team.workers:
            return
        # All that the worker has sent arrived before it stopped: if its last message says that it
        # took a file, the file is under lease, and stays so while the worker is stopped.
        self._team.stop(pid)
        while (news := self._team.results.try_receive()) is not None:
            collector.take(news)
        file = collector.holding.get(pid)
        if file is None:
            self._team.resume(pid)
            return
        self._moment = perf_counter()
        self._team.kill(pid)
        collector.holding.pop(pid)
        self.victim, self.file = pid, file
