"""A wall clock that can be set, for other programs alone; and a program that runs one under it.

    python -m tests.faults.clock COMMAND ARGUMENT...

runs a command whose wall clock jumps back and forth by up to ten years, a hundred times a second.
"""

import os
import random
import shlex
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

YEARS = 10 * 365 * 24 * 3600  # seconds


class Clock:
    """A wall clock for all programs that run in `environment`."""

    def __init__(self, directory):
        """Build its library there; raise OSError or CalledProcessError without a compiler."""
        self._offset = Path(directory) / "offset"
        self.set(0)
        library = Path(directory) / "clock.so"
        compiler = shlex.split(os.environ.get("CC", "cc"))
        command = [*compiler, "-O2", "-shared", "-fPIC", "-o", str(library)]
        subprocess.run([*command, str(Path(__file__).with_suffix(".c")), "-ldl"], check=True)
        self.environment = {"LD_PRELOAD": str(library), "LIAISON_TEST_CLOCK": str(self._offset)}

    def set(self, seconds):
        """Set the clock to so many seconds ahead of the machine's; fewer than 0 are behind it."""
        with open(self._offset, "r+b" if self._offset.exists() else "wb") as file:
            file.write(round(seconds * 1e9).to_bytes(8, "little", signed=True))

    @contextmanager
    def jumping(self):
        """Set the clock a hundred times a second until the block ends."""
        over = threading.Event()

        def jump():
            dice = random.Random(1)
            while not over.wait(0.01):
                self.set(dice.choice([0, 1, -1, 3600, -3600, YEARS, -YEARS, dice.uniform(-9, 9)]))

        thread = threading.Thread(target=jump)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def main(command):
    with tempfile.TemporaryDirectory() as directory:
        clock = Clock(directory)
        with clock.jumping():
            environment = {**os.environ, **clock.environment}
            return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
