"""The terminal as ``top`` needs it: single keys, and word of a new size."""

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
    """Keys that are pressed, and whether something else asks for drawing anew."""

    def __init__(self, keyboard: int | None, bell: int) -> None:
        """Read keys from `keyboard` if there is one; `bell` is readable after a signal."""
        self._keyboard = keyboard
        self._bell = bell

    def wait(self, seconds: float) -> str | None:
        """Wait for a key, which is returned, or a new size; None also when the time passed."""
        sources = [self._bell] if self._keyboard is None else [self._bell, self._keyboard]
        ready, _, _ = select.select(sources, [], [], max(0.0, seconds))
        if self._bell in ready:
            os.read(self._bell, 512)
        if self._keyboard in ready:
            assert self._keyboard is not None
            typed = os.read(self._keyboard, 32)
            if not typed:
                self._keyboard = None  # the end of a file: no key will come any more
            return _ARROWS.get(typed) or typed[:1].decode("ascii", "ignore")
        return None


@contextmanager
def opened() -> Generator[Terminal]:
    """Read keys as they are pressed, until the block ends; it also ends at SIGTERM, in order."""
    keyboard = sys.stdin.fileno() if sys.stdin.isatty() else None
    before = termios.tcgetattr(keyboard) if keyboard is not None else None
    bell, ring = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    old_ring = signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
    # Without a handler of Python's own the signal would not ring.
    resized = signal.signal(signal.SIGWINCH, _ring)
    ended = signal.signal(signal.SIGTERM, _end)
    try:
        if keyboard is not None:
            tty.setcbreak(keyboard)
            # Ctrl-Z is to be a key, because the screen has to be put back before stopping.
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
