"""The members file, which shows who lives, is removed, replaced or damaged."""

import os
import shutil

import pytest

from liaison import Corrupt, Destroyed, Empty, Mailbox, Space
from liaison.address import Address
from liaison.carriers.shm import space as shm
from liaison.carriers.shm.listing import listed
from liaison.testing import until


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_users_get_an_error_without_the_table(mailbox, space, how):
    """Users and newcomers get an error with the reason, and cleaning repairs the space."""
    box = mailbox()
    box.send("message")
    members = space.path / "members"
    if how == "replaced":
        shutil.copy(members, space.path / "copy")
        Space("other")
        os.rename(space.root / str(os.geteuid()) / "other" / "members", members)
    else:
        members.unlink()
    with pytest.raises(Corrupt, match="clean"), Mailbox("box"):
        pass
    with pytest.raises(Destroyed, match=f"{members}.*clean"):
        until(lambda: _uses(box), "the end notices that nobody knows who lives")
    assert Space().clean().remains == 1
    with Mailbox("box") as new:
        new.send("works")
        assert new.receive(timeout=0) == "works"
        new.destroy()


@pytest.mark.parametrize("how", ["removed", "replaced", "cut off"])
def test_members_are_not_listed_without_the_table(mailbox, space, how):
    """Without it members and users are an error, not an empty list."""
    box = mailbox()
    seen = Space()
    here, handle = Address.parse_space("default"), shm.open_space(Address.parse_space("default"))
    assert [peer.pid for peer in seen.members()] == [os.getpid()]
    box.close()  # nothing of the table is open
    members = space.path / "members"
    kept = members.rename(space.path / "kept")
    if how != "removed":
        shutil.copy(kept, members)
    if how == "cut off":
        os.truncate(members, 100)
    with pytest.raises(Corrupt, match=str(space.path)):
        seen.members()
    ((name, error),) = listed(here, handle, counts=True)  # as where it went while they are listed
    assert name == "box"
    assert isinstance(error, Corrupt)
    members.unlink(missing_ok=True)
    kept.rename(members)


def test_an_end_does_not_show_a_link_without_users_where_the_table_is_gone(mailbox, space):
    """Its users, and its creator, would seem to have ended."""
    box = mailbox()
    members = space.path / "members"
    kept = members.rename(space.path / "kept")
    with pytest.raises(Destroyed, match=str(members)):
        box.link  # noqa: B018
    kept.rename(members)


def _uses(box):
    """Receive; never done, so that only an error ends the wait."""
    try:
        box.receive_many(10, timeout=0.001)
    except Empty:
        return False


def test_a_damaged_table_is_an_error_that_helps(space):
    """A truncated members file is refused, and the error says what to do."""
    Space()
    members = space.path / "members"
    os.truncate(members, 100)
    with pytest.raises(Corrupt, match=f"{members}.*liaison rm --space default --whole --force"):
        Space()
