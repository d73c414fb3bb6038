"""Spaces: where links live, who may use them, what is seen of them, and what is cleaned."""

import os
import stat

import pytest

import liaison
from liaison import AccessDenied, InvalidAddress, Mailbox, NotFound, Space
from liaison.testing import until
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
def test_a_bad_name_makes_no_space(space, name):
    """A space's name is of the same grammar as a link's; nothing is created otherwise."""
    with pytest.raises(InvalidAddress):
        Space(name)
    assert list(space.root.iterdir()) == []


def test_a_space_lists_its_links(mailbox):
    """links() tells of every link in the space, as each of them would."""
    one, two = mailbox("one"), mailbox("two", capacity=3)
    assert Space().names() == ["one", "two"]
    assert Space().links() == [one.link, two.link]
    assert Space("elsewhere").links() == []
    assert Space().address("one") == one.address


def test_looking_at_a_space_takes_no_part_in_its_links(mailbox):
    """links() takes no place of a pair, and makes nobody a sender or receiver."""
    box = mailbox(access="pair")
    with Actor("Space().links()") as other:
        assert other.do("[link.name for link in Space().links()]") == ["box"]
        with Actor("box = Mailbox('box')", "box.send(1)"):
            assert box.receive() == 1


def test_a_space_knows_its_members(mailbox):
    """members() are the living processes that use the space, and nobody else."""
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


def test_cleaning_removes_what_the_dead_left(space):
    """clean() removes doorbells and remains, clean(links=True) also links that nobody uses."""
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


def test_cleaning_leaves_what_the_living_use(mailbox):
    """clean(links=True) leaves links whose creator lives, and those that somebody has open."""
    mailbox("mine").close()
    with Actor("box = Mailbox('theirs')") as other, Mailbox.open("theirs") as box:
        other.kill()
        assert Space().clean(links=True).links == 0
        box.send("works")
        assert box.receive() == "works"
        box.destroy()


def test_a_space_for_a_group_is_open_to_it(space):
    """Space.create(name, group) has mode 2770 and files 0660, owned by that group."""
    shared = Space.create("lab", group=12345 if os.geteuid() == 0 else os.getegid())
    assert shared.name.endswith("@lab")
    with Mailbox(shared.address("box")) as box:
        box.fileno()
        for path in (space.root / f"{os.geteuid()}.shared" / "lab").rglob("*"):
            mode = path.lstat().st_mode
            assert stat.S_IMODE(mode) == (0o2770 if stat.S_ISDIR(mode) else 0o660), path
        box.destroy()


def test_an_unknown_group_is_not_found(space):
    """Space.create with a group that does not exist raises NotFound, and makes nothing."""
    with pytest.raises(NotFound):
        Space.create("lab", group="no-such-group")
    assert list(space.root.iterdir()) == []


def as_user(line, uid=12346, gid=12345, groups=()):
    """What a process of another user gets by running a line."""
    # Imported while its files may be read: what is installed may lie where others may not go.
    with Actor("import os", "import liaison.codec") as other:
        other.do(f"os.setgroups({list(groups)!r}); os.setgid({gid}); os.setuid({uid})")
        return other.do(line)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT CHECKED: becoming others needs root")


@needs_root
def test_a_member_of_the_group_takes_part(space, monkeypatch):
    """Another user of the group sends to a shared mailbox, and receives from it."""
    space.root.chmod(0o755)
    address = Space.create("lab", group=12345).address("box")
    with Mailbox(address) as box:
        box.send("for you")
        assert as_user(f"Mailbox({address!r}).receive()") == "for you"
        as_user(f"Mailbox({address!r}).send('for you too')")
        with box.lease() as delivery:
            assert delivery.message == "for you too"
        box.destroy()


@needs_root
@pytest.mark.parametrize("how", ["Mailbox", "Mailbox.open", "Mailbox.create", "Mailbox.observe"])
def test_who_is_not_of_the_group_is_denied(space, how):
    """Another user who is not of the group gets AccessDenied, a PermissionError."""
    space.root.chmod(0o755)
    address = Space.create("lab", group=12345).address("box")
    with Mailbox(address) as box:
        with pytest.raises(AccessDenied) as raised:
            as_user(f"{how}({address!r}) and None", gid=99)
        assert isinstance(raised.value, PermissionError)
        box.destroy()


@needs_root
def test_another_users_private_space_is_denied(mailbox, space):
    """Nobody reaches into a space that is its user's alone."""
    space.root.chmod(0o755)
    mailbox()
    with pytest.raises((AccessDenied, NotFound)):
        as_user("Mailbox('shm://root@default/box')")


def squat_symlink(path, space):
    target = space.root / "target"
    target.mkdir(exist_ok=True)
    target.chmod(0o700)
    path.symlink_to(target)


