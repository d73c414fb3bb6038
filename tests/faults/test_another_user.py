"""Another user tries every operation, and puts other files where a space's own are expected."""

import os
import pwd

import pytest

from liaison import AccessDenied, Corrupt, Mailbox, NameTaken, NotFound, Space
from tests.faults.users import GROUP, MEMBER, NOBODY, as_user, needs_root, tree


@needs_root
def test_a_member_of_the_group_takes_part(space):
    """Another user of the group sends to a shared mailbox, and receives from it."""
    space.root.chmod(0o755)
    address = Space.create("lab", group=GROUP).address("box")
    with Mailbox(address) as box:
        box.send("for you")
        assert as_user(f"Mailbox({address!r}).receive()") == "for you"
        as_user(f"Mailbox({address!r}).send('for you too')")
        with box.lease() as delivery:
            assert delivery.message == "for you too"
        box.destroy()


def put(what, path, real):
    """Put something where the directory or the file `real` could be."""
    if what == "symlink":
        path.symlink_to(real)
    elif what == "hard link":
        os.link(real, path)
    elif what == "fifo":
        os.mkfifo(path, 0o600)
    elif what == "directory" or (real.is_dir() and what != "file"):
        path.mkdir(mode=0o700)
    else:
        path.write_bytes(b"" if real.is_dir() else real.read_bytes())
        path.chmod(0o600)
    if what == "mode":
        path.chmod(0o755 if real.is_dir() else 0o666)
    elif what == "owner":
        os.chown(path, MEMBER, GROUP)


owner = pytest.param("owner", marks=needs_root)


@pytest.mark.parametrize("what", ["symlink", "mode", "file", "fifo", owner])
@pytest.mark.parametrize("where", ["root", "space", "links", "names", "bells"])
def test_a_directory_that_is_not_what_it_should_be_is_not_followed(space, what, where):
    """A space's directory with another owner, mode or type is AccessDenied, and not used."""
    target = space.root / "target"
    target.mkdir(mode=0o700)
    path = space.path.parent if where == "root" else space.path
    if where in ("links", "names", "bells"):
        Space()
        path = space.path / where
        path.rmdir()
    else:
        path.parent.mkdir(mode=0o700, exist_ok=True)
    put(what, path, target)
    before = tree(path.parent)
    for use in (Mailbox, Mailbox.create, lambda name: Space()):
        with pytest.raises(AccessDenied):
            use("box")
    assert tree(path.parent) == before
    assert list(target.iterdir()) == []
    if path.is_symlink() or not path.is_dir():
        path.unlink()


@pytest.mark.parametrize("what", ["symlink", "directory", "fifo", "mode", owner])
@pytest.mark.parametrize("how", [Mailbox, Mailbox.open, Mailbox.observe, Mailbox.create])
def test_a_name_that_is_not_a_link_is_not_opened(mailbox, space, what, how):
    """A symlink, FIFO, directory or foreign file under a name is AccessDenied, and stays."""
    mailbox("real", capacity=1, max_message=8)
    path = space.path / "names" / "box"
    put(what, path, space.path / "names" / "real")
    before = tree(path.parent)
    with pytest.raises((AccessDenied, NameTaken) if how == Mailbox.create else AccessDenied):
        how("box")
    assert tree(path.parent) == before
    path.rmdir() if what == "directory" else path.unlink()


@pytest.mark.parametrize("what", ["symlink", "hard link", "directory", "fifo", owner])
def test_a_members_file_that_is_none_is_not_opened(space, what):
    """Another file in the place of the members file is AccessDenied, and not written."""
    Space()
    real = space.path / "real"
    real.write_bytes(b"precious")
    real.chmod(0o600)
    path = space.path / "members"
    path.unlink(missing_ok=True)
    put(what, path, real)
    with pytest.raises(AccessDenied):
        Mailbox("box")
    assert space.files("links") == space.files("names") == []
    assert real.read_bytes() == b"precious"


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
    """Every operation of another user on a space is denied, and changes nothing."""
    space.root.chmod(0o755)
    if kind == "shared":
        shared = Space.create("lab", group=GROUP)
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
    before = tree(space.root)
    with pytest.raises((AccessDenied, NotFound)) as raised:
        as_user(f"{line} and None", user=NOBODY, group=NOBODY)
    if kind == "shared":
        assert isinstance(raised.value, AccessDenied)
    assert tree(space.root) == before
    assert box.receive_many(5) == ["untouched"]
    box.destroy()


@needs_root
@pytest.mark.parametrize("squat", ["directory", "symlink", "fifo", "file", "hard link"])
def test_nobody_can_take_a_users_place_in_advance(space, monkeypatch, tmp_path, squat):
    """If another user made a file where a user's spaces are to be, that is AccessDenied."""
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
    os.chown(bait, NOBODY, NOBODY)
    as_user(f"__import__('os') and {make[squat]}", user=NOBODY, group=NOBODY)
    before = tree(public)
    for use in (Mailbox, Mailbox.create, lambda name: Space(), lambda name: Space("other")):
        with pytest.raises(AccessDenied) as raised:
            use("box")
        for word in (str(place), pwd.getpwuid(NOBODY).pw_name, "LIAISON_ROOT"):
            assert word in str(raised.value)
    assert tree(public) == before


@needs_root
def test_a_member_of_the_group_cannot_put_anything_in_anothers_way(space):
    """What a member of the group puts under a name in a shared space is not followed."""
    space.root.chmod(0o755)
    shared = Space.create("lab", group=GROUP)
    precious = space.root / "precious"
    precious.write_text("precious")
    precious.chmod(0o660)
    os.chown(precious, 0, GROUP)
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
        as_user(f"__import__('os').umask(7) and {line}", user=NOBODY)
        for use in (Mailbox, Mailbox.open, Mailbox.observe, Mailbox.create):
            with pytest.raises((AccessDenied, Corrupt, NameTaken)):
                use(shared.address(f"squat{number}"))
    assert precious.read_text() == "precious"
