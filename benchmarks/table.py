"""The figures as tables: rows of text that a terminal or a document can lay out. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .distance import described
from .gates import judge
from .peers import OURS
from .results import Results
from .samples import spread
from .scenarios import SCENARIOS, Metric, Scenario
from .scenarios.flow import size_name


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """The first cell is the contender; ours, where present, is the first row."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Column:
    header: str
    scenario: str
    metric: Metric
    show: Callable[[float], str]


def sections(results: Results) -> list[Section]:
    """The sections that were measured, then the limits, then the gates."""
    found = [_section(title, keys, results) for title, keys in _GROUPS]
    tables = [section for section in found if section is not None]
    if limits := _limits(results):
        tables.append(limits)
    tables.append(_gates(results))
    return tables


# ---- numbers for people ------------------------------------------------------------------------


def three_digits(value: float) -> str:
    """Three significant digits."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def rate(value: float) -> str:
    if value >= 1e6:
        return f"{three_digits(value / 1e6)} M"
    return f"{three_digits(value / 1e3)} k" if value >= 1e3 else three_digits(value)


def _column(scenario: Scenario, metric: Metric) -> _Column:
    header, show = f"{metric.name} {metric.unit}", three_digits
    family, _, size = scenario.key.partition("/")
    if family in ("one-way", "batched", "in-place"):
        header = size_name(int(size))
        if family != "in-place":
            show = rate
        if family == "one-way" and int(size) >= 1 << 16:
            header += " MB/s"
            return _Column(
                header, scenario.key, metric, lambda value: three_digits(value * int(size) / 1e6)
            )
        header += " us" if family == "in-place" else " /s"
    elif family == "connection" and metric.name == "rate":
        return _Column(
            "1 MiB MB/s", scenario.key, metric, lambda value: three_digits(value * (1 << 20) / 1e6)
        )
    elif family == "fan":
        header, show = size, rate
    elif family == "crowd":
        header = f"{metric.name} {size}"
        if size == "workers":
            header += " us"
        else:
            show = rate
    elif family == "recovery":
        header = f"{size} {header}"
    return _Column(header, scenario.key, metric, show)


# Above this spread (of the median) a figure gets a note.
_UNSTEADY = 1.0

# One table for each family of scenarios. A flow has a rate and a time, its inverse; the table shows
# the more usual one.
_GROUPS = (
    ("Ping-pong of 64 B, a round trip", "ping-pong"),
    ("Each kind of link: 64 B there and back, and handed over at a rendezvous", "kinds"),
    ("One way, a message at a time", "one-way"),
    ("One way, in batches", "batched"),
    ("Loan and lease, payload untouched, a message", "in-place"),
    ("Lease and acknowledge against receive, 64 B", "leasing"),
    ("Senders to receivers, 64 B, messages/s", "fan"),
    ("Receivers (threads of 4 processes, or processes) at one mailbox: jobs/s; CPU a job", "crowd"),
    ("Connections over a Unix socket: ping-pong of 64 B, and 1 MiB one way", "connection"),
    ("Life of a link", "life"),
    ("Many links: destroying one, and listing them, processor time a link", "scale"),
    ("Idle", "idle"),
    ("Import, over a bare Python", "import"),
    ("A process is killed: when the others go on", "recovery"),
    ("Ping-pong while 50 other processes a second are killed", "beside-kills"),
)


def _columns(family: str, results: Results) -> list[_Column]:
    columns: list[_Column] = []
    for scenario in SCENARIOS:
        if scenario.key.partition("/")[0] != family:
            continue
        for metric in scenario.metrics:
            hidden = "rate" if family == "in-place" else "time"
            if metric.name != hidden and results.values(scenario.key, metric.name):
                columns.append(_column(scenario, metric))
    return columns


def _section(title: str, family: str, results: Results) -> Section | None:
    columns = _columns(family, results)
    if not columns:  # no contender could do it, or it was not run
        tried = any(absence.scenario.partition("/")[0] == family for absence in results.absences)
        return Section(title, ("",), (), _absent(family, results)) if tried else None
    tables = [results.values(column.scenario, column.metric.name) for column in columns]
    names = list(dict.fromkeys(name for table in tables for name in table))
    names.sort(key=lambda name: (name != OURS, *_rank(name, tables, columns)))
    rows = [
        (
            name,
            *(
                column.show(table[name]) if name in table else "–"
                for column, table in zip(columns, tables, strict=True)
            ),
        )
        for name in names
    ]
    if family == "ping-pong":
        rows += [
            (
                f"C: {name}",
                *(
                    three_digits(results.limits[name][part] / 1e3)
                    for part in ("p50", "p99", "p999")
                ),
            )
            for name in ("spin", "futex", "pipe", "socket")
            if results.limits.get(name)
        ]
    rows.append(("cores apart, ns", *(_spin(names, column, results) for column in columns)))
    headers = ("", *(column.header for column in columns))
    notes = _unsteady(columns, results) + _absent(family, results)
    return Section(title, headers, tuple(rows), notes)


def _spin(names: list[str], column: _Column, results: Results) -> str:
    """The distance of the cores when the first contender that has a figure was measured."""
    figures = (results.figure(column.scenario, column.metric.name, name) for name in names)
    return described(next((figure.spins for figure in figures if figure is not None), ()))


def _rank(name: str, tables: list[dict[str, float]], columns: list[_Column]) -> tuple[bool, float]:
    value = tables[0].get(name)
    if value is None:
        return True, 0.0
    return False, value if columns[0].metric.less_is_better else -value


def _unsteady(columns: list[_Column], results: Results) -> tuple[str, ...]:
    """A median hides that a contender had two speeds, mostly by where the scheduler put it."""
    return tuple(
        f"{figure.contender}, {column.header}: its rounds ranged from "
        f"{column.show(min(figure.rounds))} to {column.show(max(figure.rounds))}"
        for column in columns
        for figure in results.figures
        if (figure.scenario, figure.metric) == (column.scenario, column.metric.name)
        and spread(figure.rounds) > _UNSTEADY
        and column.metric.name in ("p50", "rate", "time")
    )


def _absent(family: str, results: Results) -> tuple[str, ...]:
    """Why contenders have no figure: each reason once, with its contenders."""
    several = sum(s.key.partition("/")[0] == family for s in SCENARIOS)
    places: dict[tuple[str, str], list[str]] = {}
    for absence in results.absences:
        first, _, rest = absence.scenario.partition("/")
        if not absence.scenario or first == family:
            where = size_name(int(rest)) if rest.isdigit() else rest
            places.setdefault((absence.contender, absence.reason), []).append(where)
    concerned: dict[str, list[str]] = {}
    for (contender, reason), where in places.items():
        everywhere = where == [""] or len(where) == several
        named = contender if everywhere else f"{contender} ({', '.join(where)})"
        concerned.setdefault(reason, []).append(named)
    return tuple(f"{', '.join(names)}: {reason}" for reason, names in concerned.items())


def _limits(results: Results) -> Section | None:
    rows = [
        (f"memcpy of {size}", f"{three_digits(speed)} GB/s")
        for size, speed in results.copy_speeds().items()
    ]
    if results.limits.get("carry"):
        speed = three_digits(results.limits["carry"])
        rows.append(("1 MiB copied in by one core, out by another", f"{speed} GB/s"))
    if results.limits.get("call"):
        rows.append(("a system call", f"{three_digits(results.limits['call'])} ns"))
    if not rows:
        return None
    return Section("The machine's limits, in C", ("", "median"), tuple(rows))


def _gates(results: Results) -> Section:
    marks = {True: "met", False: "NOT MET", None: "not measured"}
    rows = tuple(
        (
            verdict.text,
            marks[verdict.met],
            "–" if verdict.ratio is None else f"{verdict.ratio:.3g} x {verdict.against}",
        )
        for verdict in judge(results)
    )
    return Section("Gates", ("", "", "measured"), rows)


def plain(section: Section) -> str:
    """Lay out a table for a terminal: the first column left, numbers right."""
    lines = [section.columns, *section.rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(section.columns))]
    text = [section.title]
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        text.append("  " + "  ".join(cells).rstrip())
    text += [f"  {note}" for note in section.notes]
    return "\n".join(text)


def markdown(section: Section) -> str:
    lines = [f"## {section.title}", ""]
    lines.append("| " + " | ".join(section.columns) + " |")
    lines.append("|---" + "|--:" * (len(section.columns) - 1) + "|")
    for row in section.rows:
        cells = [f"**{cell}**" for cell in row] if row[0] == OURS else list(row)
        lines.append("| " + " | ".join(cells) + " |")
    if section.notes:
        lines += ["", "<small>" + "<br>".join(section.notes) + "</small>"]
    return "\n".join(lines)
