"""What the tests of the contract share.

Each test runs on every kind of link on every carrier, used by threads; and again in tasks, where
the ends of the test's own process are those of `liaison.aio` (tasks.py): there most kinds over
shared memory, on asyncio. What is different elsewhere is little: how a carrier is waited for, which
is one way for all kinds, and what a place in a line is on trio. So a sample is enough there, with a
kind for each way in which tasks wait: `SAMPLE` in kinds.py. LIAISON_CONFORMANCE_EVERYTHING=1 in the
environment has every test run in tasks on every carrier, on asyncio and on trio.
"""

import pytest

from liaison.testing import PATIENCE
from tests.beside import Beside
from tests.conformance.kinds import Stage


@pytest.fixture
def stage(request, space, tmp_path, monkeypatch):
    """One kind of link on one carrier, and nothing left of it after the test."""
    kind, carrier = request.param
    made = Stage(kind, carrier(tmp_path))
    if made.carrier.space:
        monkeypatch.setenv("LIAISON_SPACE", made.carrier.space)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def beside():
    """Start a call in a thread: ``beside(box.send, 1).result()``."""
    return Beside


@pytest.fixture
def carry(beside):
    """Send a message from one end, and return what arrives at the other."""

    def over(sender, receiver, message):
        receiving = beside(receiver.receive, timeout=PATIENCE)
        sender.send(message, timeout=PATIENCE)
        return receiving.result()

    return over
