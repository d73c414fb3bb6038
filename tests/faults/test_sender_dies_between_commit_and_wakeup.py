"""A sender dies after its message was accepted and before its wake-up: the receiver wakes.

The test is harder than any death: the sender cannot wake a receiver even before it commits, which
the engine does so that the receiver is awake if the sender dies afterwards.
"""

import ctypes
import os
import platform
import select
import signal
import threading
import time

import pytest

from liaison import Mailbox
from liaison.testing import Process, point, until
from tests.faults import seccomp
from tests.faults.often import RUNS, times
from tests.links.actor import Actor

pytestmark = pytest.mark.skipif(
    platform.machine() not in seccomp.CALLS,
    reason=f"NOT CHECKED: the system calls of {platform.machine()} are not known to the test",
)


def _commits_and_dies(line):
    box = Mailbox.open("box")
    code = compile(line, "<sender>", "exec")
    point("ready", wait=True)
    seccomp.wake_nobody(platform.machine())
    exec(code, {"box": box, "now": time.monotonic_ns})
    os.kill(os.getpid(), signal.SIGKILL)


def receives(box):
    return box.receive(timeout=60)


def selects(box):
    while True:
        assert select.select([box], [], [], 60)[0], "the descriptor becomes readable"
        message = box.try_receive()
        if message is not None:  # it is readable when there may be a message
            return message


@pytest.mark.parametrize("wait", [receives, selects])
@pytest.mark.parametrize("access", ["any", "exclusive"])
def test_a_sleeping_receiver_finds_the_message_of_a_sender_that_woke_nobody(mailbox, wait, access):
    """A message whose sender died before the wake-up is received."""
    box = mailbox(access=access)
    box.fileno()
    took = []
    for _ in range(RUNS // 2):
        with Process(_commits_and_dies, "box.send(now())", fork=True) as sender:
            sender.reach("ready")
            sender.go_on()
            sent = wait(box)
            took.append(time.monotonic_ns() - sent)
            assert sender.wait() == -signal.SIGKILL
    print(f"{len(took)} deaths, from the commit to the receiver: {times(took)}")
    assert box.statistics().free == 1024


def test_the_filter_prevents_waking_and_writing():
    """The filter works: a thread that sleeps on a word is not woken, and nothing is written."""
    with Process(_tries, fork=True) as process:
        assert process.wait() == 7


def _tries():
    libc = ctypes.CDLL(None, use_errno=True)
    word = ctypes.c_uint32(0)
    slept = []
    timeout = (ctypes.c_long * 2)(0, 100_000_000)
    futex = seccomp.CALLS[platform.machine()][1]

    def sleeps():
        slept.append(libc.syscall(futex, ctypes.byref(word), 0, 0, ctypes.byref(timeout), None, 0))

    thread = threading.Thread(target=sleeps)
    seccomp.wake_nobody(platform.machine())
    thread.start()
    woken = 0
    while thread.is_alive():
        woken += libc.syscall(futex, ctypes.byref(word), 1, 1, None, None, 0)
    try:
        os.write(1, b"seen\n")
    except BlockingIOError:
        os._exit(7 if (woken, slept) == (0, [-1]) else 1)
    os._exit(2)


@pytest.mark.parametrize(
    ("options", "prepare", "waits", "line"),
    [
        ({"capacity": 1}, "box.send('full')", "box.send('next')", "box.receive()"),
        ({"capacity": 0}, "None", "box.send('next')", "box.receive(timeout=60)"),
        ({}, "None", "box.send('next', receipt=True).wait_received()", "box.receive(timeout=60)"),
        ({}, "None", "box.receive()", "box.loan(1).send()"),
        ({}, "None", "box.receive()", "box.send_many([1, 2])"),
        ({}, "box.send(1)", "[held := box.lease(), box.receive()][1]", "box.send(2)"),
    ],
    ids=[
        "room", "rendezvous", "receipt", "loan", "several", "beside a lease",
    ],
)  # fmt: skip
def test_every_other_wait_ends_without_a_wake_up(mailbox, options, prepare, waits, line):
    """Room, a receiver, a receipt and a second message are noticed without a wake-up."""
    box = mailbox(**options)
    exec(prepare, {"box": box})
    with (
        Actor("box = Mailbox('box')") as waiter,
        Process(_commits_and_dies, line, fork=True) as victim,
    ):
        victim.reach("ready")
        waiter.start(waits)
        until(waiter.asleep, "the other one sleeps")
        victim.go_on()
        waiter.answer()
        assert victim.wait() == -signal.SIGKILL
