"""The storm's processes, each of which notes what it does before and after doing it."""

import os
import random
import select
import sys
import threading

from liaison import Busy, Empty, Endpoint, Full, Mailbox, NotFound


class Notes:
    """A file that many processes append to, a whole line at a time.

    The kernel writes a page at a time and lets SIGKILL come between two. So a line's length divides
    a page's: then none lies across two, and none is ever written in part.
    """

    LINE = 64  # bytes; filled up with spaces

    def __init__(self, path):
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def __call__(self, *words):
        line = " ".join(map(str, words)).ljust(self.LINE - 1).encode() + b"\n"
        assert len(line) == os.write(self._file, line) == self.LINE


def contents(sender, number):
    """A message that names its sender and can be torn: of 20 to 20,000 bytes."""
    head = f"{sender} {number} ".encode()
    dice = random.Random(f"{sender} {number}")
    size = dice.choice([20, 60, 200, 2000, 20_000])
    return head + bytes([number % 251]) * (size - len(head))


def send(name, path, me):
    """Send for ever, from one thread or two on one end, each a sender of its own."""
    box = Mailbox.open(name)
    _in_threads(_send, random.Random(me).choice([1, 1, 2]), box, path, me)


def receive(name, path, me, most):
    """Lease for ever, up to `most` messages at a time in all threads, and acknowledge them."""
    box = Mailbox.open(name)
    threads = min(random.Random(me).choice([1, 1, 2]), most)
    _in_threads(_receive, threads, box, path, me, most // threads)


def talk(names, path, me, born):
    """Be the endpoint `me`: send to the others for ever, receive, and rename the endpoint."""
    endpoint = Endpoint(me)
    note = Notes(path)
    receiver = threading.Thread(target=_receive_all, args=(endpoint, path, f"{me}.{born}"))
    threading.excepthook = lambda args: (sys.excepthook(*args[:3]), os._exit(1))
    receiver.start()
    dice = random.Random(born)
    numbers = dict.fromkeys(names, 0)
    while True:
        to = dice.choice(names)
        sender = f"{me}.{born}>{to}"
        message = contents(sender, numbers[to])
        note("B", sender, numbers[to])
        try:
            endpoint.send(to, message, timeout=0.05)
            note("R", sender, numbers[to])
        except (Full, NotFound):
            pass  # it does not receive at the moment, or has not been there yet
        numbers[to] += 1
        if dice.random() < 0.05:
            old = endpoint.name
            endpoint.rename(f"{me}.{born}.{sum(numbers.values())}")
            if old != me:
                endpoint.retire(old)


def _receive_all(endpoint, path, me):
    note = Notes(path)
    while True:
        _note_and_acknowledge(note, me, endpoint.lease())


def _in_threads(work, count, box, path, me, *more):
    # An error in any thread ends the process, which the storm notices.
    threading.excepthook = lambda args: (sys.excepthook(*args[:3]), os._exit(1))
    for number in range(1, count):
        threading.Thread(target=work, args=(box, path, f"{me}.{number}", *more)).start()
    work(box, path, me, *more)


def _send(box, path, me):
    """Send each message in one of several ways."""
    note = Notes(path)
    dice = random.Random(me)
    number = 0
    while True:
        message = contents(me, number)
        note("B", me, number)
        way = dice.random()
        if way < 0.4:
            box.send(message)
        elif way < 0.6:
            state = box.send(message, receipt=True).state  # and gives its place up
            assert state in ("queued", "received", "acknowledged")
        else:
            with box.loan(len(message)) as loan:
                loan[:] = message
                loan.send()
        note("R", me, number)
        number += 1


def _receive(box, path, me, most):
    """Wait by lease() or at the descriptor, and note each message before acknowledging it."""
    note = Notes(path)
    dice = random.Random(me)
    selects = dice.random() < 0.3
    while True:
        if selects:
            select.select([box], [], [])
            first = _lease_at_once(box)
            if first is None:
                continue
        else:
            first = box.lease()
        held = [first]
        for _ in range(min(dice.choice([0, 0, 0, 1, 2]), most - 1)):
            delivery = _lease_at_once(box)
            if delivery is None:
                break
            held.append(delivery)
        del first
        while held:
            _note_and_acknowledge(note, me, held.pop(0))


def _lease_at_once(box):
    try:
        return box.lease(timeout=0)
    except (Empty, Busy):
        return None


def _note_and_acknowledge(note, me, delivery):
    message = delivery.message
    sender, number, _ = message.split(b" ", 2)
    sender, number = sender.decode(), int(number)
    note("D", sender, number, delivery.attempt, me)
    if message != contents(sender, number):
        note("X", sender, number, delivery.attempt, me)
    delivery.acknowledge()
    note("A", sender, number, delivery.attempt, me)
