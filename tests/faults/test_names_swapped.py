"""Files are exchanged under their names while a process uses those names.

In a shared space a member of the group exchanges files, and the space's owner whole directories,
for symbolic links to what is precious to somebody else who works there. Nothing outside the space
changes. `native/tests/steps/test_swaps.c` does the same before every system call; here the swappers
are other users.
"""

import ctypes
import os
import pwd

import pytest

from liaison import Endpoint, InvalidAddress, LiaisonError, Mailbox, Port, Space
from liaison.testing import Process, point
from tests.faults.often import FULL
from tests.faults.users import GROUP, needs_root, tree
from tests.segments import rewrite

pytestmark = needs_root

TIMES = 10_000 if FULL else 200  # each operation beside the swapper
VICTIM, MEMBER, OWNER = 12346, 12347, "daemon"
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
    """The victim's own files elsewhere, in directories like a space's."""
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


def exchange(one, other):
    return _libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), _EXCHANGE) == 0


def bait(lab):
    """Make dead links under the precious files' names, which a cleaner would remove."""
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
    """Exchange a directory of the space for a symbolic link, as its owner may."""
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
    """Exchange files in a directory of the space for symbolic links, as a member may."""
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
    """Do every operation that uses names, as the victim; typed errors are no harm."""
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
    """Whatever is exchanged for symbolic links meanwhile, files outside stay as they were."""
    before = tree(precious)
    with Process(swap, lab, str(precious), part, fork=True) as swapper:
        swapper.reach("began")
        with Process(work, TIMES, fork=True) as victim:
            assert victim.result(patience=600) > 0
        assert swapper.exit_code is None
    assert tree(precious) == before
    assert (precious / "secret").read_text() == "years of work"


def rename_all(lab):
    """Try to rename what a member of the group must not rename; return what could be renamed."""
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


def leave_a_port():
    """Wait, as the owner, to be killed as the receiver of a port in which a message waits."""
    become(pwd.getpwnam(OWNER).pw_uid)
    address = f"shm://{OWNER}@lab/port"
    port = Port(address, dead_letters=f"shm://{OWNER}@lab/letters")
    with Process(send_to, address, fork=True) as sender:
        sender.result()
    point("ready", port.link.capacity, wait=True)


def send_to(address):
    with Port.open(address) as port:
        port.send("an order that daemon never gave")


def forge_dead_letters(lab, address):
    """Change, as a member of the group, where the port's dead letters go."""
    become(MEMBER)
    letters = f"shm://{OWNER}@lab/letters".encode()
    rewrite(f"{lab}/names/port", letters, address.encode().ljust(len(letters), b"\0"))


def receive_what_was_left():
    """Open the port and clean, as the victim; return the errors, and the names in its own space."""
    become(VICTIM)
    met = []
    for operation in (
        lambda: Port.open(f"shm://{OWNER}@lab/port"),
        lambda: Space(f"{OWNER}@lab").clean(links=True),
    ):
        try:
            operation()
        except LiaisonError as error:
            met.append(type(error).__name__)
    return met, Space("default").names()


def test_forged_dead_letters_stay_in_their_space(lab, space):
    """Moving a dead receiver's messages puts none into the mover's own space."""
    with Process(leave_a_port, fork=True) as port:
        port.reach("ready")
        port.kill()
    with Process(forge_dead_letters, lab, "shm://default/orders", fork=True) as forger:
        forger.result()
    with Process(receive_what_was_left, fork=True) as victim:
        met, names = victim.result()
    assert met == ["NotFound"]
    assert names == []


def test_dead_letters_of_a_shared_link_are_in_its_space(lab):
    """A link in a shared space cannot be created with dead letters elsewhere."""
    with pytest.raises(InvalidAddress, match="stay in that space"):
        Mailbox.create(f"shm://{OWNER}@lab/new", dead_letters="shm://default/letters")
