"""Commands that run on a terminal."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

from liaison.testing import PATIENCE, Watchdog

# Makes its standard output its terminal, so that Ctrl-C and a new size are signals to it.
CONTROLLED = """
import fcntl, termios
fcntl.ioctl(1, termios.TIOCSCTTY, 0)
from liaison.cli import main
main()
"""


class Terminal:
    """A pseudo-terminal with a command on it, and all that was written there."""

    def __init__(self, *arguments, width=110, height=20, stdin=None):
        self.master, slave = pty.openpty()
        self.resize(width, height)
        self.modes = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            [sys.executable, "-c", CONTROLLED, *map(str, arguments)],
            stdin=stdin or slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            # Not what a library of the test's own process has put there besides: readline, which
            # the debugger loads, sets COLUMNS and LINES.
            env=dict(os.environ),
        )
        self.slave = slave
        self.bytes = b""  # written since the last key

    @property
    def written(self):
        return self.bytes.decode("utf-8", "replace")

    def resize(self, width, height):
        size = struct.pack("HHHH", height, width, 0, 0)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    def press(self, keys):
        self.bytes = b""
        os.write(self.master, keys.encode())

    def shows(self, pattern):
        """Wait until what was written since the last key holds the pattern."""
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.written)):
            if not select.select([self.master], [], [], end - time.monotonic())[0]:
                raise Watchdog(f"{pattern!r} not in {self.written!r}")
            self._read()

    def ends(self, code):
        # What it writes has to be read, or it could wait for room for ever.
        while self.process.poll() is None:
            if select.select([self.master], [], [], 0.01)[0]:
                self._read()
        while select.select([self.master], [], [], 0)[0]:
            self._read()
        assert self.process.returncode == code
        assert "Traceback" not in self.written

    def _read(self):
        self.bytes += os.read(self.master, 65536)

    def is_as_before(self):
        return termios.tcgetattr(self.slave) == self.modes and (
            self.written.rfind("\x1b[?1049l") > self.written.rfind("\x1b[?1049h")
            and self.written.rfind("\x1b[?25h") > self.written.rfind("\x1b[?25l")
        )

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)
