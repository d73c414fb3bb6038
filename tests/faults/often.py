"""How often the faults strike: fewer times on every commit, as often as promised on demand.

`LIAISON_OFTEN=1` asks for the full numbers; `nox -s soak` sets it.
"""

import os

FULL = os.environ.get("LIAISON_OFTEN") == "1"

RUNS = 1000 if FULL else 50  # deaths of one kind, each followed by a look at what it left
RACES = 1000 if FULL else 10  # of 64 processes for one name


def times(nanoseconds):
    """Say how long it took, for whoever reads the output; nothing depends on it."""
    ordered = sorted(nanoseconds)
    at = {name: ordered[int(part * (len(ordered) - 1))] for name, part in PARTS.items()}
    return ", ".join(f"{name} {value / 1e6:.2f} ms" for name, value in at.items())


PARTS = {"median": 0.5, "p99": 0.99, "max": 1.0}
