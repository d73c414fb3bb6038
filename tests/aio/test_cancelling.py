"""Cancelling a wait loses nothing, at whatever await it strikes.

Every operation is run again and again, and cancelled at its first, second, … await: alone, or
together with the event that it waits for, just before it and just after it.
"""

import anyio.lowlevel
import pytest

import liaison
from liaison.aio.end import receivers, senders
from tests.aio.striking import AWAITS, EVENTS, struck_at_every_await


async def leased(box):
    """A lease whose block is one more await to be cancelled at."""
    async with box.lease() as delivery:
        await anyio.lowlevel.checkpoint()
        return delivery.message


async def lent(box):
    async with box.loan(1) as loan:
        loan[:] = b"x"
        await loan.send()


async def iterated(box):
    async for message in box:
        return message
    return None


# What takes a message: each gives the messages that it got.
RECEIVING = {
    "receive": lambda box: box.receive(),
    "receive, in time": lambda box: box.receive(timeout=30),
    "receive_many": lambda box: box.receive_many(3),
    "lease": leased,
    "async for": iterated,
}
# What sends b"x".
SENDING = {
    "send": lambda box: box.send(b"x"),
    "send, in time": lambda box: box.send(b"x", timeout=30),
    "send, receipt": lambda box: box.send(b"x", receipt=True),
    "send_many": lambda box: box.send_many([b"x"]),
    "loan": lent,
}


def nobody_waits(box):
    return all(
        not line._queue and not line._watching for line in (receivers(box._end), senders(box._end))
    )


@pytest.mark.parametrize("how", EVENTS)
@pytest.mark.parametrize("name", RECEIVING)
def test_a_cancelled_receive_leaves_the_message(loop, mailbox, name, how):
    """At whatever await a receiver is cancelled, it has the message or the next one gets it."""

    async def main(native):
        box = mailbox()
        with liaison.Mailbox.open("box") as sender:

            async def check(got, happened):
                assert nobody_waits(box)
                statistics = box.statistics()
                assert (statistics.leased, statistics.loaned) == (0, 0)
                assert got + len(box) == happened
                if happened and not got:
                    with sender.lease(timeout=0) as delivery:
                        assert delivery.message == b"x"
                        # Who was cancelled in the block of its lease gave the message back.
                        assert delivery.attempt == 1 or name == "lease"

            def nudge():
                sender.send(b"not for it")
                assert sender.receive() == b"not for it"

            struck = await struck_at_every_await(
                lambda: RECEIVING[name](box),
                *(how, box.try_receive, lambda: sender.send(b"x"), nudge, check, native),
            )
            assert struck == AWAITS or how == "event long before"
            assert struck

    loop(main)


@pytest.mark.parametrize("how", EVENTS)
@pytest.mark.parametrize("name", SENDING)
def test_a_cancelled_send_has_not_sent(loop, mailbox, name, how):
    """At whatever await a sender is cancelled, its message was not sent, or it was told so."""

    async def main(native):
        box = mailbox(capacity=1)
        with liaison.Mailbox.open("box") as other:

            def fill():
                other.try_receive()
                other.send(b"full")

            async def check(sent, happened):
                assert nobody_waits(box)
                assert box.statistics().loaned == 0
                waiting = box.peek()
                assert waiting.count(b"x") == sent
                assert waiting.count(b"full") == (not happened)

            def nudge():
                assert other.receive() == b"full"
                other.send(b"full")

            struck = await struck_at_every_await(
                lambda: SENDING[name](box), how, fill, other.receive, nudge, check, native
            )
            assert struck == AWAITS or how == "event long before"
            assert struck

    loop(main)
