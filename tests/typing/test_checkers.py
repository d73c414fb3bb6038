"""Pyright and mypy, both as strict as they can be, agree with what users write."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USERS, MISTAKES = ROOT / "tests/typing/users.py", ROOT / "tests/typing/mistakes.py"
MARKED = {
    number
    for number, line in enumerate(MISTAKES.read_text().splitlines(), 1)
    if line.endswith("  # wrong")
}


def run(*command, **env):
    done = subprocess.run(
        [sys.executable, "-m", *command, USERS, MISTAKES],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], **env},
    )
    assert done.returncode == 1, done.stdout + done.stderr  # it found the mistakes
    return done.stdout


def pyright():
    # pyproject.toml says how strict. It brings its version along: it is not to look for another.
    told = run("pyright", "--outputjson", PYRIGHT_PYTHON_IGNORE_WARNINGS="1")
    for found in json.loads(told)["generalDiagnostics"]:
        if found["severity"] == "error":
            yield Path(found["file"]), found["range"]["start"]["line"] + 1, found["message"]


def mypy():
    told = run(
        *("mypy", "--strict", "--follow-imports=silent", "--cache-dir=/dev/null"),
        MYPYPATH=str(ROOT / "src"),
    )
    for file, line, message in re.findall(r"^([^:\n]+):(\d+): error: (.*)$", told, re.MULTILINE):
        yield ROOT / file, int(line), message


@pytest.fixture(scope="module", params=[pyright, mypy], ids=lambda checker: checker.__name__)
def errors(request):
    name = request.param.__name__
    if find_spec(name) is None:
        pytest.skip(f'NOT CHECKED, {name} is not installed: pip install -e ".[dev]"')
    return list(request.param())


def test_what_users_write_has_the_type_that_they_expect(errors):
    """Each class and overload gives what is asserted of it, without a comment for the checker."""
    assert [error for error in errors if error[0] == USERS] == []


def test_mistakes_are_found(errors):
    """Each marked line is complained of, and no other."""
    assert {line for file, line, _ in errors if file == MISTAKES} == MARKED


def test_users_need_no_comment_for_a_checker():
    """No line of a user's is hidden from the checkers."""
    assert "ignore" not in USERS.read_text() + MISTAKES.read_text()
