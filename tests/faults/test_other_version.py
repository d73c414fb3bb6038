"""A segment of another version is a VersionMismatch before more of it is read or written."""

from pathlib import Path

import pytest

from liaison import Mailbox, Space, VersionMismatch
from tests.links.actor import Actor
from tests.segments import offset_of


@pytest.fixture
def other_version(space):
    """The file of a mailbox that holds a message, with another version's number on it."""
    with Actor("box = Mailbox('victim', capacity=4, max_message=100)", "box.send('payload')"):
        pass
    path = space.path / "names" / "victim"
    with path.open("r+b") as file:
        file.seek(offset_of("version"))
        number = int.from_bytes(file.read(4), "little")
        file.seek(offset_of("version"))
        file.write((number + 1).to_bytes(4, "little"))
    yield path
    for link in (space.path / "links").iterdir():
        assert link.samefile(path)
        link.unlink()
    path.unlink()


@pytest.mark.parametrize("how", [Mailbox, Mailbox.open, Mailbox.observe])
def test_another_versions_segment_is_not_touched(other_version, how):
    """Opening it in any way raises VersionMismatch, an OSError; no byte of it changes."""
    before = other_version.read_bytes()
    with pytest.raises(VersionMismatch) as raised:
        how("victim")
    assert isinstance(raised.value, OSError)
    assert "victim" not in Path("/proc/self/maps").read_text()
    assert other_version.read_bytes() == before


def test_another_versions_segment_stays(other_version):
    """It is not listed, and cleaning leaves it to processes of its own version."""
    before = other_version.read_bytes()
    assert Space().links() == []
    assert Space().clean(links=True).links == 0
    assert other_version.read_bytes() == before


def test_another_version_does_not_matter_to_the_others(other_version, mailbox):
    """Mailboxes in the same space work."""
    box = mailbox()
    box.send(1)
    assert box.receive() == 1
    assert [link.name for link in Space().links()] == ["box"]
