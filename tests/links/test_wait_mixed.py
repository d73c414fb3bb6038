"""Waiting for links of every kind at once, with another process that sends on any of them."""

import random
from contextlib import ExitStack

import pytest

import liaison
from liaison.testing import Process

MESSAGES = 400


def _send_at_random(seed, names, address, writer):
    """Send numbers on every link, in random order, some in bursts; then nothing more."""
    dice = random.Random(seed)
    with ExitStack() as stack:
        enter = stack.enter_context
        ends = [enter(liaison.Mailbox.open(name)) for name in names["mailboxes"]]
        ends.append(enter(liaison.MessageQueue.open(names["queue"])))
        ends.append(enter(liaison.Port.open(names["port"])))
        ends.append(enter(liaison.NamedPipe(names["named pipe"])))
        ends.append(enter(liaison.connect(address)))
        ends.append(enter(writer))
        me = enter(liaison.Endpoint("sender"))
        sends = [end.send for end in ends]
        sends.append(lambda number: me.send(names["endpoint"], number))
        for number in range(MESSAGES):
            dice.choice(sends)(number)
            if dice.random() < 0.2:
                for _ in range(dice.randrange(3000)):  # a moment, in which the others fall asleep
                    pass
        # Neither a connection nor a pipe may end before what it carries was received.
        enter(liaison.Mailbox.open(names["mailboxes"][0])).send("all")
        assert ends[0].link.kind == "mailbox"
        liaison.Mailbox.open("done").receive(timeout=60)


@pytest.mark.parametrize("boxes", [1, 100])
@pytest.mark.parametrize("seed", [1, 2])
def test_no_message_of_any_kind_of_link_is_missed(space, tmp_path, seed, boxes):
    """wait() over links of all kinds at once finds every message that another process sends."""
    with ExitStack() as stack:
        enter = stack.enter_context
        names = {
            "mailboxes": [f"box{n}" for n in range(boxes)],
            "queue": "queue",
            "port": "port",
            "named pipe": "talk",
            "endpoint": "me",
        }
        done = enter(liaison.Mailbox("done"))
        mailboxes = [enter(liaison.Mailbox(name, capacity=8)) for name in names["mailboxes"]]
        queue = enter(liaison.MessageQueue("queue"))
        port = enter(liaison.Port("port"))
        talk = enter(liaison.NamedPipe("talk"))
        me = enter(liaison.Endpoint("me"))
        reader, writer = liaison.pipe()
        enter(reader)
        listener = enter(liaison.listen(f"unix://{tmp_path}/socket"))
        arguments = (seed, names, listener.address, writer)
        with Process(_send_at_random, *arguments, fork=True) as sender:
            writer.close()
            links = [*mailboxes, queue, port, talk, me, reader, listener]
            got = []
            while len(got) < MESSAGES + 1:
                ready = liaison.wait(links, timeout=60)
                assert ready, (len(got), "it missed a message")
                for link in ready:
                    if link is listener:
                        links[-1] = enter(listener.accept(timeout=60))
                    elif (message := link.try_receive()) is not None:
                        got.append(message)
            got.remove("all")
            assert sorted(got) == list(range(MESSAGES))
            done.send("enough")
            assert sender.result() is None
        for box in (*mailboxes, queue, done):
            box.destroy()
        me.destroy()
    with liaison.Endpoint("sender") as sender:
        sender.destroy()
