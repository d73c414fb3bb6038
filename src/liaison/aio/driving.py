"""Drive operations of several steps in tasks; see `liaison.carriers.steps`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread

from liaison.aio.line import checkpoint, readable, writable
from liaison.carriers.steps import Aside, Pause, Readable
from liaison.deadline import Deadline

if TYPE_CHECKING:
    from liaison.carriers.steps import Steps, Writable

__all__ = ["drive"]

_Result = TypeVar("_Result")


async def drive(steps: Steps[_Result], timeout: float | None) -> _Result:
    """Do all steps, within `timeout` seconds. Raises `TimeoutError`; can be cancelled at a wait."""
    deadline = Deadline(timeout)
    await checkpoint()
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
            with anyio.fail_after(deadline.remaining()):
                go_on, given = steps.send, await _await(step)
        except BaseException as error:
            go_on, given = steps.throw, error


async def _await(step: Aside | Pause | Readable | Writable) -> Any:
    if isinstance(step, Aside):
        return await anyio.to_thread.run_sync(step.function, abandon_on_cancel=True)
    if isinstance(step, Pause):
        await anyio.sleep(step.seconds)
    elif isinstance(step, Readable):
        await readable(step.descriptor)
    else:
        await writable(step.descriptor)
    return None
