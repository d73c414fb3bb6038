"""Every kind of wait at every kind of link ends when the link's files are removed.

All waits begin before the removal, each in a thread, so that it is waited for once. Operations that
begin afterwards, here or in a forked child, end in the same way.
"""

import itertools
import selectors
import shutil
import threading
from dataclasses import dataclass, field

import anyio
import pytest

import liaison
from liaison import Destroyed, Endpoint, Mailbox, MessageQueue, NamedPipe, NotFound, Port, aio
from liaison.testing import Process, until

PATIENCE = 60  # seconds; it takes three


@dataclass
class Waits:
    """Waiting threads by name, and the result of each."""

    got: dict[str, object] = field(default_factory=dict)
    threads: dict[str, threading.Thread] = field(default_factory=dict)

    def start(self, name, wait):
        def run():
            try:
                self.got[name] = wait()
            except BaseException as error:
                self.got[name] = type(error)

        self.threads[name] = threading.Thread(target=run, daemon=True)
        self.threads[name].start()

    def all_end(self, *how):
        for name, thread in self.threads.items():
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"{name} still waits"
        assert set(self.got.values()) <= {Destroyed, *how}, self.got


def _loops(end):
    for _ in end:
        pass
    return Destroyed  # that is what ends the loop


def _with_a_descriptor(end):
    with selectors.DefaultSelector() as selector:
        selector.register(end.fileno(), selectors.EVENT_READ)
        while True:
            selector.select(PATIENCE)
            end.try_receive()


def _among_several(end, other):
    while True:
        for ready in liaison.wait([end, other]):
            ready.try_receive()


def _in_a_task(end):
    async def main():
        await end.receive()

    anyio.run(main)


def _sending_in_a_task(end):
    async def main():
        await end.send("no room")

    anyio.run(main)


def _receipt_in_a_task(end):
    async def main():
        receipt = await end.send("nobody comes", receipt=True)
        await receipt.wait_received()

    anyio.run(main)


def _remove_files(space):
    for part in ("names", "links"):
        for file in (space.path / part).iterdir():
            file.unlink()


# Each opens an end of its own, and a link of its own where only one process may receive.
_numbers = itertools.count()
KINDS = {
    "box": lambda names: names.Mailbox.open("box"),
    "meet": lambda names: names.Mailbox.open("meet"),
    "turns": lambda names: names.Mailbox.open("turns"),
    "queue": lambda names: names.MessageQueue.open("queue"),
    "port": lambda names: names.Port(f"port{next(_numbers)}"),
    "pipe": lambda names: names.NamedPipe(f"pipe{next(_numbers)}"),
    "endpoint": lambda names: names.Endpoint(f"point{next(_numbers)}"),
}


def _wait_in_each_way(waits, kind, opened):
    """Wait for a message in each way; `opened` makes an end that is kept."""
    waits.start(f"{kind}: receive", lambda: opened(liaison).receive())
    waits.start(f"{kind}: for", lambda: _loops(opened(liaison)))
    waits.start(f"{kind}: descriptor", lambda: _with_a_descriptor(opened(liaison)))
    waits.start(f"{kind}: several", lambda: _among_several(opened(liaison), opened(liaison)))
    waits.start(f"{kind}: task", lambda: _in_a_task(opened(aio)))


