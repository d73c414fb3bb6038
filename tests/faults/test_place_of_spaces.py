"""The directories in which spaces lie: which are refused, and what the error says."""

import fcntl
import os
import signal

import pytest

import liaison
from liaison import AccessDenied, Busy, InvalidAddress, Mailbox, NotFound, Space
from liaison.codec import Coder
from liaison.testing import Process, point
from tests.faults.users import GROUP, MEMBER, NOBODY, as_user, needs_root

FRESH = ".liaison-new-0123456789abcdef"


@pytest.fixture
def above(space, monkeypatch):
    """The directory that LIAISON_ROOT names."""
    path = space.root / "above"
    path.mkdir(mode=0o755)
    monkeypatch.setenv("LIAISON_ROOT", str(path))
    return path


def refused(how=Space):
    with pytest.raises(AccessDenied) as raised:
        how()
    return str(raised.value)


# ---- above the root


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
def test_no_space_is_made_where_others_can_rename_it(above, mode):
    """A directory that others may write is refused unless it is sticky, as /dev/shm is."""
    above.chmod(mode)
    text = refused()
    assert "others may rename" in text
    assert f"{mode:04o}" in text
    assert "LIAISON_ROOT" in text
    assert list(above.iterdir()) == []
    above.chmod(mode | 0o1000)
    assert Space().path.startswith(str(above))


@needs_root
def test_no_space_is_made_in_a_directory_of_another_user(above):
    """Another user's directory is refused: its owner can rename files in it, sticky or not."""
    os.chown(above, NOBODY, NOBODY)
    above.chmod(0o1777)
    assert "nobody" in refused()
    assert list(above.iterdir()) == []


def test_a_directory_with_other_files_is_not_recovered(above, space):
    """Recovery removes empty directories and a members file of a dead maker, and nothing else."""
    left = above / FRESH
    (left / "links").mkdir(parents=True)
    (left / "links" / "thesis").write_text("years of work")
    (left / "thesis").write_text("years of work")
    Space()
    space.leaves(links=1)
    assert (left / "thesis").read_text() == (left / "links" / "thesis").read_text()


@needs_root
def test_another_users_leftovers_are_not_even_opened(above):
    """Recovery does not open another user's directory of such a name."""
    above.chmod(0o1777)
    left = above / FRESH
    left.mkdir(mode=0o755)
    os.chown(left, NOBODY, NOBODY)
    descriptor = os.open(left, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)  # a lock for writing would fail beside it
    Space()
    os.close(descriptor)
    assert left.exists()
    left.rmdir()


def test_cleaning_removes_drafts_of_dead_makers(above):
    """clean() removes them also above the root, where no space is made any more."""
    space = Space()
    for place in (above, above / str(os.geteuid())):
        (place / FRESH / "links").mkdir(parents=True)
    space.clean()
    assert [path for path in above.rglob("*") if path.name.startswith(".")] == []


def test_a_umask_that_takes_all_rights_is_no_obstacle(above):
    """With umask 0777 a space can be made and used, and no draft is left."""
    with Process(use_with_umask, 0o777) as process:
        assert process.result() == "x"
    assert [path for path in above.rglob("*") if path.name.startswith(".")] == []


def use_with_umask(umask):
    assert Coder()  # imported while its files may be read
    if os.geteuid() == 0:  # whom no mode keeps out
        os.chown(os.environ["LIAISON_ROOT"], NOBODY, NOBODY)
        os.chmod(os.path.dirname(os.environ["LIAISON_ROOT"]), 0o755)
        os.setuid(NOBODY)
    os.umask(umask)
    with Mailbox("box") as box:
        box.fileno()
        box.send("x")
        message = box.receive()
        box.destroy()
    return message


# ---- errors


@pytest.mark.parametrize(
    ("root", "error", "words"),
    [
        ("relative", InvalidAddress, ["LIAISON_ROOT", "whole path"]),
        ("/etc/passwd", AccessDenied, ["Not a directory", "LIAISON_ROOT"]),
        ("{above}/loop", AccessDenied, ["symbolic links", "LIAISON_ROOT"]),
        ("{above}/a/b", NotFound, ["{above}/a/b", "LIAISON_ROOT"]),
    ],
)
def test_a_root_that_cannot_be_is_named(above, monkeypatch, root, error, words):
    """The error names LIAISON_ROOT, and what is wrong with it."""
    (above / "loop").symlink_to("loop")
    monkeypatch.setenv("LIAISON_ROOT", root.format(above=above))
    with pytest.raises(error) as raised:
        Space()
    for word in words:
        assert word.format(above=above) in str(raised.value)


@pytest.mark.parametrize("part", ["", "default", "default/links", "default/bells"])
def test_a_wrong_mode_is_named_with_the_command_that_corrects_it(above, part):
    """The error names the directory, both modes, and the command that corrects it."""
    Space()
    place = above / str(os.geteuid()) / part
    place.chmod(0o755)
    text = refused()
    assert f"{str(place).rstrip('/')} has mode 0755, not 0700" in text
    assert f"`chmod 0700 {str(place).rstrip('/')}`" in text
    place.chmod(0o700)
    Space()


def test_a_space_that_nobody_shares_says_who_could(space):
    """The error names the owner, and the call that makes such a space."""
    owner = liaison.Space.create("lab", group=os.getegid()).name.partition("@")[0]
    with pytest.raises(NotFound, match=rf"{owner} shares no space 'other'.*Space\.create"):
        Mailbox(f"shm://{owner}@other/box")


@needs_root
def test_the_error_for_a_user_outside_the_group_names_both(space):
    """The error names the group."""
    space.root.chmod(0o755)
    Space.create("lab", group=GROUP)
    with pytest.raises(AccessDenied, match=f"user {MEMBER} is not a member of group {GROUP}"):
        as_user("Space('root@lab')", group=MEMBER)


@needs_root
def test_a_space_for_a_group_of_others_is_denied(space, above):
    """Space.create for a group that the user is not in is AccessDenied, and leaves nothing."""
    space.root.chmod(0o755)
    above.chmod(0o1777)
    with pytest.raises(AccessDenied, match="not a member of group"):
        as_user("Space.create('lab', group=4)", 1, 1)
    assert [path.name for path in above.rglob("*")] == ["1.shared"]


# ---- files in unexpected places


@pytest.mark.parametrize("place", ["", ".shared"])
@pytest.mark.parametrize("what", ["loop", "file", "elsewhere"])
def test_spaces_ignores_what_another_program_put_there(space, place, what):
    """A symbolic link or a file in the place of a user's spaces has no spaces."""
    root = space.root / f"{os.geteuid()}{place}"
    (space.root / "elsewhere" / "not-mine").mkdir(parents=True)
    if what == "file":
        root.write_text("")
    else:
        root.symlink_to(root.name if what == "loop" else "elsewhere")
    assert liaison.spaces() == []
    root.unlink()


def hold_a_lease(path):
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    descriptor = os.open(path, os.O_RDWR)
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    point("held", wait=True)


def test_a_lease_on_a_links_file_hides_that_link_alone(mailbox, space):
    """Opening that link is Busy; the others are listed, and cleaning goes on."""
    mailbox("kept").send("x")
    mailbox("leased").close()
    with Process(hold_a_lease, str(space.path / "names" / "leased"), fork=True) as holder:
        holder.reach("held")
        with pytest.raises(Busy):
            Mailbox.observe("leased")
        assert "kept" in [link.name for link in Space().links()]
        Space().clean()
