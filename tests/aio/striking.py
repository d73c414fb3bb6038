"""Operations that are cancelled at one await after the other."""

import asyncio

import anyio

NOTHING = object()

# What happens at the await besides the cancellation.
EVENTS = ["nothing", "event, then cancelled", "cancelled, then event", "event long before"]
AWAITS = 7  # as many as there are before an operation does the same again


class Struck:
    """Awaits a coroutine, and calls `strike` at its n-th await, `nudge` at those before."""

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
    """Run it, cancelled at its n-th await: what it gave or NOTHING, and whether it came so far."""
    result = NOTHING
    if native:
        task = asyncio.ensure_future(
            awaited(Struck(operation, n, nudge, lambda: struck(task.cancel)))
        )
        await asyncio.wait([task])
        if task.cancelled():
            return NOTHING, True
        return task.result(), False
    with anyio.CancelScope() as scope:
        result = await Struck(operation, n, nudge, lambda: struck(scope.cancel))
    return result, scope.cancel_called


async def struck_at_every_await(operation, how, prepare, event, nudge, check, native):
    """Run an operation afresh for each of its awaits, and have `check` judge what became of it.

    `event` is what it waits for, `nudge` wakes it in vain.
    """
    struck = 0
    for n in range(1, AWAITS + 1):
        prepare()
        if how == "event long before":
            event()
        happened = how != "nothing"

        def strike(cancel):
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
    return struck
