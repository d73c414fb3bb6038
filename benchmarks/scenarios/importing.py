"""How much longer a program takes to start because it imports the contender."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from ..options import Options
from ..peers import Peer, Unsupported
from .contract import Metric, Scenario, Trial


class _ImportTrial(Trial):
    def __init__(self, module: str) -> None:
        self._module = module
        # Byte code exists, as for any module that was used before, even if the user of this run
        # forbids writing it.
        self._code = tempfile.TemporaryDirectory(prefix="liaison-import-")
        self._environment = {
            name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
        } | {"PYTHONPYCACHEPREFIX": self._code.name}
        self._run(f"import {module}")

    def round(self) -> dict[str, float]:
        # The fastest of a few, each compared with a bare interpreter at the same time: starting a
        # process has much noise, which only adds time.
        bare = with_it = 1 << 62
        for _ in range(4):
            bare = min(bare, self._run("pass"))
            with_it = min(with_it, self._run(f"import {self._module}"))
        return {"import": (with_it - bare) / 1e6}

    def _run(self, program: str) -> int:
        command = [sys.executable, "-c", program]
        began = time.perf_counter_ns()
        subprocess.run(command, check=True, capture_output=True, env=self._environment)
        return time.perf_counter_ns() - began

    def close(self) -> None:
        self._code.cleanup()


class Importing(Scenario):
    def __init__(self) -> None:
        super().__init__("import", "Import, over a bare Python", Metric("import", "ms"))

    def prepare(self, peer: Peer, options: Options) -> Trial:
        if peer.name in ("multiprocessing.Queue", "multiprocessing.SimpleQueue", "Unix socket"):
            raise Unsupported("its module is the standard library's, measured once")
        return _ImportTrial(peer.imports or peer.module)
