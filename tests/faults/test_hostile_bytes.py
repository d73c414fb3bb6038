"""Bytes that another process wrote into shared memory raise liaison's errors at most."""

import json
import mmap
import random
from contextlib import suppress

from liaison import LiaisonError, Mailbox, Space
from liaison.testing import Process, point

LIVE = 1024  # the header's lines from there on are read by every operation
PAGE = 4096


class Json:
    """A codec that the user wrote."""

    def encode(self, message):
        return json.dumps(message).encode()

    def decode(self, payload):
        return json.loads(payload)


MESSAGES = [
    (None, None, b"bytes as they are"),
    (None, None, {"a": [1, 2.5, None, "text"]}),
    (list[int], None, list(range(300))),
    (None, None, bytes(5000)),
    (None, Json(), {"json": ["x" * 100]}),
]


def _works(rounds):
    """Send and receive with every codec; anything but an error of liaison's ends the process."""
    boxes = [Mailbox("victim", type=type, codec=codec) for type, codec, _ in MESSAGES]
    point("begun")
    for i in range(rounds):
        box, (*_, message) = boxes[i % len(boxes)], MESSAGES[i % len(boxes)]
        for use in (
            lambda box=box, message=message: box.send(message, timeout=0.001),
            lambda box=box: box.receive(timeout=0.001),
            lambda box=box, message=message: box.send(message, timeout=0, receipt=True).state,
            lambda box=box: box.lease(timeout=0).release(),
            lambda box=box: [str(one) for one in box.peek()],
            lambda box=box: repr(box.link),
            lambda box=box: box.statistics(),
            lambda box=box: box.receive_many(3, timeout=0),
        ):
            with suppress(LiaisonError):
                use()
    for box in boxes:
        box.close()
    return "lives"


def test_a_process_lives_in_memory_that_another_writes(space):
    """While bytes of a live segment change, its user gets liaison's errors, and goes on."""
    with Mailbox("victim", capacity=8, memory=65536) as box:
        box.send("first")
    dice = random.Random(1)
    path = space.path / "names" / "victim"
    with path.open("r+b") as file:
        pristine = file.read(24 * PAGE)
        view = mmap.mmap(file.fileno(), 24 * PAGE)
    with view, Process(_works, 400) as victim:
        victim.reach("begun")
        n = 0
        while victim.alive:
            at = dice.randrange(LIVE, len(pristine))
            view[at] = dice.randrange(256)
            if n % 100 == 0:
                view[LIVE:] = pristine[LIVE:]
            n += 1
        assert victim.result() == "lives"
        assert n > 1000
        view[LIVE:] = pristine[LIVE:]
    with Mailbox.observe("victim") as box:
        box.destroy(force=True)


def test_what_the_members_table_says_is_shown_or_left_out(space):
    """Random bytes in the members file end no process that shows members."""
    dice = random.Random(2)
    with Mailbox("box") as box:
        box.send(1)
        for n in range(500):
            with (space.path / "members").open("r+b") as file:
                file.seek(PAGE + 8)  # behind the generation, which says whose record it is
                file.write(bytes([255] * 16) if n % 2 else dice.randbytes(248))
            with suppress(LiaisonError):
                repr(box.link)
            with suppress(LiaisonError):
                repr(Space().members())
        assert box.receive() == 1
        box.destroy()
