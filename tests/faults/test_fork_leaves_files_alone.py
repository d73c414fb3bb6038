"""A forked child closes no file that has the number which a closed end once had.

What is kept of an end knows its descriptors by their numbers. When the end is closed these numbers
are soon other files', and a child that gives up what it has inherited must not take those for them.
"""

import gc
import os

import pytest

import liaison
from liaison import Endpoint, Mailbox, MessageQueue, NamedPipe, Port
from liaison.links.wait import wait

MANY = 50  # more than an end has descriptors


def connection(space):
    with liaison.listen("tcp://127.0.0.1:0") as listener:
        client = liaison.connect(listener.address)
        listener.accept(timeout=60).close()
    return client


def listener(space):
    return liaison.listen("tcp://127.0.0.1:0")


def destroyed(make):
    """An end that is gone from the space when it is closed."""

    def made(space):
        end = make()
        close = end.close

        def destroy():
            end.destroy()
            close()

        return end, destroy

    return made


def pipe(space):
    reader, writer = liaison.pipe()
    writer.close()
    return reader


ENDS = {
    "connection": connection,
    "listener": listener,
    "pipe": pipe,
    "mailbox": destroyed(lambda: Mailbox("box")),
    "queue": destroyed(lambda: MessageQueue("queue")),
    "port": destroyed(lambda: Port("port")),
    "endpoint": destroyed(lambda: Endpoint("me")),
    "named pipe": lambda space: NamedPipe("pipe"),
}


@pytest.mark.parametrize("waits", [False, True], ids=["descriptor", "wait"])
@pytest.mark.parametrize("kind", ENDS)
def test_the_numbers_of_a_closed_end_are_other_files(space, kind, waits):
    """The child of a process that has closed an end, and keeps the object, has all other files."""
    made = ENDS[kind](space)
    end, close = made if isinstance(made, tuple) else (made, made.close)
    end.fileno()
    if waits:
        wait([end], timeout=0)
    close()
    others = [os.open("/dev/null", os.O_RDONLY) for _ in range(MANY)]
    pid = os.fork()
    if pid == 0:
        closed = 99
        try:
            end.close()
            gc.collect()
            closed = sum(not is_open(other) for other in others)
        finally:
            os._exit(closed)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    for other in others:
        os.close(other)


def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
