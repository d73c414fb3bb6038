"""Operations of several steps, driven by a thread and by a task: see `liaison.carriers.steps`."""

import gc
import os
import weakref

import anyio
import pytest

from liaison.aio import driving as by_tasks
from liaison.carriers.steps import Aside, Pause, Readable, Writable
from liaison.links import driving as by_threads


def blocking(steps, timeout):
    return by_threads.drive(steps, timeout)


def awaited(steps, timeout):
    return anyio.run(by_tasks.drive, steps, timeout)


@pytest.fixture(params=[blocking, awaited])
def drive(request):
    return request.param


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_each_step_is_done_and_the_result_given(drive, pipe):
    """The steps get what a function returned, and the caller gets what the steps return."""

    def steps():
        yield Pause(0.001)
        yield Writable(pipe[1])
        os.write(pipe[1], b"x")
        yield Readable(pipe[0])
        return (yield Aside(lambda: os.read(pipe[0], 1)))

    assert drive(steps(), 60) == b"x"


@pytest.mark.parametrize("waits", ["reads", "pauses"])
def test_a_step_gets_a_timeout_error(drive, pipe, waits):
    """A step at which the time is over may raise an error of its own."""

    def steps():
        try:
            while True:
                yield Readable(pipe[0]) if waits == "reads" else Pause(0.001)
        except TimeoutError:
            raise KeyError("too late") from None

    with pytest.raises(KeyError, match="too late"):
        drive(steps(), 0.01)


def test_a_step_that_need_not_wait_is_no_timeout(pipe):
    """A step whose descriptor is ready is done though the time is over."""

    def steps():
        yield Writable(pipe[1])
        return "done"

    assert blocking(steps(), 0) == "done"


def test_an_error_of_a_step_is_raised_at_that_step(drive):
    """The error of a function is raised at its step, and leaves nothing to the collector."""

    class Wrong(Exception):
        pass

    def fail():
        raise Wrong

    undone = []

    def steps():
        try:
            yield Aside(fail)
        finally:
            undone.append(True)

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(Wrong) as raised:
            drive(steps(), 60)
        gone = weakref.ref(raised.value)
        del raised
        assert undone == [True]
        if drive is blocking:  # the event loop's own frames know the error as well
            assert gone() is None
    finally:
        gc.enable()
