"""Event loops for the tests of this folder, and mailboxes in them."""

import anyio
import pytest

import liaison
from liaison import aio
from liaison.errors import LiaisonError


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
    """Run an async function on an event loop; its last argument says how it is to cancel."""
    backend, _, native = request.param.partition(",")

    def run(function, *arguments):
        async def watched():
            with anyio.fail_after(60):
                await function(*arguments, bool(native))

        anyio.run(watched, backend=backend)

    return run
