"""What the tests of tasks share: both event loops, and mailboxes in them."""

from contextlib import suppress

import anyio
import pytest

import liaison
from liaison import aio
from liaison.errors import LiaisonError, NotFound
from liaison.links import endpoint as links
from liaison.links.observer import observed


@pytest.fixture(params=["asyncio", "trio"])
def run(request):
    """Run an async function on an event loop, beneath a watchdog."""

    def run(function, *arguments):
        async def watched():
            with anyio.fail_after(60):
                return await function(*arguments)

        return anyio.run(watched, backend=request.param)

    run.backend = request.param
    return run


@pytest.fixture
def mailbox(space):
    """Make mailboxes for tasks, that are closed and destroyed after the test."""
    made = []

    def make(name="box", **options):
        box = aio.Mailbox(name, **options)
        made.append((name, box))
        return box

    yield make
    while made:
        name, box = made.pop()
        box.close()
        del box
        try:
            with liaison.Mailbox.observe(name) as observer:
                observer.destroy(force=True)
        except LiaisonError:
            continue


@pytest.fixture(params=["asyncio", "asyncio, task.cancel()", "trio"])
def loop(request):
    backend, _, native = request.param.partition(",")

    def run(function, *arguments):
        async def watched():
            with anyio.fail_after(60):
                await function(*arguments, bool(native))

        anyio.run(watched, backend=backend)

    return run


@pytest.fixture
def endpoints(space):
    """Endpoints stay when they are closed; with them goes all that belongs to them."""
    yield
    links._boxes.clear()
    for name in liaison.Space().names():
        with suppress(NotFound), observed(name) as end:
            end.destroy(force=True)
    liaison.Space().clean()
