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
    """Leave the parent's namespaces; new ones of pids and time begin with the children."""
    if _libc.unshare(flags):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "unshare")


def needs(flags):
    """Skip the test, with a reason, where such namespaces cannot be made."""
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
    """Die with the parent, whose death a process in another pid namespace cannot see."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def next_pid(pid):
    """Give the next process of this pid namespace that pid."""
    with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as file:
        file.write(str(pid - 1))


class Resident(Actor):
    """An `Actor` in namespaces of its own, where its pid is `pid`.

    Its attribute `inhabitant` is its pid outside; `kill` kills that process.
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
    may_begin, begin = os.pipe()
    pid = os.fork()
    if pid == 0:
        _begin(flags, wanted, names, may_begin)
    point("born", pid)
    os.write(begin, b".")
    os.waitpid(pid, 0)


def _begin(flags, wanted, names, may_begin):
    try:
        follow()
        if flags & NEW_MOUNT and _libc.mount(b"proc", b"/proc", b"proc", 0, None):
            raise OSError(ctypes.get_errno(), "mount /proc")
        os.read(may_begin, 1)
        if wanted != 1 and flags & NEW_PID:
            _stand_in(wanted)
        act(names)
    finally:
        os._exit(0)


def _stand_in(wanted):
    """Be process 1, and continue in a child that has the pid `wanted`; each dies with the other."""
    next_pid(wanted)
    pid = os.fork()
    if pid == 0:
        assert os.getpid() == wanted
        follow()
        return
    os.waitpid(pid, 0)
    os._exit(0)
