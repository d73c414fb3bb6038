"""Operations that are cancelled at one await after the other."""

import asyncio
import inspect

import anyio
import anyio.lowlevel

NOTHING = object()

# What happens at the await besides the cancellation.
EVENTS = ["nothing", "event, then cancelled", "cancelled, then event", "event long before"]
AWAITS = 7  # as many as there are before an operation does the same again


async def leased(end, *source):
    """The message of a lease, in whose block there is one more await to be cancelled at."""
    async with end.lease(*source) as delivery:
        await anyio.lowlevel.checkpoint()
        return delivery.message


async def iterated(end):
    """What a loop over the end gives first."""
    async for one in end:
        return one
    return None


class Struck:
    """Awaits a coroutine; calls `strike` at its n-th await, and `nudge` at those before."""

    def __init__(self, coroutine, n, nudge, strike):
        self.coroutine, self.left, self.nudge, self.strike = coroutine, n, nudge, strike

    def __await__(self):
        inner = self.coroutine.__await__()
        outcome, failed = None, None
        while True:
            try:
                waits_for = inner.throw(failed) if failed else inner.send(outcome)
            except StopIteration as done:
                return done.value
            outcome, failed = None, None
            self.left -= 1
            if self.left == 0:
                self.strike()
            elif self.left > 0:
                self.nudge()
            try:
                outcome = yield waits_for
            except BaseException as error:
                failed = error


def awaited(awaitable):
    async def operation():
        return await awaitable

    return operation()


async def cancelled_at(n, operation, nudge, struck, native):
    """Run it, cancelled at its n-th await: its result or NOTHING, and whether it was cancelled.

    It is cancelled by its scope; if `native`, by asyncio's `task.cancel()`; if that is "deadline",
    by a scope whose time passes at the moment at which the event is noticed.
    """
    result = NOTHING
    if native is True:
        task = asyncio.ensure_future(
            awaited(Struck(operation, n, nudge, lambda: struck(task.cancel)))
        )
        await asyncio.wait([task])
        if task.cancelled():
            return NOTHING, True
        return task.result(), False
    with anyio.CancelScope() as scope:

        def passes():
            scope.deadline = anyio.current_time() + 1e-6

        cancel = passes if native == "deadline" else scope.cancel
        result = await Struck(operation, n, nudge, lambda: struck(cancel))
    return result, scope.cancel_called


async def struck_at_every_await(
    operation, how, prepare, event, nudge, check, native, awaits=AWAITS
):
    """Run an operation afresh for each of its awaits, and have `check` judge its outcome.

    The operation waits for `event`; `nudge` wakes it in vain, or brings the event a step nearer.
    """
    struck = 0
    for n in range(1, awaits + 1):
        prepared = prepare()
        if inspect.isawaitable(prepared):
            await prepared
        happened = how == "event long before"
        if happened:
            event()
        reached = False

        def strike(cancel):
            nonlocal reached, happened
            reached, happened = True, how != "nothing"
            if how == "event, then cancelled":
                event()
            cancel()
            if how == "cancelled, then event":
                event()

        quiet = (lambda: None) if how == "event long before" else nudge
        result, cancelled = await cancelled_at(n, operation(), quiet, strike, native)
        came = result is not NOTHING
        del result  # a receipt has one of the few places for receipts
        await check(came, happened)
        struck += cancelled
        if not reached:  # there are no more awaits
            break
    return struck
