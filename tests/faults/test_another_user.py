"""Another user: every operation, and everything that one can put in our way."""

import os
import pwd

import pytest

import liaison
from liaison import AccessDenied, Mailbox, NotFound, Space
from tests.links.actor import Actor


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


OPERATIONS = [
    "Mailbox({box})",
    "Mailbox.create({new})",
    "Mailbox.create({box})",
    "Mailbox.open({box})",
    "Mailbox.observe({box})",
    "Mailbox({box}).send(1)",
    "liaison.Space({space})",
    "liaison.Space({space}).links()",
    "liaison.Space({space}).members()",
    "liaison.Space({space}).clean(links=True)",
    "liaison.Space.create({space})",
]


@needs_root
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", ["private", "shared"])
def test_a_stranger_is_denied_every_operation(mailbox, space, operation, kind):
    """Whatever another user tries on a space that is not theirs is denied, and changes nothing."""
    space.root.chmod(0o755)
    if kind == "shared":
        shared = Space.create("lab", group=12345)
        address, name = shared.address("box"), shared.name
        box = Mailbox(address)
    else:
        mailbox().close()
        address, name = "shm://root@default/box", "root@default"
        box = Mailbox("box")
    box.send("untouched")
    line = operation.format(
        box=repr(address), new=repr(address.replace("box", "new")), space=repr(name)
    )
    before = _tree(space.root)
    with pytest.raises((AccessDenied, NotFound)) as raised:
        as_user(f"{line} and None", uid=65534, gid=65534)
    if kind == "shared":
        assert isinstance(raised.value, AccessDenied)
    assert _tree(space.root) == before
    assert box.receive_many(5) == ["untouched"]
    box.destroy()


def _tree(root):
    found = []
    for path in sorted(root.rglob("*")):
        seen = path.lstat()
        found.append((str(path), seen.st_mode, seen.st_uid, seen.st_gid, seen.st_ino))
    return found


@needs_root
@pytest.mark.parametrize("squat", ["directory", "symlink", "fifo", "file", "hard link"])
def test_nobody_can_take_a_users_place_in_advance(space, monkeypatch, tmp_path, squat):
    """What another user put where a user's spaces are to be is AccessDenied, and not followed."""
    public = space.root / "public"  # as /dev/shm: everybody may write
    public.mkdir()
    public.chmod(0o1777)
    space.root.chmod(0o755)
    monkeypatch.setenv("LIAISON_ROOT", str(public))
    place, bait = public / "0", public / "bait"
    make = {
        "directory": f"os.mkdir({str(place)!r}, 0o700)",
        "symlink": f"os.symlink({str(bait)!r}, {str(place)!r})",
        "fifo": f"os.mkfifo({str(place)!r})",
        "file": f"open({str(place)!r}, 'w').close()",
        "hard link": f"os.link({str(bait)!r}, {str(place)!r})",
    }
    bait.write_text("") if squat == "hard link" else bait.mkdir(mode=0o700)
    os.chown(bait, 65534, 65534)
    as_user(f"__import__('os') and {make[squat]}", uid=65534, gid=65534)
    before = _tree(public)
    for use in (Mailbox, Mailbox.create, lambda name: Space(), lambda name: Space("other")):
        with pytest.raises(AccessDenied) as raised:
            use("box")
        for word in (str(place), pwd.getpwuid(65534).pw_name, "LIAISON_ROOT"):
            assert word in str(raised.value)
    assert _tree(public) == before


@needs_root
def test_a_member_of_the_group_cannot_put_anything_in_anothers_way(space):
    """In a shared space another member's squats on names, members and bells are not followed."""
    space.root.chmod(0o755)
    shared = Space.create("lab", group=12345)
    precious = space.root / "precious"
    precious.write_text("precious")
    precious.chmod(0o660)
    os.chown(precious, 0, 12345)
    names = f"{shared.path}/names"
    space.leaves(names=4)
    for number, line in enumerate(
        (
            f"os.symlink({str(precious)!r}, '{names}/squat0')",
            f"os.mkfifo('{names}/squat1', 0o660)",
            f"os.mkdir('{names}/squat2')",
            f"open('{names}/squat3', 'w').close()",
        )
    ):
        as_user(f"__import__('os').umask(7) and {line}", uid=65534)
        for use in (Mailbox, Mailbox.open, Mailbox.observe, Mailbox.create):
            with pytest.raises((AccessDenied, liaison.Corrupt, liaison.NameTaken)):
                use(shared.address(f"squat{number}"))
    assert precious.read_text() == "precious"
