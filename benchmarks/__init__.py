"""Measures liaison beside its peers and beside what the machine can do at best.

    results = run(["ping-pong"], Options.quick(), progress)
    results.table()      # sections of rows, for a terminal
    results.to_json()    # everything, with the machine's facts
    results.svg()        # the picture
    results.verdicts()   # the project's gates

From a checkout it is `python -m benchmarks`; installed, it is what `liaison bench` calls. Imports
within the package are relative, so that it works under either name.
"""

from .gates import GATES, Gate, Verdict
from .options import Options
from .results import Absence, Figure, Results
from .runner import Progress, run
from .scenarios import SCENARIOS
from .table import Section

__all__ = [
    "GATES",
    "SCENARIOS",
    "Absence",
    "Figure",
    "Gate",
    "Options",
    "Progress",
    "Results",
    "Section",
    "Verdict",
    "run",
]
