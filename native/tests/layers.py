"""Check that the engine's files depend on each other downwards only, and without circles.

A unit is a `.c` with its `.h`. It depends on the units whose headers it includes, and on those
whose symbols it uses, as the object files tell: a function that liaison.h declares could be called
from below without any include.
"""

import re
import subprocess
import sys
from pathlib import Path

LAYERS = ["base", "space", "segment", "parts", "waiting", "links"]
SOURCE = Path(__file__).parents[1] / "src"


def unit_of(path):
    """The unit of a source or an object file: its layer and its name."""
    layer, name = Path(path).parts[-2:]
    return f"{layer}/{name.partition('.')[0]}"


def included():
    """Each unit with those that it includes."""
    for path in sorted(SOURCE.rglob("*.[ch]")):
        for other in re.findall(r'#include "(\w+/\w+)\.h"', path.read_text()):
            yield unit_of(path), other


def used(objects):
    """Each unit with those of which it uses a symbol."""
    defined, undefined = {}, []
    for path in objects:
        listing = subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout
        for *_, kind, symbol in map(str.split, listing.splitlines()):
            if kind == "U":
                undefined.append((unit_of(path), symbol))
            elif kind.isupper():
                defined[symbol] = unit_of(path)
    return {(unit, defined[symbol]) for unit, symbol in undefined if symbol in defined}


def layer_of(unit):
    """Which layer, from the lowest."""
    return LAYERS.index(unit.partition("/")[0])


def circle_from(unit, below, path=()):
    """The first circle on any way down from a unit, or None."""
    if unit in path:
        return (*path[path.index(unit) :], unit)
    circles = (circle_from(other, below, (*path, unit)) for other in sorted(below.get(unit, ())))
    return next(filter(None, circles), None)


def main(objects):
    """Print what is wrong; how many that is."""
    edges = {(one, other) for one, other in (*included(), *used(objects)) if one != other}
    wrong = [
        f"{one} depends on {other}, which is above it"
        for one, other in sorted(edges)
        if layer_of(other) > layer_of(one)
    ]
    below = {}
    for one, other in edges:
        if layer_of(one) == layer_of(other):  # circles through other layers were told above
            below.setdefault(one, set()).add(other)
    circles = {frozenset(c): c for c in (circle_from(unit, below) for unit in below) if c}
    wrong += [f"a circle: {' -> '.join(circle)}" for circle in circles.values()]
    print(*wrong, f"{len(edges)} dependencies of {len(objects)} files", sep="\n")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
