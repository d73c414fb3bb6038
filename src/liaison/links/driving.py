"""Drive operations of several steps for callers that block; see `liaison.carriers.steps`."""

from __future__ import annotations

import select
from time import sleep

from liaison.carriers.steps import Aside, Pause, Readable
from liaison.deadline import Deadline

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from liaison.carriers.steps import Steps, Writable

    _Result = TypeVar("_Result")

__all__ = ["drive"]


def drive(steps: Steps[_Result], timeout: float | None) -> _Result:
    """Do all steps, within `timeout` seconds. Raises `TimeoutError`."""
    deadline = Deadline(timeout)
    go_on: Any = steps.send
    given: Any = None
    while True:
        try:
            step = go_on(given)
        except StopIteration as done:
            return done.value
        finally:
            given = None  # an error's traceback keeps this frame, which must not keep the error
        try:
            go_on, given = steps.send, _await(step, deadline.remaining())
        except BaseException as error:  # also Ctrl-C: the steps undo what they began
            go_on, given = steps.throw, error


def _await(step: Aside | Pause | Readable | Writable, left: float | None) -> Any:
    if isinstance(step, Aside):
        return step.function()
    if isinstance(step, Pause):
        if left == 0:
            raise TimeoutError
        sleep(step.seconds if left is None else min(step.seconds, left))
        return None
    if not _ready(step.descriptor, isinstance(step, Readable), left):
        raise TimeoutError
    return None


def _ready(descriptor: int, reading: bool, left: float | None) -> bool:
    if not hasattr(select, "poll"):  # eventlet removes it; its select() lets others run
        one = [descriptor]
        return any(select.select(one if reading else (), () if reading else one, (), left))
    poll = select.poll()
    poll.register(descriptor, select.POLLIN if reading else select.POLLOUT)
    return bool(poll.poll(None if left is None else left * 1000))
