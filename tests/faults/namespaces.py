"""Processes that live in namespaces of their own, as those in containers do."""

import ctypes
import os
import signal

import pytest

from liaison.testing import Process, point
from tests.links.actor import Actor, act

NEW_TIME, NEW_MOUNT, NEW_PID = 0x80, 0x20000, 0x20000000
_PR_SET_PDEATHSIG = 1
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags):
    """Leave the namespaces of the parent; those of pids and time are its children's."""
    if _libc.unshare(flags):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "unshare")


def needs(flags):
    """Skip, loudly, where such namespaces cannot be made."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            unshare(flags)
            child = os.fork()
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else 0
        finally:
            os._exit(code)
    if os.waitpid(pid, 0)[1]:
        pytest.skip(f"NOT CHECKED: namespaces {flags:#x} cannot be made here; it needs root")


def follow():
    """Die when the parent does; a process in another pid namespace could not tell otherwise."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def next_pid(pid):
    """Let the next process of this pid namespace have that number."""
    with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as file:
        file.write(str(pid - 1))


class Resident(Actor):
    """An `Actor` in namespaces of its own, where it has process number `pid`.

    `pid` here is what the others know it by; `kill` kills it, and not only who started it.
    """

    def __init__(self, *lines, flags, pid=1, monotonic=0, **names):
        Process.__init__(self, _settle, flags, pid, monotonic, names, fork=True)
        self.inhabitant = self.reach("born")
        self.reach("ready")
        for line in lines:
            self.do(line)

    def kill(self):
        if self.alive:
            os.kill(self.inhabitant, signal.SIGKILL)
            self.wait()


def _settle(flags, wanted, monotonic, names):
    unshare(flags)
    if monotonic:
        with open("/proc/self/timens_offsets", "w", encoding="ascii") as file:
            file.write(f"monotonic {monotonic} 0\nboottime {monotonic} 0\n")
    if flags & NEW_MOUNT and _libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "mount /")
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_born(flags, wanted, names, told)
    point("born", pid)
    os.write(tell, b".")
    os.waitpid(pid, 0)


def _be_born(flags, wanted, names, told):
    try:
        follow()
        if flags & NEW_MOUNT and _libc.mount(b"proc", b"/proc", b"proc", 0, None):
            raise OSError(ctypes.get_errno(), "mount /proc")
        os.read(told, 1)
        if wanted != 1 and flags & NEW_PID:
            _stand_in(wanted)
        act(names)
    finally:
        os._exit(0)


def _stand_in(wanted):
    """Be process 1, whose child goes on under the number wanted; die with it, as it with us."""
    next_pid(wanted)
    pid = os.fork()
    if pid == 0:
        assert os.getpid() == wanted
        follow()
        return
    os.waitpid(pid, 0)
    os._exit(0)
