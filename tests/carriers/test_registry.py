"""Which carrier an address asks for; also another package's."""

import os
import subprocess
import sys

import pytest

from liaison import InvalidAddress, Mailbox
from liaison.address import Address
from liaison.carriers import shm
from liaison.carriers.registry import carrier_of
from liaison.testing import memory


def test_a_scheme_has_its_carrier():
    """It is imported when it is first asked for, and the same from then on."""
    assert carrier_of(Address.parse("shm://a/b")) is shm.CARRIER
    assert carrier_of(Address.parse("memory://a/b")) is memory.CARRIER


@pytest.mark.parametrize("address", ["tcp://localhost:1", "unix:///tmp/box", "nats://host/box"])
def test_a_scheme_that_carries_no_mailboxes_is_refused(space, address):
    """The error names the address, and what could be used; nothing is created."""
    with pytest.raises(InvalidAddress, match=f"{address.partition('/')[0]}.*shm://"):
        Mailbox(address)
    assert list(space.root.iterdir()) == []


def test_another_package_adds_a_carrier(tmp_path):
    """By an entry point: its addresses are read, its links opened, and nothing else changes."""
    (tmp_path / "other.py").write_text("from liaison.testing.memory import CARRIER\n")
    metadata = tmp_path / "other-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[liaison.carriers]\nother = other:CARRIER\n")
    program = """
import liaison
with liaison.Mailbox("other://somewhere/box") as box:
    box.send("hello")
    print(box.address, box.receive())
try:
    liaison.Mailbox("another://somewhere/box")
except liaison.InvalidAddress as error:
    print(error)
"""
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert told[0] == "other://somewhere/box hello"
    assert "unknown scheme" in told[1]
