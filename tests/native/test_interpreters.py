"""Importing liaison in a sub-interpreter is refused, and does no harm.

mod_wsgi and uWSGI run the second application of a process in one.
"""

import subprocess
import sys

import pytest

# What a sub-interpreter runs, and how each version of Python makes one; `isolated` ones refuse
# compiled modules that do not declare that they support it.
TRYING = """
try:
    import liaison
except OSError as error:
    print(type(error).__name__, error.errno, error, flush=True)
else:
    print("imported", flush=True)
"""
BEGINNING = f"""
import os
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

def trying(isolated):
    if interpreters.__name__ == "_interpreters":
        number = interpreters.create("isolated" if isolated else "legacy")
    else:
        number = interpreters.create(isolated=isolated)
    failed = interpreters.run_string(number, {TRYING!r})
    assert failed is None, failed
    interpreters.destroy(number)
"""
WORKING = """
import liaison
box = liaison.Mailbox("box")
child = os.fork()
if child == 0:
    box.send({"from": "a child"})
    os._exit(0)
assert box.receive() == {"from": "a child"}
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.fixture
def run(space):
    def run(program):
        command = [sys.executable, "-c", BEGINNING + program + "box.destroy()"]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        assert ended.returncode == 0, (ended.returncode, ended.stdout, ended.stderr)
        assert ended.stderr == ""
        return ended.stdout.splitlines()

    return run


@pytest.mark.parametrize("isolated", [False, True])
def test_a_sub_interpreter_cannot_import_liaison(run, isolated):
    """The import is Unsupported, each time, and the first interpreter's links work as before."""
    lines = run(f"{WORKING}trying({isolated})\ntrying({isolated})\n{WORKING}")
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("Unsupported 38 liaison runs in the first interpreter")


@pytest.mark.parametrize("isolated", [False, True])
def test_a_sub_interpreter_that_comes_first_takes_nothing(run, isolated):
    """The first interpreter can import liaison after the sub-interpreter has tried."""
    (line,) = run(f"trying({isolated})\n{WORKING}")
    assert line.startswith("Unsupported")
