"""Connections for the tests of this folder, with both ends in this process."""

import pytest

from liaison import connect, listen


@pytest.fixture
def pair(address):
    """Make connections between two ends in this process, which are closed after the test."""
    ends = []

    def make(**options):
        with listen(address, **options) as listener:
            client = connect(listener.address, **options)
            ends.extend((client, listener.accept(timeout=60)))
        return ends[-2:]

    yield make
    for end in ends:
        end.close()
