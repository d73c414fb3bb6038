"""Processes whose kernel ignores or refuses calls, as those in sandboxes do."""

import ctypes
import errno
import struct

_SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _SECOND_ARGUMENT = 0, 24  # in struct seccomp_data
_FUTEX_WAKE = 1

#: write, futex by machine
CALLS = {"x86_64": (1, 202), "aarch64": (64, 98)}


def wake_nobody(machine):
    """Have FUTEX_WAKE between processes wake nobody, and write() fail, in this process.

    The interpreter's own futexes are private ones, FUTEX_WAKE_PRIVATE, and work on.
    """
    write, futex = CALLS[machine]
    program = [
        (_LOAD, 0, 0, _NUMBER),
        (_EQUAL, 4, 0, write),
        (_EQUAL, 0, 2, futex),
        (_LOAD, 0, 0, _SECOND_ARGUMENT),
        (_EQUAL, 2, 0, _FUTEX_WAKE),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | errno.EAGAIN),
        (_RETURN, 0, 0, _ERRNO | 0),
    ]
    _install(program)


def _install(program):
    filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
    whole = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(program), ctypes.addressof(filters))
    )
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _SET_SECCOMP, _FILTER, ctypes.c_void_p(ctypes.addressof(whole)), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "seccomp")


def refuse(call, error, argument=None, value=0):
    """Have a call fail with an errno: always, or only where an argument is `value`."""
    first = [(_LOAD, 0, 0, _NUMBER), (_EQUAL, 0, 1 if argument is None else 3, call)]
    if argument is not None:
        first += [(_LOAD, 0, 0, 16 + 8 * argument), (_EQUAL, 0, 1, value)]
    _install([*first, (_RETURN, 0, 0, _ERRNO | error), (_RETURN, 0, 0, _ALLOW)])
