"""Cancelling at every await, on queues and ports."""

from contextlib import contextmanager

import pytest

import liaison
from liaison import aio
from tests.aio.striking import EVENTS, struck_at_every_await


@contextmanager
def queue():
    """A queue of one place, for tasks, and another end of it."""
    made = aio.MessageQueue("link", max_messages=1)
    with liaison.MessageQueue.open("link") as sender:
        yield made, sender
    made.destroy()
    made.close()


@contextmanager
def port():
    """A port for tasks, and an end that sends to it."""
    made = aio.Port("link", capacity=1)
    with liaison.Port.open("link") as sender:
        yield made, sender
    made.close()


@pytest.mark.parametrize("how", EVENTS)
@pytest.mark.parametrize("link", [queue, port])
def test_a_cancelled_receive_leaves_the_message(loop, space, link, how):
    """At whatever await a receiver is cancelled, it has the message or the next one gets it."""

    async def main(native):
        with link() as (receiver, sender):

            def nudge():
                sender.send(b"not for it")
                assert receiver.try_receive() == b"not for it"

            async def check(came, happened):
                assert came + len(receiver) == happened
                assert receiver.try_receive() == (b"x" if happened and not came else None)

            struck = await struck_at_every_await(
                *(receiver.receive, how, receiver.try_receive, lambda: sender.send(b"x")),
                *(nudge, check, native),
            )
            assert struck

    loop(main)


@pytest.mark.parametrize("how", EVENTS)
@pytest.mark.parametrize("link", [queue, port])
def test_a_cancelled_send_has_not_sent(loop, space, link, how):
    """At whatever await a sender is cancelled, its message was not sent, or it was told so."""

    async def main(native):
        with link() as (receiver, other):
            sender = type(receiver).open("link")

            def fill():
                receiver.try_receive()
                other.send(b"full")

            async def check(sent, happened):
                waiting = receiver.peek()
                assert waiting.count(b"x") == sent
                assert waiting.count(b"full") == (not happened)
                while receiver.try_receive() is not None:
                    pass

            struck = await struck_at_every_await(
                *(lambda: sender.send(b"x"), how, fill, receiver.try_receive),
                *(fill, check, native),
            )
            assert struck
            sender.close()

    loop(main)
