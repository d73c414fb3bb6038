"""Standard output as a link's other end: what was written, and what of it somebody has read."""

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

    Bytes in a pipe are lost when their reader dies, so having written a message is not having
    delivered it. A pipe tells how many bytes nobody has read; a terminal and a file need no such
    thing, and a socket has none.
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
        """Write a message, and hand it over to the system. Raises `BrokenPipeError`."""
        self._stream.write(message)
        self._stream.write(self._ending)
        self._stream.flush()

    def check_reader(self) -> None:
        """Raise `BrokenPipeError` if nobody will ever read what is written."""
        if self.is_pipe:
            poll = select.poll()
            poll.register(self._fd, 0)
            if any(event & select.POLLERR for _, event in poll.poll(0)):
                raise BrokenPipeError

    def wait_until_read(self, alive: Callable[[], object]) -> None:
        """Wait until the reader has taken all that was written.

        Raises `BrokenPipeError` if it never will, and what `alive`, which is called now and then,
        raises.
        """
        pause = 0.0
        while self.is_pipe and self._unread():
            self.check_reader()
            # The system has no event for this. A quick reader is waited for by giving it the
            # processor, a slow one ever more rarely.
            time.sleep(pause)
            if pause > _LONGEST_PAUSE / 2:
                alive()
            pause = min(_LONGEST_PAUSE, pause + 20e-6 + pause / 4)

    def _unread(self) -> int:
        return struct.unpack("i", fcntl.ioctl(self._fd, termios.FIONREAD, b"\0\0\0\0"))[0]
