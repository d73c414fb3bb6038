"""What the tests of the contract share."""

import threading

import pytest

from liaison.testing import PATIENCE, Watchdog
from tests.conformance.kinds import Stage


@pytest.fixture
def stage(request, space, tmp_path):
    """One kind of link on one carrier, and nothing left of it after the test."""
    kind, carrier = request.param
    made = Stage(kind, carrier(tmp_path))
    try:
        yield made
    finally:
        made.close()


class Beside(threading.Thread):
    """A call that goes on beside the test."""

    def __init__(self, function, *arguments, **options):
        super().__init__(daemon=True)
        self._call = lambda: function(*arguments, **options)
        self._outcome = None
        self.start()

    def run(self):
        try:
            self._outcome = (False, self._call())
        except BaseException as error:
            error.__traceback__ = None
            self._outcome = (True, error)
        finally:
            del self._call

    def result(self):
        """Wait for its end; what it returned, or raise what it raised."""
        self.join(PATIENCE)
        if self.is_alive():
            raise Watchdog(f"a call did not return in {PATIENCE} s")
        (raised, value), self._outcome = self._outcome, None
        if raised:
            raise value
        return value


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
