"""Standard output as the receiver of messages: what was written to it, and how much was read."""

from __future__ import annotations

import fcntl
import os
import select
import stat
import struct
import sys
import termios
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Outlet"]

_LONGEST_PAUSE = 0.02  # seconds


class Outlet:
    """Standard output, to which whole messages are written.

    Bytes in a pipe are lost when their reader dies, so a message that was written to one is not
    delivered yet. A pipe tells how many of its bytes are unread; terminals and files do not lose
    bytes, and a socket cannot tell.
    """

    def __init__(self, ending: bytes) -> None:
        """Write `ending` after each message."""
        self._stream = sys.stdout.buffer
        self._ending = ending
        try:
            self._fd = self._stream.fileno()
        except OSError:
            self._fd = -1  # a test's stand-in
        self.is_pipe = self._fd >= 0 and stat.S_ISFIFO(os.fstat(self._fd).st_mode)

    def write(self, message: bytes) -> None:
        """Write a message, without buffering. Raises `BrokenPipeError`."""
        self._stream.write(message)
        self._stream.write(self._ending)
        self._stream.flush()

    def check_reader(self) -> None:
        """Raise `BrokenPipeError` if the pipe has no reader any more."""
        if self.is_pipe:
            poll = select.poll()
            poll.register(self._fd, 0)
            if any(event & select.POLLERR for _, event in poll.poll(0)):
                raise BrokenPipeError

    def wait_until_read(self, alive: Callable[[], object]) -> None:
        """Wait until the reader has read all that was written.

        Calls `alive` now and then. Raises what that raises, and `BrokenPipeError` when the pipe has
        no reader any more.
        """
        pause = 0.0
        while self.is_pipe and self._unread():
            self.check_reader()
            # The system has no event for this. For a quick reader it is enough to give up the
            # processor; for a slow one the pauses grow.
            time.sleep(pause)
            if pause > _LONGEST_PAUSE / 2:
                alive()
            pause = min(_LONGEST_PAUSE, pause + 20e-6 + pause / 4)

    def _unread(self) -> int:
        return struct.unpack("i", fcntl.ioctl(self._fd, termios.FIONREAD, b"\0\0\0\0"))[0]
