"""Names that are another file by the time they are used: a swapper beside every operation.

In a shared space a member of the group exchanges files, and the space's owner whole directories,
for symbolic links to what is precious to somebody else who works there. Nothing outside the space
changes. `native/tests/steps/test_swaps.c` does the same before every system call; here the swappers
are other users.
"""

import ctypes
import os
import pwd

import pytest

from liaison import Endpoint, LiaisonError, Mailbox, Space
from liaison.testing import Process, point
from tests.faults.often import FULL
from tests.faults.test_another_user import needs_root

pytestmark = needs_root

TIMES = 10_000 if FULL else 200  # each operation beside the swapper
GROUP, VICTIM, MEMBER, OWNER = 12345, 12346, 12347, "daemon"
_EXCHANGE = 2
_libc = ctypes.CDLL(None, use_errno=True)


def become(uid):
    os.setgroups([GROUP])
    os.setgid(uid)
    os.setuid(uid)


def make():
    become(pwd.getpwnam(OWNER).pw_uid)
    os.umask(0o022)
    space = Space.create("lab", group=GROUP)
    with Mailbox(space.address("box")):
        return space.path


@pytest.fixture
def lab(space):
    """The directory of a space that OWNER shares with the group."""
    space.root.chmod(0o1777)
    with Process(make, fork=True) as maker:
        path = maker.result()
    yield path
    space.leaves(**{part: len(space.files(part)) for part in ("links", "names", "bells")})


@pytest.fixture
def precious(space):
    """What the victim has elsewhere, in directories like a space's."""
    top = space.root / "home"
    for directory in (top, top / "links", top / "names", top / "bells"):
        directory.mkdir()
        os.chown(directory, VICTIM, GROUP)
        directory.chmod(0o2770 if directory != top else 0o755)
    for file in (top / "secret", *(top / part / "thesis" for part in ("links", "names", "bells"))):
        file.write_text("years of work")
        os.chown(file, VICTIM, GROUP)
        file.chmod(0o600)
    return top


def tree(top):
    return {
        str(path): (found.st_mode, found.st_uid, found.st_gid, found.st_size, found.st_nlink)
        for path in sorted(top.rglob("*"))
        for found in (path.lstat(),)
    }


def exchange(one, other):
    return _libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), _EXCHANGE) == 0


def bait(lab):
    """Dead links under the precious files' names, which a cleaner would remove."""
    with open(f"{lab}/names/box", "rb") as file:
        segment = file.read(1 << 17)
        size = os.fstat(file.fileno()).st_size
    path = f"{lab}/links/thesis"
    with open(path, "wb") as file:
        os.fchmod(file.fileno(), 0o660)
        os.fchown(file.fileno(), -1, GROUP)
        file.write(segment)
        file.truncate(size)


def swap_directory(lab, precious, part):
    """As the owner, who may rename what is in the space."""
    become(pwd.getpwnam(OWNER).pw_uid)
    bait(lab)
    decoy = f"{lab}/decoy"
    os.symlink(f"{precious}/{part}", decoy)
    point("began")
    while True:
        exchange(f"{lab}/{part}", decoy)
        if part == "links" and not os.path.lexists(f"{lab}/links/thesis"):
            bait(lab)


def swap_files(lab, precious, part):
    """As a member of the group, who may rename what lies in these directories."""
    become(MEMBER)
    decoys = f"{lab}/../../decoys"
    os.mkdir(decoys)
    point("began")
    turn = 0
    while True:
        for name in os.listdir(f"{lab}/{part}"):
            decoy = f"{decoys}/{(turn := turn + 1) % 100}"
            if not os.path.lexists(decoy):
                os.symlink(f"{precious}/secret", decoy)
            exchange(f"{lab}/{part}/{name}", decoy)


OPERATIONS = (
    lambda where: Mailbox.open(f"{where}/box").fileno(),
    lambda where: Mailbox.create(f"{where}/new").destroy(),
    lambda where: Mailbox(f"{where}/other").send("x", timeout=0),
    lambda where: Mailbox.open(f"{where}/other").receive(timeout=0),
    lambda where: Space(f"{OWNER}@lab").clean(),
    lambda where: Space(f"{OWNER}@lab").links(),
    lambda where: Space(f"{OWNER}@lab").members(),
    lambda where: rename(f"{where}/me", "you"),
)


def rename(name, to):
    with Endpoint(name) as me:
        me.rename(to)
        me.retire(name.rpartition("/")[2])


def work(times):
    """Do everything that goes by names, as the victim; errors are no harm if they have a type."""
    become(VICTIM)
    done = 0
    for _ in range(times):
        for operation in OPERATIONS:
            try:
                operation(f"shm://{OWNER}@lab")
                done += 1
            except LiaisonError:
                continue
    return done


@pytest.mark.parametrize("part", ["links", "names", "bells"])
@pytest.mark.parametrize("swap", [swap_directory, swap_files])
def test_nothing_outside_the_space_changes(lab, precious, swap, part):
    """Whatever is exchanged for links to it meanwhile, what lies outside stays as it was."""
    before = tree(precious)
    with Process(swap, lab, str(precious), part, fork=True) as swapper:
        swapper.reach("began")
        with Process(work, TIMES, fork=True) as victim:
            assert victim.result(patience=600) > 0
        assert swapper.exit_code is None
    assert tree(precious) == before
    assert (precious / "secret").read_text() == "years of work"


def rename_all(lab):
    """Try to rename what a member of the group must not; the names of what could be renamed."""
    become(MEMBER)
    places = [f"{lab}/{name}" for name in ("links", "names", "bells", "members")]
    places += [f"{lab}/bells/{name}" for name in os.listdir(f"{lab}/bells")]
    renamed = []
    for place in (*places, lab):
        try:
            os.rename(place, f"{place}.mine")
        except PermissionError:
            continue
        renamed.append(place)
    assert len(places) > 4  # a doorbell among them
    return renamed


def test_a_member_of_the_group_renames_no_directory(lab):
    """The directories, the members file and others' doorbells stay under their names."""
    with Mailbox.open(f"shm://{OWNER}@lab/box") as box:
        box.fileno()
        with Process(rename_all, lab, fork=True) as member:
            assert member.result() == []
