"""The terminal for ``top``: single keys, and changes of its size."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

__all__ = ["SUSPEND", "Terminal", "opened"]

SUSPEND = "\x1a"  # Ctrl-Z

_ARROWS = {b"\x1b[A": "up", b"\x1b[B": "down", b"\x1bOA": "up", b"\x1bOB": "down"}


class Terminal:
    """Keys that are pressed, and changes of size."""

    def __init__(self, keyboard: int | None, bell: int) -> None:
        """Read keys from `keyboard` if there is one; `bell` is readable after a signal."""
        self._keyboard = keyboard
        self._bell = bell

    def wait(self, seconds: float) -> str | None:
        """Wait for a key and return it; None after a new size, or when the time has passed."""
        sources = [self._bell] if self._keyboard is None else [self._bell, self._keyboard]
        ready, _, _ = select.select(sources, [], [], max(0.0, seconds))
        if self._bell in ready:
            os.read(self._bell, 512)
        if self._keyboard in ready:
            assert self._keyboard is not None
            typed = os.read(self._keyboard, 32)
            if not typed:
                self._keyboard = None  # end of file
            return _ARROWS.get(typed) or typed[:1].decode("ascii", "ignore")
        return None


@contextmanager
def opened() -> Generator[Terminal]:
    """Read keys as they are pressed, until the block ends; SIGTERM ends it by `SystemExit`."""
    keyboard = sys.stdin.fileno() if sys.stdin.isatty() else None
    before = termios.tcgetattr(keyboard) if keyboard is not None else None
    bell, ring = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    old_ring = signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
    # Without a Python handler the signal would not write to the wakeup descriptor.
    resized = signal.signal(signal.SIGWINCH, _ring)
    ended = signal.signal(signal.SIGTERM, _end)
    try:
        if keyboard is not None:
            tty.setcbreak(keyboard)
            # Ctrl-Z is read as a key, because the screen must be restored before stopping.
            modes = termios.tcgetattr(keyboard)
            modes[6][termios.VSUSP] = b"\0"
            termios.tcsetattr(keyboard, termios.TCSADRAIN, modes)
        yield Terminal(keyboard, bell)
    finally:
        if keyboard is not None and before is not None:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTERM, ended)
        signal.signal(signal.SIGWINCH, resized)
        signal.set_wakeup_fd(old_ring)
        os.close(bell)
        os.close(ring)


def _ring(number: int, frame: FrameType | None) -> None:
    pass


def _end(number: int, frame: FrameType | None) -> Any:
    sys.exit(128 + number)
