"""The examples in docstrings and in README.md run."""

import doctest
import importlib
import inspect
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import liaison
from liaison.errors import NotFound

SOURCE = Path(liaison.__file__).parent
EXAMPLE = re.compile(r"^ *>>> ", re.MULTILINE)


def _modules():
    """Each module with examples, compiled ones too: its name, and how many there are."""
    for path in sorted([*SOURCE.rglob("*.py"), *SOURCE.rglob("*.pyx")]):
        if count := len(EXAMPLE.findall(path.read_text())):
            parts = path.relative_to(SOURCE.parent).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), count


@pytest.mark.parametrize(("name", "count"), list(_modules()))
def test_examples_in_docstrings_work(space, name, count):
    """Every example in a docstring is found, runs, and shows what it says."""
    module = importlib.import_module(name)
    assert doctest.testmod(module) == (0, count)
    space.check()  # an example that creates something destroys it
    with suppress(NotFound):  # send() and receive() keep mailboxes open
        liaison.Space.open().remove()


@pytest.mark.parametrize("name", [name for name in liaison.__all__ if name[0].isupper()])
def test_every_public_class_has_an_example(name):
    """The docstring of every public class, or of what makes it, has an example."""
    cls = getattr(liaison, name)
    made = {"Delivery": "lease", "Loan": "loan", "Receipt": "send"}
    if name in made:  # the example is in what makes it
        cls = getattr(liaison.Mailbox, made[name])
    documented = [cls.__doc__ or ""]
    if isinstance(cls, type):
        documented += _documented(cls)
    assert any(">>>" in text for text in documented)


def _documented(cls):
    return [inspect.getdoc(value) or "" for value in vars(cls).values() if callable(value)]


def test_the_example_of_the_readme_runs(space):
    """README.md's Python runs as it stands there, and shows who sent the message."""
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    example = readme.split("```python\n")[1].split("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("{'item': 'tea', 'count': 2} from pid ")
    space.check()
