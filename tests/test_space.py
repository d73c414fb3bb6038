"""Spaces: their links, their rights, observing and cleaning them."""

import os
import stat

import pytest

import liaison
from liaison import InvalidAddress, Mailbox, NotFound, Space
from tests.links.actor import Actor


def test_a_space_is_its_users_alone(mailbox, space):
    """The directories of a space have mode 0700, its files 0600, whatever the umask."""
    before = os.umask(0o777)
    try:
        mailbox().fileno()
    finally:
        os.umask(before)
    for path in (space.path.parent, space.path, *space.path.rglob("*")):
        mode = path.lstat().st_mode
        assert stat.S_IMODE(mode) == (0o700 if stat.S_ISDIR(mode) else 0o600), path


def test_the_current_space_is_the_default_one(space, monkeypatch):
    """Space() is the one that LIAISON_SPACE names, or else `default`."""
    assert Space().name == "default"
    assert Space().path == str(space.path)
    monkeypatch.setenv("LIAISON_SPACE", "lab")
    assert Space().name == "lab"
    monkeypatch.setenv("LIAISON_SPACE", "nats://host")
    with pytest.raises(InvalidAddress):
        Space()


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "shm://lab/box"])
def test_a_bad_name_creates_no_space(space, name):
    """A space's name has the grammar of a link's name; another name creates nothing."""
    with pytest.raises(InvalidAddress):
        Space(name)
    assert list(space.root.iterdir()) == []


def test_a_space_lists_its_links(mailbox):
    """links() returns the Link of every link in the space."""
    one, two = mailbox("one"), mailbox("two", capacity=3)
    assert Space().names() == ["one", "two"]
    assert Space().links() == [one.link, two.link]
    assert Space("elsewhere").links() == []
    assert Space().address("one") == one.address


def test_a_space_knows_its_members(mailbox):
    """members() are the living processes that use the space."""
    mailbox()
    with Actor("box = Mailbox('box')") as other:
        members = {peer.pid: peer for peer in Space().members()}
        assert members.keys() == {os.getpid(), other.pid}
        assert "python" in members[other.pid].command
        other.kill()
        assert [peer.pid for peer in Space().members()] == [os.getpid()]


def test_spaces_lists_the_users_spaces(space):
    """liaison.spaces() gives all spaces of this user."""
    assert liaison.spaces() == []
    Space("one"), Space("two")
    assert [found.name for found in liaison.spaces()] == ["one", "two"]


def test_cleaning_removes_what_dead_processes_left(space):
    """clean() removes doorbells and remains, clean(links=True) also unused links."""
    with Actor("box = Mailbox('left')", "box.send('message')", "box.fileno()") as other:
        assert Space().clean() == liaison.space.Cleaned(0, 0, 0, 0)
        other.kill()
    cleaned = Space().clean()
    assert (cleaned.links, cleaned.doorbells) == (0, 1)
    with Mailbox.open("left") as box:
        assert box.peek() == ["message"]
    cleaned = Space().clean(links=True)
    assert cleaned.links == 1
    assert cleaned.bytes > 0
    assert space.files("links") == space.files("names") == []


def test_cleaning_leaves_what_living_processes_use(mailbox):
    """clean(links=True) leaves links whose creator lives, and those that a process has open."""
    mailbox("mine").close()
    with Actor("box = Mailbox('theirs')") as other, Mailbox.open("theirs") as box:
        other.kill()
        assert Space().clean(links=True).links == 0
        box.send("works")
        assert box.receive() == "works"
        box.destroy()


def test_a_space_for_a_group_is_open_to_it(space):
    """Space.create(name, group) is the group's, files 0660, and its directories are sticky.

    All but those of the links, which others may remove when their creator is dead.
    """
    group = 12345 if os.geteuid() == 0 else os.getegid()
    shared = Space.create("lab", group=group)
    assert shared.name.endswith("@lab")
    with Mailbox(shared.address("box")) as box:
        box.fileno()
        top = space.root / f"{os.geteuid()}.shared" / "lab"
        for path in (top, *top.rglob("*")):
            found = path.lstat()
            sticky = 0o3770 if path.name in ("lab", "bells") else 0o2770
            wanted = sticky if stat.S_ISDIR(found.st_mode) else 0o660
            assert stat.S_IMODE(found.st_mode) == wanted, path
            assert found.st_gid == group
        box.destroy()


def test_an_unknown_group_is_not_found(space):
    """Space.create with a group that does not exist raises NotFound, and creates nothing."""
    with pytest.raises(NotFound):
        Space.create("lab", group="no-such-group")
    assert list(space.root.iterdir()) == []
