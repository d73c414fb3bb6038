"""The real command in a process of its own, seen from outside."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from liaison.testing import until

COMMAND = [sys.executable, "-m", "liaison", "demo"]
PATIENCE = 100  # seconds; a watchdog


def run(*arguments):
    """Run the command to its end; its output is text."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def report_of(*arguments):
    """Return the command's JSON."""
    done = run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def running(*arguments):
    """The command while it runs, in a session of its own."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for pid in processes_of(process):
            os.kill(pid, signal.SIGKILL)
        process.kill()
        process.communicate()


def processes_of(process, role=""):
    """Pids of the command's living processes that have a role; without the command itself."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, session, pid = fields[0], int(fields[3]), int(entry.name)
        if session == process.pid != pid and state not in "ZX" and role in command:
            found.append(pid)
    return found


def at_work(process, role, count=1):
    """Wait until so many processes of a role live; return their ids."""

    def enough():
        assert process.poll() is None, process.communicate()
        found = processes_of(process, role)
        return found if len(found) >= count else None

    return until(enough, f"{count} processes with {role!r}")
