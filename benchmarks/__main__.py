"""python -m benchmarks: measure, and write the results."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from .document import from_json, to_json
from .gates import judge
from .options import Options
from .peers import PEERS
from .picture import draw
from .report import write_docs
from .runner import run
from .scenarios import SCENARIOS
from .table import plain, sections


def main(arguments: list[str] | None = None) -> int:
    """Return 0, or 1 if a measured gate that was asked for is not met, 2 for wrong arguments."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.list:
        for scenario in SCENARIOS:
            print(f"{scenario.key:18} {scenario.title}")
        return 0
    if given.from_json:
        results = from_json(given.from_json.read_text())
    else:
        try:
            results = run(given.scenario, _options(given), _show)
        except ValueError as error:
            parser.error(str(error))
        except KeyboardInterrupt:
            print("\ninterrupted; everything that was started has been ended", file=sys.stderr)
            return 130
        finally:
            _clear()
    print(results.machine, end="\n\n")
    for section in sections(results):
        print(plain(section), end="\n\n")
    if given.json:
        given.json.write_text(to_json(results))
    if given.svg:
        given.svg.write_text(draw(results))
    if given.write_docs:
        write_docs(results, given.write_docs)
    return int(given.gates and any(verdict.met is False for verdict in judge(results)))


def _parser() -> argparse.ArgumentParser:
    defaults = Options()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure liaison beside its peers and the machine's limits, in the same run.",
    )
    add = parser.add_argument
    add("scenario", nargs="*", help="keys such as ping-pong or one-way/64 (default: all)")
    add("--list", action="store_true", help="list the scenarios and end")
    add("--quick", action="store_true", help="short rounds: rough figures")
    add("--rounds", type=int, help=f"rounds (default {defaults.rounds})")
    add("--budget", type=float, help=f"seconds a contender and round (default {defaults.budget})")
    add(
        "--peer",
        action="append",
        default=[],
        choices=[peer.name for peer in PEERS],
        metavar="NAME",
        help="only this contender and liaison; may be repeated",
    )
    add("--pin", action="store_true", help="pin each process to one core")
    add("--json", type=Path, metavar="FILE", help="write everything that was measured")
    add("--svg", type=Path, metavar="FILE", help="write the picture")
    add("--write-docs", type=Path, metavar="DIR", help="write benchmarks.md and benchmarks.svg")
    add("--from-json", type=Path, metavar="FILE", help="measure nothing; use an earlier run")
    add("--gates", action="store_true", help="end with 1 if a measured gate is not met")
    return parser


def _options(given: argparse.Namespace) -> Options:
    options = Options.quick() if given.quick else Options()
    chosen = {"rounds": given.rounds, "budget": given.budget}
    return replace(
        options,
        peers=tuple(given.peer),
        pin=given.pin,
        **{name: value for name, value in chosen.items() if value is not None},
    )


def _show(done: int, total: int, text: str) -> None:
    _clear()
    if sys.stderr.isatty():
        print(f"{done / total:4.0%}  {text}", end="", file=sys.stderr, flush=True)


def _clear() -> None:
    if sys.stderr.isatty():
        print(end="\r\x1b[K", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
