"""One way: the rate from senders to receivers, message by message, batched, in place."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import repeat
from typing import Any, Literal

from ..options import Options
from ..peers import End, Link, Peer, Unsupported
from ..team import await_start
from ..worker import Job
from .contract import Metric, Scenario, Trial
from .counted import CountedTrial

Manner = Literal["single", "batched", "in place"]

BATCH = 256

# Messages on the way take at most about this much memory, however large they are: a queue that
# fits in a cache. A longer one would measure the bandwidth of the main memory, which each message
# would pass three times.
_ON_THE_WAY = 8 << 20


def size_name(size: int) -> str:
    if size < 1024:
        return f"{size} B"
    return f"{size >> 10} KiB" if size < 1 << 20 else f"{size >> 20} MiB"


def depth_for(size: int) -> int:
    """How many messages a link should hold: a mailbox's default, less for large ones."""
    return max(4, min(1024, _ON_THE_WAY // size))


def payload(size: int) -> bytes:
    """Bytes in pages of their own: `bytes(size)` is the kernel's one page of zeros, mapped many
    times, and copying from it would be faster than any memory."""
    return b"\x5a" * size


def _sending(end: End, size: int, manner: Manner) -> Callable[[int], None]:
    message = payload(size)

    def single(count: int) -> None:
        send = end.send
        for _ in repeat(None, count):
            send(message)

    def batched(count: int) -> None:
        send_many = end.send_many
        assert send_many is not None
        batch = [message] * BATCH
        for _ in repeat(None, count // BATCH):
            send_many(batch)
        if count % BATCH:
            send_many(batch[: count % BATCH])

    def in_place(count: int) -> None:
        loan = end.loan
        assert loan is not None
        for _ in repeat(None, count):
            loan(size)

    return {"single": single, "batched": batched, "in place": in_place}[manner]


def _receiving(end: End, manner: Manner) -> Callable[[int], Any]:
    """A function that receives so many messages and returns the last, if it has a copy of it."""

    def single(count: int) -> Any:
        receive, message = end.receive, None
        for _ in repeat(None, count):
            message = receive()
        return message

    def batched(count: int) -> Any:
        receive_many, messages = end.receive_many, [None]
        assert receive_many is not None
        while count > 0:
            messages = receive_many(min(BATCH, count))
            count -= len(messages)
        return messages[-1]

    def in_place(count: int) -> None:
        lease = end.lease
        assert lease is not None
        for _ in repeat(None, count):
            lease()

    return {"single": single, "batched": batched, "in place": in_place}[manner]


def _sender(link: Link, size: int, manner: Manner) -> Job:
    end = link.open("sender")
    send = _sending(end, size, manner)

    def step(order: Any) -> int:
        start, count = order
        await_start(start)
        began = time.perf_counter_ns()
        send(count)
        return began

    return Job(step, end.close)


def _receiver(link: Link, size: int, manner: Manner) -> Job:
    end = link.open("receiver")
    receive, expected = _receiving(end, manner), payload(size)

    def step(order: Any) -> int:
        _, count = order
        last = receive(count)
        ended = time.perf_counter_ns()
        if last is not None and last != expected:  # a contender that transmits less is not measured
            raise ValueError("what arrived is not what was sent")
        return ended

    return Job(step, end.close)


class _FlowTrial(CountedTrial):
    """The clock is the machine's monotonic one, the same in both processes."""

    def measure(self, count: int) -> tuple[float, dict[str, float]]:
        began, ended = self.order(count)
        seconds = (ended - began) / 1e9
        return seconds, {"rate": count / seconds, "time": seconds / count * 1e6}


class Flow(Scenario):
    limits = ("copy", "carry")

    def __init__(self, size: int, manner: Manner) -> None:
        key = {"single": "one-way", "batched": "batched", "in place": "in-place"}[manner]
        title = {
            "single": f"One way, {size_name(size)}, a message at a time",
            "batched": f"One way, {size_name(size)}, batches of {BATCH}",
            "in place": f"Loan and lease of {size_name(size)}, untouched",
        }[manner]
        super().__init__(f"{key}/{size}", title, Metric("rate", "messages/s"), Metric("time", "us"))
        self.size = size
        self.manner: Manner = manner

    def prepare(self, peer: Peer, options: Options) -> Trial:
        if self.manner == "batched" and not peer.batches:
            raise Unsupported("has no batches")
        if self.manner == "in place" and not peer.in_place:
            raise Unsupported("copies always")
        # Untouched payloads pass through no cache, so the queue is the same for both sizes.
        depth = 32 if self.manner == "in place" else depth_for(self.size)
        link = peer.one_way(self.size, depth)
        bodies = [
            (_sender, (link, self.size, self.manner)),
            (_receiver, (link, self.size, self.manner)),
        ]
        at_first = max(2, min(256, _ON_THE_WAY // self.size))
        return _FlowTrial(link, bodies, options, at_first=at_first)
