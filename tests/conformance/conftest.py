"""What the tests of the contract share."""

import pytest

from liaison.testing import PATIENCE
from tests.conformance.beside import Beside
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
