"""How much longer a program takes to start because it imports the contender."""

from __future__ import annotations

import subprocess
import sys
import time

from ..options import Options
from ..peers import Peer, Unsupported
from .contract import Metric, Scenario, Trial


def _run(program: str) -> int:
    began = time.perf_counter_ns()
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    return time.perf_counter_ns() - began


class _ImportTrial(Trial):
    def __init__(self, module: str) -> None:
        self._module = module
        _run(f"import {module}")  # writes the byte code

    def round(self) -> dict[str, float]:
        # The fastest of a few, each beside a bare interpreter of the same moment: starting a
        # process has much noise and all of it adds.
        bare = with_it = 1 << 62
        for _ in range(4):
            bare = min(bare, _run("pass"))
            with_it = min(with_it, _run(f"import {self._module}"))
        return {"import": (with_it - bare) / 1e6}


class Importing(Scenario):
    def __init__(self) -> None:
        super().__init__("import", "Import, over a bare Python", Metric("import", "ms"))

    def prepare(self, peer: Peer, options: Options) -> Trial:
        if peer.name in ("multiprocessing.Queue", "multiprocessing.SimpleQueue", "Unix socket"):
            raise Unsupported("its module is the standard library's, measured once")
        return _ImportTrial(peer.imports or peer.module)
