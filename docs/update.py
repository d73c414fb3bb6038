"""Writes into guide.md what the examples print: `python docs/update.py`.

A console block that begins with `$ python examples/NAME` or `$ sh examples/NAME` holds the
program's output; so does what stands between `<!-- … -->`, the same command, and `<!-- end -->`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

GUIDE = Path(__file__).parent / "guide.md"
_EXAMPLES = Path(__file__).parent.parent / "examples"

_SHOWN = re.compile(
    r"(?P<begin>```console\n\$ (?:python|sh) examples/(?P<console>[\w.]+)\n"
    r"|<!-- python examples/(?P<table>[\w.]+) -->\n\n)"
    r"(?P<output>.*?)(?P<end>```|\n?<!-- end -->)",
    re.DOTALL,
)


def shown(text: str) -> dict[str, str]:
    """The output that a document shows, by the names of the examples."""
    return {match["console"] or match["table"]: match["output"] for match in _SHOWN.finditer(text)}


def updated(text: str, output_of: Callable[[str], str]) -> str:
    """The document with the output that its examples have, by their names."""

    def replace(match: re.Match[str]) -> str:
        printed = output_of(match["console"] or match["table"])
        return match["begin"] + printed + ("```" if match["console"] else "\n<!-- end -->")

    return _SHOWN.sub(replace, text)


def fragments(text: str) -> list[tuple[str, str]]:
    """The pieces of code that a document shows, each after a link to its example."""
    found: list[tuple[str, str]] = []
    for section in re.split(r"(?=\]\(\.\./examples/)", text)[1:]:
        name = section.split("examples/", 1)[1].split(")", 1)[0]
        found += [
            (name, code) for code in re.findall(r"```(?:python|sh)\n(.*?)```", section, re.DOTALL)
        ]
    return found


def output(name: str) -> str:
    """What an example prints; CalledProcessError if it fails."""
    program = "sh" if name.endswith(".sh") else sys.executable
    # `liaison` is the one that belongs to this Python.
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    done = subprocess.run(
        [program, str(_EXAMPLES / name)],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
        env={**os.environ, "PATH": path},
    )
    sys.stderr.write(done.stderr)
    return done.stdout


if __name__ == "__main__":
    GUIDE.write_text(updated(GUIDE.read_text(), output))
