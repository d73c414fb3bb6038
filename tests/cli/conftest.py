"""The command line, called within this process and as a process of its own."""

import json
import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

import liaison
from liaison.cli import main
from liaison.testing import PATIENCE, until
from tests.cli.terminal import Terminal


@pytest.fixture
def lab(space):
    """A ground where a command may leave links, which are destroyed after the test."""
    yield space
    for found in liaison.spaces():
        for name in found.names():
            with liaison.Mailbox.observe(found.address(name)) as box:
                box.destroy(force=True)
        found.clean(links=True)


class Result:
    def __init__(self, code, out, err):
        self.code = code
        self.bytes = out
        self.out = out.decode("utf-8", "replace")
        self.err = err.decode()

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return self.out.splitlines()


@pytest.fixture
def cli(lab):
    """Run a command in this process; its code has to be `code`."""
    try:
        runner = CliRunner(mix_stderr=False)
    except TypeError:  # click 8.2 and later never mixes them
        runner = CliRunner()

    def run(*arguments, code=0, stdin=None):
        given = runner.invoke(main, [str(one) for one in arguments], input=stdin)
        result = Result(given.exit_code, given.stdout_bytes, given.stderr_bytes)
        assert result.code == code, (result.out, result.err)
        return result

    return run


class Program(subprocess.Popen):
    """A command as a process; waiting for it has a watchdog."""

    def __init__(self, *arguments, **options):
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = [sys.executable, "-m", "liaison", *map(str, arguments)]
        super().__init__(command, **{**pipes, **options})

    def end(self, code, *, stdin=None):
        """Wait for its end, check the exit code, and return what it wrote."""
        out, err = self.communicate(stdin, timeout=PATIENCE)
        assert self.returncode == code, err
        return Result(self.returncode, out or b"", err or b"")

    def interrupt(self):
        self.send_signal(signal.SIGINT)


@pytest.fixture
def program(lab):
    """Start a command as a process of its own, which the test's end kills."""
    started = []

    def start(*arguments, **options):
        started.append(Program(*arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()


@pytest.fixture
def terminal(lab, monkeypatch):
    """Start a command on a terminal of its own; the test's end kills it."""
    monkeypatch.setenv("TERM", "xterm-256color")
    opened = []

    def make(*arguments, **size):
        opened.append(Terminal(*arguments, **size))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def counts():
    """Wait until a mailbox's statistics have the given values."""

    def wait(box, **expected):
        def met():
            now = box.statistics()
            return all(getattr(now, name) == value for name, value in expected.items())

        until(met, f"{box.address} has {expected}")

    return wait


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in ("LIAISON_DEBUG", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", os.environ.get("TERM") or "xterm")
