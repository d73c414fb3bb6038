"""A run as JSON: all its results, and the judgement of the gates."""

from __future__ import annotations

import json
from dataclasses import asdict

from .gates import judge
from .machine import Machine
from .options import Options
from .results import Absence, Figure, Results
from .samples import median


def to_json(results: Results) -> str:
    document = asdict(results)
    for figure in document["figures"]:
        figure["value"] = median(figure["rounds"])
    document["gates"] = [asdict(verdict) for verdict in judge(results)]
    return json.dumps(document, indent=1)


def from_json(text: str) -> Results:
    """Read a run, without its judgement of the gates."""
    document = json.loads(text)
    options = document["options"]
    options["peers"] = tuple(options["peers"])
    return Results(
        machine=Machine(**document["machine"]),
        options=Options(**options),
        versions=document["versions"],
        limits=document["limits"],
        figures=[
            Figure(
                *(f[name] for name in ("scenario", "contender", "metric", "unit")),
                rounds=tuple(f["rounds"]),
                spins=tuple(f.get("spins", ())),
            )
            for f in document["figures"]
        ],
        absences=[Absence(**absence) for absence in document["absences"]],
        clock_ns=document["clock_ns"],
    )