def squat_mode(path, space):
    path.mkdir()
    path.chmod(0o755)


def squat_file(path, space):
    path.write_text("")


def squat_fifo(path, space):
    os.mkfifo(path)


def squat_owner(path, space):
    path.mkdir(mode=0o700)
    os.chown(path, 12346, 12345)


SQUATS = [
    squat_symlink,
    squat_mode,
    squat_file,
    squat_fifo,
    pytest.param(squat_owner, marks=needs_root),
]


@pytest.mark.parametrize("squat", SQUATS)
@pytest.mark.parametrize("where", ["root", "space", "links", "names", "bells"])
def test_a_directory_that_is_not_what_it_should_be_is_not_followed(space, squat, where):
    """A space's directory with another owner, mode or type is AccessDenied; nothing is in it."""
    path = space.path.parent if where == "root" else space.path
    if where in ("links", "names", "bells"):
        Space()
        path = space.path / where
        path.rmdir()
    else:
        path.parent.mkdir(mode=0o700, exist_ok=True)
    squat(path, space)
    before = path.lstat()
    for use in (Mailbox, Mailbox.create, lambda name: Space()):
        with pytest.raises(AccessDenied):
            use("box")
    assert path.lstat().st_mode == before.st_mode
    assert path.lstat().st_uid == before.st_uid
    assert not path.is_dir() or list(path.iterdir()) == []
    if path.is_symlink() or not path.is_dir():
        path.unlink()


def take_symlink(path, space, real):
    path.symlink_to(real)


def take_directory(path, space, real):
    path.mkdir(mode=0o700)


def take_fifo(path, space, real):
    os.mkfifo(path, 0o600)


def take_mode(path, space, real):
    path.write_bytes(real.read_bytes())
    path.chmod(0o666)


def take_owner(path, space, real):
    path.write_bytes(real.read_bytes())
    path.chmod(0o600)
    os.chown(path, 12346, 12345)


TAKEN = [
    take_symlink,
    take_directory,
    take_fifo,
    take_mode,
    pytest.param(take_owner, marks=needs_root),
]


@pytest.mark.parametrize("take", TAKEN)
@pytest.mark.parametrize("how", [Mailbox, Mailbox.open, Mailbox.observe, Mailbox.create])
def test_a_name_that_is_not_a_link_is_not_opened(mailbox, space, take, how):
    """A symlink, FIFO, directory or foreign file under a name is AccessDenied, and stays."""
    mailbox("real", capacity=1, max_message=8)
    path = space.path / "names" / "box"
    take(path, space, space.path / "names" / "real")
    before = path.lstat()
    with pytest.raises(
        (AccessDenied, liaison.NameTaken) if how == Mailbox.create else AccessDenied
    ):
        how("box")
    assert path.lstat().st_ino == before.st_ino
    assert path.lstat().st_mode == before.st_mode
    path.rmdir() if take is take_directory else path.unlink()


@pytest.mark.parametrize("take", [take for take in TAKEN if take is not take_mode])
def test_a_members_file_that_is_none_is_not_opened(space, take):
    """So it is with the file of the members."""
    Space()
    real = space.path / "real"
    real.write_bytes(b"")
    real.chmod(0o600)
    path = space.path / "members"
    path.unlink(missing_ok=True)
    take(path, space, real)
    with pytest.raises(AccessDenied):
        Mailbox("box")
    assert space.files("links") == space.files("names") == []
    assert real.read_bytes() == b""


def test_a_hard_link_is_no_members_file(space):
    """A members file that is a hard link to another file of the user's is not written."""
    Space()
    precious = space.root / "precious"
    precious.write_text("precious")
    precious.chmod(0o600)
    (space.path / "members").unlink(missing_ok=True)
    os.link(precious, space.path / "members")
    with pytest.raises(AccessDenied):
        Mailbox("box")
    assert precious.read_text() == "precious"


def test_a_space_that_was_removed_is_made_anew(space):
    """After the directory is gone, as a logout does, old ends are Destroyed and new ones work."""
    import shutil

    old = Mailbox("box")
    shutil.rmtree(space.path)
    with Mailbox("box") as new:
        new.send("hello")
        assert new.receive(timeout=0) == "hello"
        assert old.link.id != new.link.id
        with pytest.raises(liaison.Destroyed):
            old.receive(timeout=60)
        new.destroy()
    old.close()


def test_a_space_has_room_for_many_members(mailbox):
    """Processes that come and go use each other's places."""
    box = mailbox()
    for _ in range(50):
        with Actor("box = Mailbox('box')", "box.send(1)", fork=True) as other:
            other.kill()
        box.receive()
    assert len(Space().members()) == 1
    until(lambda: len(box.link.senders) == 0, "the dead are not on the link")
