"""Measures liaison, its peers (other libraries) and the limits of the machine in the same rounds.

    results = run(["ping-pong"], Options.quick(), progress)
    sections(results)    # tables, for a terminal
    to_json(results)     # everything, with the machine's facts
    draw(results)        # the picture
    judge(results)       # the project's gates

From a checkout it is `python -m benchmarks`; installed, it is what `liaison bench` calls. Imports
within the package are relative, so that it works under either name.
"""

from .document import from_json, to_json
from .gates import GATES, Gate, Verdict, judge
from .options import Options
from .picture import draw
from .results import Absence, Figure, Results
from .runner import Progress, run
from .scenarios import SCENARIOS
from .table import Section, sections

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
    "draw",
    "from_json",
    "judge",
    "run",
    "sections",
    "to_json",
]
