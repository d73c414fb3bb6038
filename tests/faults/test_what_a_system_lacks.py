"""If a kernel, sandbox or limit prevents an operation, the error names it, and the remedy.

native/tests/test_platform.c shows that links work without what has a substitute; these tests show
what users read of the rest.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import subprocess

import pytest

from liaison import AccessDenied, Mailbox, NoSpace, Space, Unsupported, pipe
from liaison.testing import Process
from tests.faults import seccomp
from tests.faults.namespaces import NEW_MOUNT, needs, unshare

_FCNTL = {"x86_64": 72, "aarch64": 25}
_F_OFD_SETLK, _F_OFD_GETLK = 37, 36


def error_of(prepare, *arguments):
    """Open a mailbox in a process of its own that `prepare` has limited; return its error."""
    with Process(_try, prepare, arguments, fork=True) as process:
        return process.result()


def _try(prepare, arguments):
    prepare(*arguments)
    try:
        with Mailbox("box") as box:
            box.destroy()
    except (OSError, MemoryError) as error:
        return type(error), error.errno, str(error)
    return None


# ---- no /dev/shm


def _no_shm(uid, mode):
    unshare(NEW_MOUNT)
    os.environ.pop("LIAISON_ROOT")
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None) == 0
    options = ["-o", f"mode={mode or 755}", "tmpfs", "/dev/shm" if mode else "/dev"]
    subprocess.run(["mount", "-t", "tmpfs", *options], check=True)
    os.setgid(uid)
    os.setuid(uid)


@pytest.mark.parametrize("uid", [0, 65534])
def test_without_dev_shm_it_is_named_with_the_ways_out(space, uid):
    """The error names /dev/shm and LIAISON_ROOT; not even root makes the directory."""
    needs(NEW_MOUNT)
    kind, number, text = error_of(_no_shm, uid, 0)
    assert (kind, number) == (Unsupported, errno.ENOSYS)
    assert "/dev/shm, in which spaces lie, does not exist" in text
    assert "LIAISON_ROOT" in text
    assert "create it with" not in text


def test_a_dev_shm_that_may_not_be_written_is_denied(space):
    """The error names a directory that the user can make."""
    needs(NEW_MOUNT)
    kind, _, text = error_of(_no_shm, 65534, 755)
    assert kind is AccessDenied
    assert "may not make a directory in /dev/shm" in text
    assert "mkdir -m 700 /tmp/" in text


# ---- calls that are refused


@pytest.mark.parametrize("error", [errno.EINVAL, errno.EPERM, errno.ENOSYS])
@pytest.mark.parametrize("command", [_F_OFD_SETLK, _F_OFD_GETLK])
def test_without_ofd_locks_they_are_named(space, command, error):
    """The error names OFD locks, and since when Linux has them, whatever the sandbox's errno."""
    arguments = (_FCNTL[platform.machine()], error, 1, command)
    kind, number, text = error_of(seccomp.refuse, *arguments)
    assert (kind, number) == (Unsupported, errno.ENOSYS)
    assert "OFD locks" in text
    assert "3.15" in text
    assert space.files("links") == []


# ---- limits of the process


def _limit(name, value):
    Space()
    number = getattr(resource, name)
    resource.setrlimit(number, (value, resource.getrlimit(number)[1]))


@pytest.mark.parametrize(
    ("limit", "value", "expected", "number", "words"),
    [
        ("RLIMIT_FSIZE", 100 << 10, NoSpace, errno.EFBIG, ["102,400 bytes", "`ulimit -f`"]),
        ("RLIMIT_NOFILE", 8, OSError, errno.EMFILE, ["Too many open files", "8: `ulimit -n`"]),
        ("RLIMIT_AS", 600 << 20, OSError, errno.ENOMEM, ["629,145,600 bytes", "`ulimit -v`"]),
    ],
)
def test_a_limit_of_the_process_is_named(space, limit, value, expected, number, words):
    """The error keeps the errno and names the limit; it reports no full file system."""
    kind, found, text = error_of(_limit, limit, value)
    assert (kind, found) == (expected, number)
    for word in words:
        assert word in text
    assert "is full" not in text
    assert space.files("links") == []


# ---- Ctrl-C


@pytest.mark.parametrize(
    "make", [lambda **size: Mailbox("box", **size), pipe], ids=["named", "pipe"]
)
def test_a_large_reservation_can_be_interrupted(space, make):
    """A signal handler runs between pieces; its exception ends the reservation, nothing is left."""

    def handler(*_):
        raise KeyboardInterrupt

    Space().members()
    before = signal.signal(signal.SIGALRM, handler)
    try:
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 (the timer is part of it)
            signal.setitimer(signal.ITIMER_REAL, 0.005)
            make(memory=2 << 30)
            signal.pause()  # made already: the timer ends this
    finally:
        signal.signal(signal.SIGALRM, before)
    assert space.files("links") == []
    assert space.files("names") == []


def test_a_fast_timer_does_not_make_it_begin_again(space):
    """With a signal every half a millisecond the memory is reserved, and the handler runs."""
    runs = []
    before = signal.signal(signal.SIGALRM, lambda *_: runs.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        with Mailbox("box", memory=96 << 20) as box:
            signal.setitimer(signal.ITIMER_REAL, 0)
            box.destroy()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(runs) > 3