@pytest.mark.parametrize(
    "remove", [_remove_files, lambda space: shutil.rmtree(space.path)], ids=["files", "space"]
)
def test_removal_ends_every_wait(space, remove):
    """Waits for messages, room and receipts, blocking, by descriptors and in tasks, all end."""
    waits = Waits()
    kept = []

    def keep(end):
        kept.append(end)
        return end

    keep(Mailbox("box", capacity=4))
    keep(Mailbox("meet", capacity=0))
    keep(Mailbox("turns", access="exclusive"))
    keep(MessageQueue("queue"))
    for kind, make in KINDS.items():
        _wait_in_each_way(waits, kind, lambda names, make=make: keep(make(names)))
    full = keep(Mailbox("full", capacity=1))
    receipt = full.send("it is full", receipt=True)
    waits.start("room: send", lambda: keep(Mailbox.open("full")).send("no room"))
    waits.start("room: task", lambda: _sending_in_a_task(keep(aio.Mailbox.open("full"))))
    waits.start("receipt", receipt.wait_received)
    keep(Mailbox("asked", capacity=4))
    waits.start("receipt: task", lambda: _receipt_in_a_task(keep(aio.Mailbox.open("asked"))))
    opened = 6 + 6 * len(KINDS) + 3
    until(lambda: len(kept) == opened, "all have begun", patience=PATIENCE)
    assert all(thread.is_alive() for thread in waits.threads.values())
    remove(space)
    waits.all_end()


def test_removal_ends_an_endpoint_at_full_load(space):
    """The wait ends also where there is always a message."""
    alice, bob = Endpoint("alice"), Endpoint("bob")
    waits = Waits()

    def send():
        while True:
            alice.send("bob", "more")

    def receive_any():
        while True:
            bob.receive()

    waits.start("from anyone", receive_any)
    waits.start("send", send)
    until(lambda: bob.statistics().taken > 1000, "messages flow", patience=PATIENCE)
    _remove_files(space)
    waits.all_end(NotFound)  # a sender looks for the name again


_LATER = {
    "receive": (lambda: Mailbox("box"), lambda box: box.receive()),
    "send": (lambda: Mailbox("box", capacity=0), lambda box: box.send("to nobody")),
    "several": (lambda: Mailbox("box"), lambda box: _among_several(box, box)),
    "descriptor": (lambda: Mailbox("box"), lambda box: box.fileno()),
    "receipt": (
        lambda: Mailbox("box"),
        lambda box: box.send("nobody comes", receipt=True).wait_received(),
    ),
    "port": (lambda: Port("port"), lambda port: port.receive()),
    "descriptor of a port": (lambda: Port("port"), lambda port: port.fileno()),
    "pipe": (lambda: NamedPipe("pipe"), lambda pipe: pipe.receive()),
    "endpoint": (lambda: Endpoint("point"), lambda point: point.receive()),
    "descriptor of an endpoint": (lambda: Endpoint("point"), lambda point: point.fileno()),
    "task": (lambda: aio.Mailbox("box"), _in_a_task),
    "task at a port": (lambda: aio.Port("port"), _in_a_task),
    "task at a pipe": (lambda: aio.NamedPipe("pipe"), _in_a_task),
    "task at an endpoint": (lambda: aio.Endpoint("point"), _in_a_task),
    "task that sends": (lambda: aio.Mailbox("box", capacity=0), _sending_in_a_task),
    "task with a receipt": (lambda: aio.Mailbox("box"), _receipt_in_a_task),
}


@pytest.mark.parametrize(("open_one", "use"), _LATER.values(), ids=_LATER)
def test_operations_after_the_removal_are_destroyed(space, open_one, use):
    """An operation that begins after the removal is Destroyed, too."""
    end = open_one()
    shutil.rmtree(space.path)
    with pytest.raises(Destroyed):
        use(end)


_USES = {
    "send": lambda box: box.send("message"),
    "receive": lambda box: box.receive(),
    "descriptor": lambda box: box.fileno(),
    "destroy": lambda box: box.destroy(),
}


def _is_destroyed(box, use):
    with pytest.raises(Destroyed):
        _USES[use](box)


@pytest.mark.parametrize("use", _USES)
def test_operations_of_a_forked_child_are_destroyed(space, use):
    """To a forked child its inherited links are Destroyed, not damaged."""
    box = Mailbox("box")
    shutil.rmtree(space.path)
    with Process(_is_destroyed, box, use, fork=True) as process:
        process.result(patience=PATIENCE)
