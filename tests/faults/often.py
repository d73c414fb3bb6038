"""How often a fault is tried: a few times on every commit, the promised number on demand.

`LIAISON_OFTEN=1` asks for the full numbers; `nox -s soak` sets it.
"""

import os

FULL = os.environ.get("LIAISON_OFTEN") == "1"

RUNS = 1000 if FULL else 50  # deaths of one kind
RACES = 1000 if FULL else 10  # of 64 processes for one name


def times(nanoseconds):
    """Format durations for the test's output; no test depends on them."""
    ordered = sorted(nanoseconds)
    return ", ".join(
        f"{name} {ordered[int(part * (len(ordered) - 1))] / 1e6:.2f} ms"
        for name, part in (("median", 0.5), ("p99", 0.99), ("max", 1.0))
    )
