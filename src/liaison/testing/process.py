"""A process that reports where it is, and can be stopped and killed there.

Between the two goes a socket pair with pickles on it. The child sends ``("point", name, value)``,
``("result", value)`` or ``("raised", error, traceback)``; the parent sends a value to let a child
go on that waits at a point. The end of the stream is the child's death.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import subprocess
import sys
import traceback
from importlib import import_module
from multiprocessing.connection import Connection, Pipe
from time import monotonic
from typing import TYPE_CHECKING, Any

from liaison.testing.waiting import PATIENCE, Watchdog, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

__all__ = ["Process", "ProcessDied", "point"]

_parent: list[Connection[Any, Any]] = []  # in a child: the connection to its parent
_PR_SET_PDEATHSIG = 1


class ProcessDied(AssertionError):
    """A process ended before it did what the test waited for.

    >>> issubclass(ProcessDied, AssertionError)
    True
    """


class Process:
    """A process that runs ``function(*arguments)``; a context manager that kills what is left.

    - ``function``: one that can be imported, or its name as ``"module:name"``. It runs in a new
      interpreter, which knows nothing of this one but its environment and its import path.
    - ``fork=True``: in a forked child of this process instead, which inherits everything. It is
      quicker to start, too.

    The process is killed when the thread that started it ends, so that a test which is killed
    leaves nothing behind. Raises `ValueError` for a function that cannot be imported.

    >>> import time
    >>> with Process(time.sleep, 3600) as sleeper:
    ...     sleeper.kill()
    ...     sleeper.exit_code
    -9
    """

    def __init__(
        self, function: Callable[..., Any] | str, *arguments: Any, fork: bool = False
    ) -> None:
        """Start it."""
        name = function if isinstance(function, str) else _name_of(function)
        self._shown = name
        self._exit_code: int | None = None
        self._points: list[tuple[str, Any]] = []
        self._outcome: tuple[Any, ...] | None = None
        self._popen: subprocess.Popen[bytes] | None = None
        ours, theirs = Pipe()
        self._child = ours
        if fork:
            self.pid = os.fork()
            if self.pid == 0:
                code = 1
                try:
                    ours.close()
                    code = run(theirs, name, arguments)
                finally:
                    # Without finalizers: a child must not run those of what it is a copy of.
                    os._exit(code)
        else:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "liaison.testing.child", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            self.pid = self._popen.pid
            ours.send_bytes(pickle.dumps((name, arguments)))
        theirs.close()
        self._pidfd = os.pidfd_open(self.pid)

    # ---- following it

    def reach(self, name: str, *, patience: float = PATIENCE) -> Any:
        """Wait until it comes to the `point` of that name; return the value that it told.

        Points are met in order: those that it passed before this one are forgotten. Raises
        `ProcessDied` when it ends before, with its own exception as the cause, and `Watchdog`.

        >>> with Process("liaison.testing:point", "here", 7) as process:
        ...     process.reach("here")
        7
        """
        end = monotonic() + patience
        while True:
            while self._points:
                passed, value = self._points.pop(0)
                if passed == name:
                    return value
            if not self._hear(end - monotonic()):
                if self._outcome is not None or self.exit_code is not None:
                    raise ProcessDied(
                        f"{self!r} ended without coming to {name!r}"
                    ) from self._error()
                raise Watchdog(f"{self!r} did not come to {name!r} in {patience} s")

    def result(self, *, patience: float = PATIENCE) -> Any:
        """Wait until the function has returned and the process has ended; return its result.

        Raises what the function raised, `ProcessDied` when it was killed, and `Watchdog`.

        >>> import os
        >>> with Process(os.getppid) as process:
        ...     process.result() == os.getpid()
        True
        """
        end = monotonic() + patience
        while self._hear(end - monotonic()):
            pass
        self.wait(patience=max(0.1, end - monotonic()))
        if error := self._error():
            raise error
        if self._outcome is None:
            raise ProcessDied(f"{self!r} gave no result")
        return self._outcome[1]

    def wait(self, *, patience: float = PATIENCE) -> int:
        """Wait until it has ended; return its exit code. Raises `Watchdog`."""
        if self._exit_code is None:
            ended, _, _ = select.select([self._pidfd], [], [], max(0.0, patience))
            if not ended:
                raise Watchdog(f"{self!r} did not end in {patience} s")
            self._reap()
        assert self._exit_code is not None
        return self._exit_code

    @property
    def exit_code(self) -> int | None:
        """None while it lives, else its exit status, or minus the signal that killed it."""
        if self._exit_code is None and select.select([self._pidfd], [], [], 0)[0]:
            self._reap()
        return self._exit_code

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet; a stopped process is alive."""
        return self.exit_code is None

    # ---- acting on it

    def go_on(self, value: Any = None) -> None:
        """Let it leave the `point` at which it waits, or the next one at which it will.

        There `point` returns `value`.
        """
        self._child.send(value)

    def stop(self) -> None:
        """Stop it where it is (SIGSTOP), and wait until it has stopped."""
        self._signal(signal.SIGSTOP)
        until(lambda: _state(self.pid) in "TtZX", f"{self!r} stops")

    def resume(self) -> None:
        """Let it continue after `stop` (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def interrupt(self) -> None:
        """Send what Ctrl-C sends (SIGINT)."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """Kill it (SIGKILL) and wait until it is dead; nothing happens if it is already."""
        self._signal(signal.SIGKILL)
        self.wait()

    def asleep(self) -> bool:
        """Whether its main thread sleeps in the kernel at this moment."""
        return _state(self.pid) == "S"

    def _signal(self, number: int) -> None:
        if self.alive:
            signal.pidfd_send_signal(self._pidfd, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._child.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def __repr__(self) -> str:
        """Show what it runs."""
        return f"<Process {self.pid}: {self._shown}>"

    # ---- within

    def _hear(self, patience: float) -> bool:
        """Take one word of the child's; False when there is none, or will be none any more."""
        if self._child.closed or not self._child.poll(max(0.0, patience)):
            return False
        try:
            word = self._child.recv()
        except (EOFError, ConnectionResetError):
            self._child.close()
            self.wait()
            return False
        if word[0] == "point":
            self._points.append(word[1:])
        else:
            self._outcome = word
        return True

    def _error(self) -> BaseException | None:
        if self._outcome is None or self._outcome[0] != "raised":
            return None
        _, error, trace = self._outcome
        error.add_note(f"in {self!r}:\n{trace}")
        return error

    def _reap(self) -> None:
        if self._popen is not None:
            self._exit_code = self._popen.wait()
        else:
            self._exit_code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def point(name: str, value: Any = None, *, wait: bool = False) -> Any:
    """Tell the test, from inside a `Process`, that it has come here, with a value to be pickled.

    ``wait=True`` stays here until the test calls `Process.go_on`, and returns what that was given;
    or the test kills it here. Raises `RuntimeError` anywhere else.

    >>> with Process(point, "here", 7) as process:
    ...     process.reach("here")
    7
    """
    if not _parent:
        raise RuntimeError("point() is for functions that run in a liaison.testing.Process")
    _parent[-1].send(("point", name, value))
    return _parent[-1].recv() if wait else None


def _name_of(function: Callable[..., Any]) -> str:
    name = f"{function.__module__}:{function.__qualname__}"
    if function.__module__ == "__main__" or "<" in name:
        raise ValueError(f"{name} cannot be imported by another process: define it in a module")
    return name


def _found(name: str) -> Callable[..., Any]:
    module, _, path = name.partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _state(pid: int) -> str:
    """The letter by which /proc tells what a process does; X when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def run(connection: Connection[Any, Any], name: str, arguments: tuple[Any, ...]) -> int:
    """Be the child: run the function, tell the parent how it went; return the exit code."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _parent.append(connection)
    try:
        connection.send(("result", _found(name)(*arguments)))
        return 0
    except BaseException as error:
        trace = traceback.format_exc()
        try:
            connection.send(("raised", error, trace))
        except Exception:  # an exception that cannot be pickled, or nobody there to read it
            print(trace, file=sys.stderr)
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
