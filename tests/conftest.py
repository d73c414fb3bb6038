"""Fixtures of all tests: a space for each, and the check that the test left nothing in it."""

import gc
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

import hypothesis
import pytest

import liaison
from liaison.carriers.shm import space as shm
from liaison.errors import Destroyed, LiaisonError, NotFound
from liaison.links import endpoint as links
from liaison.links.observer import observed

PARTS = ("links", "names", "bells")
_report = pytest.StashKey[dict]()

# How long an example takes says how busy the machine is. Beside that the profile that was loaded
# stays as it is: in CI it always draws the same examples.
hypothesis.settings.register_profile("untimed", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.stash.setdefault(_report, {})[report.when] = report
    return report


def _directory():
    return tempfile.mkdtemp(prefix="liaison-test-", dir="/dev/shm")


def pytest_collection_finish():
    """Freeze the ten thousand tests: each collection would examine them all for 0.3 s."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _interruptible():
    """Handle Ctrl-C, which a shell makes background jobs, and so their children, ignore."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _away_from_the_users_spaces():
    """Keep every test, even without a space of its own, away from the user's spaces."""
    with pytest.MonkeyPatch.context() as patch:
        root = _directory()
        patch.setenv("LIAISON_ROOT", root)
        patch.delenv("LIAISON_SPACE", raising=False)
        yield
        shutil.rmtree(root)


class Ground:
    """The directory under which one test's spaces lie."""

    def __init__(self, root):
        self.root = Path(root)
        self.path = self.root / str(os.geteuid()) / "default"  # the current space
        self._left = dict.fromkeys(PARTS, 0)

    def files(self, part):
        """List the names of the files in a part of all spaces."""
        return sorted(file.name for file in self.root.glob(f"*/*/{part}/*"))

    def leaves(self, **counts):
        """Declare how many files the test leaves in a part."""
        self._left.update(counts)

    def check(self):
        left = {part: self.files(part) for part in PARTS}
        assert {part: len(files) for part, files in left.items()} == self._left, left

    def held(self):
        """List the descriptors and mappings of this process that lead here."""
        found = []
        for number in os.listdir("/proc/self/fd"):
            try:
                found.append(os.readlink(f"/proc/self/fd/{number}"))
            except FileNotFoundError:
                continue
        with open("/proc/self/maps") as maps:
            found += [line.rstrip() for line in maps]
        return [one for one in found if str(self.root) in one]


@pytest.fixture
def space(request, monkeypatch):
    """A ground for one test, and the check that the test leaves nothing there."""
    ground = Ground(_directory())
    monkeypatch.setenv("LIAISON_ROOT", str(ground.root))
    monkeypatch.delenv("LIAISON_SPACE", raising=False)
    try:
        yield ground
        # A failed test's traceback keeps its objects alive, so what it left proves nothing.
        if all(report.passed for report in request.node.stash[_report].values()):
            shm._spaces.clear()
            if ground.held():
                gc.collect()
            ground.check()
            assert ground.held() == []
    finally:
        shm._spaces.clear()
        shutil.rmtree(ground.root, ignore_errors=True)


@pytest.fixture
def mailbox(space):
    """Make mailboxes that are destroyed after the test."""
    names = []

    def make(name="box", **options):
        names.append(name)
        return liaison.Mailbox(name, **options)

    yield make
    for name in names:
        try:
            with liaison.Mailbox.observe(name) as box:
                box.destroy(force=True)
        except (Destroyed, LiaisonError):
            continue


@pytest.fixture
def endpoints(space):
    """Destroy the endpoints that the test has closed, and all that belongs to them."""
    yield
    links._boxes.clear()
    for name in liaison.Space().names():
        with suppress(NotFound), observed(name) as end:
            end.destroy(force=True)
    liaison.Space().clean()


@pytest.fixture(params=["unix", "tcp"])
def address(request, tmp_path):
    """An address to listen at, of either kind of socket."""
    return f"unix://{tmp_path}/it" if request.param == "unix" else "tcp://127.0.0.1:0"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Paths: of the certificate to trust, of one that it signs, and of its key."""
    trustme = pytest.importorskip("trustme")
    place = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    names = [str(place / name) for name in ("trusted.pem", "certificate.pem", "key.pem")]
    authority.cert_pem.write_to_path(names[0])
    issued.cert_chain_pems[0].write_to_path(names[1])
    issued.private_key_pem.write_to_path(names[2])
    return names
