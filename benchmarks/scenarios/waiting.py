"""Waiting: the cost of a message for a waiter on 100 mailboxes; how soon a task is woken."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from ..options import Options
from ..peers import OURS, Peer, Unsupported
from ..team import Team
from ..worker import Job, die_with
from .contract import Metric, Scenario, Trial

MANY = 100
MESSAGES = 20_000
WAKE_UPS = 1_000
_PAUSE = 200e-6  # seconds, after which the task's loop is asleep


def _per_message(boxes: list[Any]) -> float:
    """Microseconds to send a message to one of the mailboxes, wait for all, and receive it."""
    import liaison

    began = time.perf_counter_ns()
    for n in range(MESSAGES):
        boxes[n * 37 % len(boxes)].send(b"64 bytes, or as good as that")
        liaison.wait(boxes)[0].receive()
    return (time.perf_counter_ns() - began) / MESSAGES / 1e3


def _sends(asked: int, send: Callable[[int], object]) -> int:
    """A child that sends the time on request, once the requesting process sleeps."""
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            die_with(parent)
            for _ in range(WAKE_UPS):
                os.eventfd_read(asked)
                time.sleep(_PAUSE)
                send(time.monotonic_ns())
        finally:
            os._exit(0)
    return child


async def _bare(asked: int, news: int) -> list[int]:
    loop = asyncio.get_running_loop()
    waits = loop.create_future()

    def readable() -> None:
        waits.set_result(os.eventfd_read(news))

    loop.add_reader(news, readable)
    late: list[int] = []
    for _ in range(WAKE_UPS):
        os.eventfd_write(asked, 1)
        sent = await waits
        late.append(time.monotonic_ns() - sent)
        waits = loop.create_future()
    loop.remove_reader(news)
    return late


async def _mailbox(asked: int, box: Any) -> list[int]:
    late: list[int] = []
    for _ in range(WAKE_UPS):
        os.eventfd_write(asked, 1)
        sent = int.from_bytes(await box.receive(), "little")
        late.append(time.monotonic_ns() - sent)
    return late


def _median(late: list[int]) -> float:
    return sorted(late)[len(late) // 2] / 1e3


def _waits() -> Job:
    import liaison
    from liaison import aio

    boxes = [liaison.Mailbox(f"waiting-{os.getpid()}-{n}", capacity=4) for n in range(MANY)]
    task = aio.Mailbox(f"waiting-{os.getpid()}-task", capacity=4)
    asked, news = os.eventfd(0), os.eventfd(0)

    def woken(send: Callable[[int], object], wait: Callable[[], Any]) -> float:
        child = _sends(asked, send)
        try:
            return _median(asyncio.run(wait()))
        finally:
            os.waitpid(child, 0)

    def step(_: Any) -> dict[str, float]:
        return {
            "one": _per_message(boxes[:1]),
            "hundred": _per_message(boxes),
            "eventfd": woken(lambda now: os.eventfd_write(news, now), lambda: _bare(asked, news)),
            "asyncio": woken(
                lambda now: task.try_send(now.to_bytes(8, "little")),
                lambda: _mailbox(asked, task),
            ),
        }

    def close() -> None:
        for box in (*boxes, task):
            box.destroy()
            box.close()
        os.close(asked)
        os.close(news)

    return Job(step, close)


class _WaitingTrial(Trial):
    def __init__(self, options: Options) -> None:
        with ExitStack() as undo:
            self._team = Team([(_waits, ())], pin=options.pin)
            undo.callback(self._team.close)
            self._open = undo.pop_all()

    def round(self) -> dict[str, float]:
        (figures,) = self._team.round(None, within=60)
        return figures

    def close(self) -> None:
        self._open.close()


class Waiting(Scenario):
    def __init__(self) -> None:
        super().__init__(
            "waiting",
            f"Waiting for 1 and for {MANY} mailboxes; a task woken by an eventfd and by a mailbox",
            Metric("one", "us"),
            Metric("hundred", "us"),
            Metric("eventfd", "us"),
            Metric("asyncio", "us"),
        )

    def prepare(self, peer: Peer, options: Options) -> Trial:
        if peer.name != OURS:
            raise Unsupported("waits for one at a time")
        return _WaitingTrial(options)
