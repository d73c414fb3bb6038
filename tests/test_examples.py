"""What the documentation shows: the examples of every public name, and README.md's."""

import doctest
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import liaison
from liaison.carriers.contract import MailboxContract

MODULES = [
    *("liaison", "liaison.errors", "liaison.address", "liaison.codec", "liaison.deadline"),
    *("liaison.link", "liaison.space", "liaison.links.mailbox", "liaison.links.end"),
    *("liaison.links.queue", "liaison.links.port", "liaison.carriers.contract"),
    "liaison.links.pipe",
    *("liaison.links.socket", "liaison.links.connection", "liaison.links.listener"),
    "liaison.carriers.stream.handshake",
    *("liaison.links.wait", "liaison.aio", "liaison.aio.mailbox", "liaison.aio.waiting"),
    *("liaison.testing", "liaison.testing.process", "liaison.testing.waiting"),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_work(space, name):
    """Every example in a docstring runs, and shows what it says."""
    module = importlib.import_module(name)
    found = doctest.testmod(module)
    assert found.failed == 0
    space.check()  # an example that creates something destroys it


@pytest.mark.parametrize("name", [name for name in liaison.__all__ if name[0].isupper()])
def test_every_public_class_has_an_example(name):
    """Who looks up a public class, or one of its methods' contracts, finds an example."""
    cls = getattr(liaison, name)
    made = {"Delivery": "lease", "Loan": "loan", "Receipt": "send"}
    if name in made:  # shown where it is made
        cls = getattr(MailboxContract, made[name])
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
