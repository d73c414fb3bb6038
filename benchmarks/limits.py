"""Finds, or builds, the C program `limits`, which measures the limits of the machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

_MOMENT = 10  # milliseconds: some ten thousand round trips
_LONGEST = 2000  # nanoseconds: no two cores are so far apart


class NoLimits(Exception):
    """The C program is not installed and cannot be compiled here; the message says why."""


class Limits:
    """The program, usable until `close()`, and everything that it measured in this run."""

    def __init__(self) -> None:
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._program = self._find() or self._compile()
        self.measured: dict[str, list[Any]] = {}

    def measure(self, names: tuple[str, ...], *, milliseconds: int = 50) -> None:
        """Measure once more; a run calls this each round, so limits see the same noise as peers."""
        for name, figure in self._run(names, milliseconds).items():
            self.measured.setdefault(name, []).append(figure)

    def _run(self, names: tuple[str, ...], milliseconds: int) -> dict[str, Any]:
        command = [str(self._program), "--milliseconds", str(milliseconds), *names]
        answer = subprocess.run(command, capture_output=True, check=True, timeout=60)
        return json.loads(answer.stdout)

    def spin(self) -> float | None:
        """Measure the nanoseconds of a spin ping-pong now.

        None where there is one core, or none left over: two that take turns on one core tell
        nothing of the way between two.
        """
        for _ in range(3):
            found = self._run(("spin",), _MOMENT)["spin"]
            if found and found["p50"] < _LONGEST:
                return float(found["p50"])
        return None

    def close(self) -> None:
        if self._directory is not None:
            self._directory.cleanup()

    def _find(self) -> Path | None:
        named = os.environ.get("LIAISON_LIMITS")
        candidates = [Path(named)] if named else [Path(__file__).with_name("limits")]
        return next((path for path in candidates if os.access(path, os.X_OK)), None)

    def _compile(self) -> Path:
        source = Path(__file__).with_name("limits.c")
        compiler = shutil.which(os.environ.get("CC", "cc"))
        if compiler is None or not source.exists():
            raise NoLimits("the program `limits` is not installed, and there is no C compiler")
        self._directory = tempfile.TemporaryDirectory(prefix="liaison-limits-")
        program = Path(self._directory.name, "limits")
        built = subprocess.run(
            [compiler, "-O2", "-std=c11", str(source), "-o", str(program)],
            capture_output=True,
            check=False,
            text=True,
        )
        if built.returncode:
            raise NoLimits(f"{compiler} cannot compile limits.c: {built.stderr.strip()[:200]}")
        return program
