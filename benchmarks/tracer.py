"""Stops a child process at one machine instruction, at full speed: a breakpoint, by ptrace.

To kill a process between two steps of an operation one has to stop it there. Stepping through all
that comes before would take a thousand times as long as running it, and whoever it woke on the way
would sleep again. So one child is stepped, to learn the address; in the others a breakpoint is laid
there.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
from collections.abc import Callable

from .peers import Unsupported

_TRACEME, _PEEKTEXT, _POKETEXT, _CONTINUE, _STEP, _GETREGS = 0, 1, 4, 7, 9, 12
_REGISTERS = 27  # of struct user_regs_struct
_RIP = 16
_BREAKPOINT = 0xCC  # int3
_MOST_STEPS = 5_000_000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request: int, pid: int, address: int = 0, data: int | ctypes.Array[ctypes.c_ulong] = 0):
    value = ctypes.cast(data, ctypes.c_void_p) if isinstance(data, ctypes.Array) else data
    ctypes.set_errno(0)
    result = _libc.ptrace(request, pid, address, value)
    if result == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), "ptrace: " + os.strerror(ctypes.get_errno()))
    return result


def check_machine() -> None:
    """Raise `Unsupported` on other processors than x86-64."""
    if platform.machine() != "x86_64":
        raise Unsupported("stops a process at an instruction, which is written for x86-64 only")


def stopped(body: Callable[[], None]) -> int:
    """Fork a child that stops just before `body()`; return its pid."""
    child = os.fork()
    if child == 0:
        try:
            _ptrace(_TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            body()
        finally:
            os._exit(1)
    _await_stop(child)
    return child


def step_until(child: int, reached: Callable[[], bool]) -> int:
    """Step a stopped child until `reached()`; return the address of its next instruction."""
    for _ in range(_MOST_STEPS):
        _ptrace(_STEP, child)
        _await_stop(child)
        if reached():
            registers = (ctypes.c_ulong * _REGISTERS)()
            _ptrace(_GETREGS, child, 0, registers)
            return registers[_RIP]
    raise RuntimeError(f"not reached in {_MOST_STEPS} steps")


def run_to(child: int, address: int) -> None:
    """Let a stopped child run until just before the instruction at `address`."""
    word = _ptrace(_PEEKTEXT, child, address)
    _ptrace(_POKETEXT, child, address, word & ~0xFF | _BREAKPOINT)
    _ptrace(_CONTINUE, child)
    _await_stop(child)


def _await_stop(child: int) -> None:
    _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        raise ChildProcessError(f"the traced process ended: {os.waitstatus_to_exitcode(status)}")
