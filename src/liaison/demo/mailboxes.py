"""The team that liaison connects: unrelated processes that know the names of mailboxes."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import liaison
from liaison.demo.lifeline import undisturbed
from liaison.demo.messages import Job, News, Order
from liaison.demo.team import Team, TeamFailed

if TYPE_CHECKING:
    from liaison.demo.collector import Collector

__all__ = ["MailboxTeam"]

_PREFIX = "liaison-demo."  # of the names of its mailboxes
_CAPACITY = 64  # files on their way
_LEAST_MEMORY = 4 << 20  # bytes
_ENVELOPE = 4096  # bytes around a file's contents; far more than needed
_PATIENCE = 10.0  # seconds for idle processes to end by themselves
_MOST_REPLACED = 20


class MailboxTeam(Team[liaison.Mailbox]):
    """Processes connected by three mailboxes, with names that no other demonstration has."""

    def __init__(self, size: int, largest: int) -> None:
        """Prepare for `size` workers, and files of at most `largest` bytes."""
        self._size = size
        # Two of the largest, so that one can be written while a worker has the other. All of it is
        # reserved now: a machine that has less fails before anything starts.
        self._memory = max(_LEAST_MEMORY, 2 * (largest + _ENVELOPE))
        self._run = f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        self._space = liaison.Space()
        self._boxes: list[liaison.Mailbox] = []
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (closed at the end of the team)
        self._replaced = 0

    def _start(self) -> None:
        _remove_remains(self._space)
        self.orders = self._create("orders", type=Order)
        self.files = self._create("files", type=Job, capacity=_CAPACITY, memory=self._memory)
        self.results = self._create("results", type=News)
        addresses = [box.address for box in self._boxes]
        self.reader = self._spawn("reader", *addresses)
        self.workers = [self._spawn_worker() for _ in range(self._size)]

    def _create(self, what: str, **policy: Any) -> liaison.Mailbox:
        box = liaison.Mailbox.create(self._space.address(f"{self._run}.{what}"), **policy)
        self._boxes.append(box)
        return box

    def _spawn_worker(self) -> int:
        return self._spawn("worker", self.files.address, self.results.address)

    def _spawn(self, role: str, *addresses: str) -> int:
        process = subprocess.Popen(
            [sys.executable, "-m", f"liaison.demo.{role}", *addresses, f"--parent={os.getpid()}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._complaints,
        )
        self._processes[process.pid] = process
        return process.pid

    def look_after(self) -> list[tuple[int, int]]:
        """Replace workers that were killed."""
        replaced: list[tuple[int, int]] = []
        for pid, process in list(self._processes.items()):
            code = process.poll()
            if code is None:
                continue
            self._replaced += 1
            if code >= 0 or pid == self.reader or self._replaced > _MOST_REPLACED:
                raise TeamFailed(self._complaint(pid, code))
            with undisturbed():
                del self._processes[pid]
                successor = self._spawn_worker()
            self.workers[self.workers.index(pid)] = successor
            replaced.append((pid, successor))
        return replaced

    def _complaint(self, pid: int, code: int) -> str:
        role = "the reader" if pid == self.reader else "a worker"
        self._complaints.seek(0)
        said = self._complaints.read().decode("utf-8", "replace").strip()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
        return f"{role} (pid {pid}) {how}" + (f":\n{said}" if said else "")

    def settled(self, collector: Collector) -> bool:
        """Whether every file is acknowledged; its result was sent before."""
        # The other counts are read one after the other, so a file could move between them.
        return self.files.statistics().free == _CAPACITY

    def stop(self, pid: int) -> None:
        """Stop a worker, and return once it has stopped."""
        os.kill(pid, signal.SIGSTOP)
        # If it has ended meanwhile, WNOWAIT leaves its exit status to `look_after`.
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self, pid: int) -> None:
        """Continue a stopped worker."""
        os.kill(pid, signal.SIGCONT)

    def kill(self, pid: int) -> None:
        """Kill a worker with SIGKILL, and return once it is dead."""
        self._processes[pid].kill()
        self._processes[pid].wait()

    def _end(self, completed: bool) -> None:
        for box in self._boxes:
            box.destroy()
            box.close()
        self._boxes.clear()
        for process in self._processes.values():
            if not completed:
                process.kill()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()
        self._complaints.close()


def _remove_remains(space: liaison.Space) -> None:
    """Remove what demonstrations that were killed left behind."""
    for name in space.names():
        if name.startswith(_PREFIX):
            # Without force, so that mailboxes of living demonstrations stay.
            with (
                suppress(liaison.LiaisonError),
                liaison.Mailbox.observe(space.address(name)) as box,
            ):
                box.destroy()
    space.clean()
