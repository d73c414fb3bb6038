"""The processes of the storm: each notes what it does before and after doing it."""

import os
import random

from liaison import Busy, Empty, Mailbox


class Notes:
    """A file that many processes append to, a whole line at a time."""

    def __init__(self, path):
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def __call__(self, *words):
        line = (" ".join(map(str, words)) + "\n").encode()
        assert os.write(self._file, line) == len(line)


def contents(sender, number):
    """A message that tells who sent it, and is long enough to be torn: 20 bytes to 20,000."""
    head = f"{sender} {number} ".encode()
    dice = random.Random(f"{sender} {number}")
    size = dice.choice([20, 60, 200, 2000, 20_000])
    return head + bytes([number % 251]) * (size - len(head))


def send(name, path, me):
    """Send for ever, each message in one of the ways in which that can be done."""
    note = Notes(path)
    dice = random.Random(me)
    box = Mailbox.open(name)
    number = 0
    while True:
        message = contents(me, number)
        note("B", me, number)
        if dice.random() < 0.5:
            box.send(message)
        else:
            with box.loan(len(message)) as loan:
                loan[:] = message
                loan.send()
        note("R", me, number)
        number += 1


def receive(name, path, me, most):
    """Lease for ever, up to `most` messages at a time; note each before acknowledging it."""
    note = Notes(path)
    dice = random.Random(me)
    box = Mailbox.open(name)
    while True:
        held = [box.lease()]
        for _ in range(min(dice.choice([0, 0, 0, 1, 2]), most - 1)):
            try:
                held.append(box.lease(timeout=0))
            except (Empty, Busy):
                break
        for delivery in held:
            _note_and_acknowledge(note, me, delivery)


def _note_and_acknowledge(note, me, delivery):
    message = delivery.message
    sender, number, _ = message.split(b" ", 2)
    sender, number = sender.decode(), int(number)
    note("D", sender, number, delivery.attempt, me)
    if message != contents(sender, number):
        note("X", sender, number, delivery.attempt, me)
    delivery.acknowledge()
    note("A", sender, number, delivery.attempt, me)
