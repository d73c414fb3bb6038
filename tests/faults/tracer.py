"""One system call of another process fails: the n-th, for a given n.

A child asks to be traced, and marks where counting begins and ends. Its parent lets it run from
call to call. At the call that is to fail, the parent replaces the call's number by one that does
not exist, and the result by an errno. This works on x86-64 only: others have other registers.
"""

import ctypes
import errno
import os
import signal

_TRACEME, _PEEKUSER, _POKEUSER, _CONTINUE, _DETACH, _SYSCALL, _SETOPTIONS = (
    0, 3, 6, 7, 17, 24, 0x4200,
)  # fmt: skip
_SYSGOOD, _EXITKILL = 1, 0x100000
_ORIG_RAX, _RAX, _RDI, _RSI = 120, 80, 112, 104
_NO_CALL = -1
_STOPPED_IN_CALL = signal.SIGTRAP | 0x80
_MARK = 100_000  # no such system call
_BEGIN, _END = 1, 2

#: Calls that can fail: their numbers, and the errors that a program must expect.
CALLS = {
    "read": (0, ["EIO", "EINTR"]),
    "write": (1, ["EIO", "EINTR", "ENOSPC"]),
    "open": (2, ["EMFILE", "ENOMEM"]),
    "close": (3, ["EIO", "EINTR"]),
    "stat": (4, ["ENOMEM", "EACCES"]),
    "fstat": (5, ["ENOMEM"]),
    "lstat": (6, ["ENOMEM", "EACCES"]),
    "mmap": (9, ["ENOMEM"]),
    "pread64": (17, ["EIO", "EINTR"]),
    "pwrite64": (18, ["EIO", "EINTR", "ENOSPC"]),
    "madvise": (28, ["ENOMEM", "EINTR"]),
    "socket": (41, ["EMFILE"]),
    "fcntl": (72, ["ENOLCK", "ENOMEM", "EINTR"]),
    "ftruncate": (77, ["EIO", "EINTR", "ENOSPC"]),
    "mkdir": (83, ["ENOSPC", "EACCES"]),
    "fchmod": (91, ["EIO", "EPERM"]),
    "fchown": (93, ["EIO", "EPERM"]),
    "statfs": (137, ["EIO", "ENOMEM", "EINTR"]),
    "futex": (202, ["EINTR", "ENOMEM"]),
    "getdents64": (217, ["EIO", "ENOMEM"]),
    "epoll_ctl": (233, ["ENOMEM", "ENOSPC"]),
    "openat": (257, ["EMFILE", "ENFILE", "ENOMEM", "EACCES", "EINTR", "ENOSPC"]),
    "mkdirat": (258, ["ENOSPC", "EACCES", "ENOMEM"]),
    "mknodat": (259, ["ENOSPC", "EACCES", "ENOMEM"]),
    "newfstatat": (262, ["ENOMEM", "EACCES"]),
    "unlinkat": (263, ["EIO", "EACCES"]),
    "renameat": (264, ["ENOSPC", "EACCES", "EIO"]),
    "linkat": (265, ["ENOSPC", "EACCES", "ENOMEM", "EMLINK"]),
    "fchmodat": (268, ["EIO", "EPERM"]),
    "timerfd_create": (283, ["EMFILE", "ENOMEM"]),
    "fallocate": (285, ["ENOSPC", "EINTR", "ENOMEM", "EIO"]),
    "timerfd_settime": (286, ["ENOMEM"]),
    "epoll_create1": (291, ["EMFILE", "ENOMEM"]),
    "renameat2": (316, ["ENOSPC", "EACCES", "EIO"]),
    "getrandom": (318, ["EINTR", "ENOSYS"]),
}
NAMES = {number: name for name, (number, _) in CALLS.items()}
#: Calls whose failure no program can handle, or that do not fail (brk returns the old end).
HARMLESS = {
    8, 10, 11, 12, 13, 14, 15, 16, 24, 25, 35, 39, 63, 96, 97, 98, 99, 102, 104, 107, 108, 110, 131,
    186, 201, 203, 204, 218, 228, 230, 232, 273, 281, 302, 309, 334,
}  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def _ptrace(request, pid, address=0, data=0):
    ctypes.set_errno(0)
    answer = _libc.ptrace(request, pid, address, data)
    if answer == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), f"ptrace {request}")
    return answer


# ---- in the child


def be_traced():
    """Ask the parent to trace this process; return once it does."""
    _ptrace(_TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)


def begin():
    """Count system calls from here on."""
    _libc.syscall(_MARK, _BEGIN)


def end():
    """Stop counting system calls."""
    _libc.syscall(_MARK, _END)


# ---- in the parent


def follow(pid, place, error):
    """Let the child run, and its call number `place`, from 1, fail with one of its errors.

    Returns the name of the call, or None when the child made fewer. `error` counts those that the
    call knows, round and round. Whatever else stops the child is passed on to it.
    """
    _wait_stopped(pid)
    _ptrace(_SETOPTIONS, pid, 0, _SYSGOOD | _EXITKILL)
    counting, count, failed = False, 0, None
    passed_on = 0
    while True:
        _ptrace(_SYSCALL, pid, 0, passed_on)
        passed_on = 0
        stopped = _wait_stopped(pid)
        if stopped is None:
            return failed
        if stopped != _STOPPED_IN_CALL:
            passed_on = stopped
            continue
        number = _ptrace(_PEEKUSER, pid, _ORIG_RAX)
        value = None
        if number == _MARK:
            mark = _ptrace(_PEEKUSER, pid, _RDI)
            if mark == _END:
                _ptrace(_DETACH, pid)
                return failed
            counting = True
        elif counting and failed is None and number not in HARMLESS:
            count += not _is_pythons(pid, number)
            if count == place:
                failed = NAMES.get(number, str(number))
                known = CALLS.get(failed, (number, ["EIO"]))[1]
                value = -getattr(errno, known[error % len(known)])
                if failed != "close":  # a failed close has closed all the same
                    _ptrace(_POKEUSER, pid, _ORIG_RAX, _NO_CALL)
        _ptrace(_SYSCALL, pid)
        stopped = _wait_stopped(pid)
        if stopped is None:
            return failed
        if value is not None:
            _ptrace(_POKEUSER, pid, _RAX, value)
            _ptrace(_DETACH, pid)
            return failed


def _is_pythons(pid, number):
    """Whether the call is the interpreter's own, FUTEX_*_PRIVATE."""
    return number == CALLS["futex"][0] and _ptrace(_PEEKUSER, pid, _RSI) & 128


def _wait_stopped(pid):
    """Wait for the child; return the signal that stopped it, or None if it has ended."""
    _, status = os.waitpid(pid, 0)
    return os.WSTOPSIG(status) if os.WIFSTOPPED(status) else None
