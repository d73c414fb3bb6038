"""docs/guide.md shows the code of the examples and what they print."""

import os
import re
import runpy
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(p for p in (ROOT / "examples").iterdir() if p.suffix in (".py", ".sh"))
SCRIPT = runpy.run_path(str(ROOT / "docs" / "update.py"))
GUIDE = (ROOT / "docs" / "guide.md").read_text()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_guide_shows_what_an_example_prints(space, path):
    """Each program in examples/ runs to its end, prints what is shown, and leaves nothing behind.

    `python docs/update.py` updates the guide.
    """
    assert SCRIPT["output"](path.name) == SCRIPT["shown"](GUIDE)[path.name]
    space.check()


def test_the_guide_shows_no_code_that_is_not_in_its_example():
    """Code in the guide is in the example to which it belongs, line for line."""
    fragments = SCRIPT["fragments"](GUIDE)
    assert fragments
    for name, code in fragments:
        whole = (ROOT / "examples" / name).read_text()
        assert any(
            textwrap.dedent(part).startswith(code)
            for part in _parts(whole, code.splitlines()[0].strip())
        ), f"{name} has no such lines:\n{code}"


def _parts(whole, first):
    """Yield the text from each line on that is `first`."""
    lines = whole.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.strip() == first:
            indent = line[: len(line) - len(line.lstrip())]
            yield "".join(rest.removeprefix(indent) for rest in lines[number:])


def test_every_link_of_the_guide_leads_somewhere():
    """Every link of the guide leads to a file or to a heading of the guide."""
    headings = re.findall(r"^#+ (.*)$", GUIDE, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for target in re.findall(r"\]\(([^)]+)\)", GUIDE):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        else:
            assert os.path.exists(ROOT / "docs" / target), target
