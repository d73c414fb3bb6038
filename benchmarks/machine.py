"""The machine and the versions of programs with which the figures were measured."""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    processor: str
    cores: int
    """The cores that this process may use."""
    memory_gib: float
    kernel: str
    virtual: bool
    python: str
    load: float
    """The load during the minute before; above 0.5, distrust the figures."""
    date: str

    @classmethod
    def here(cls) -> Machine:
        return cls(
            processor=_from_cpuinfo("model name") or platform.machine(),
            cores=len(os.sched_getaffinity(0)),
            memory_gib=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
            kernel=platform.release(),
            virtual="hypervisor" in _from_cpuinfo("flags").split(),
            python=f"{platform.python_implementation()} {sys.version.split()[0]}",
            load=round(os.getloadavg()[0], 2),
            date=time.strftime("%Y-%m-%d"),
        )

    def __str__(self) -> str:
        kind = "virtual machine, " if self.virtual else ""
        return (
            f"{self.processor}, {kind}{self.cores} cores, Linux {self.kernel}, "
            f"{self.python}, {self.date}"
        )


def _from_cpuinfo(field: str) -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return ""
