"""The figures as one SVG: dots on logarithmic axes, ours in colour, the machine's limit dashed.

Dots and not bars: a logarithmic axis has no zero for a bar to stand on. Written by hand, since the
picture is three panels of text, lines and circles, and a plotting library would be by far the
largest dependency of the project.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html import escape

from .peers import OURS
from .results import Results
from .table import rate, three_digits

# Follows the page's light or dark theme, also inside an <img>, as in a README.
_STYLE = """\
svg { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
.page { fill: #ffffff; stroke: #d9dee3; }
.title { font-size: 19px; font-weight: 650; fill: #1f2328; }
.panel { font-size: 14.5px; font-weight: 650; fill: #1f2328; }
.name, .value { fill: #3d444d; }
.small { font-size: 11.5px; fill: #6a737d; }
.grid { stroke: #e8ebee; }
.lead { stroke: #d9dee3; stroke-dasharray: 1 4; stroke-linecap: round; }
.limit { stroke: #6a737d; stroke-dasharray: 4 3; }
.dot { fill: #8a94a0; }
.tail { stroke: #8a94a0; stroke-width: 3; stroke-linecap: round; opacity: .38; }
.ours .name, .ours .value { fill: #0b7a69; font-weight: 650; }
.ours .band { fill: #0b7a69; opacity: .09; }
.ours .dot { fill: #0b7a69; }
.ours .tail { stroke: #0b7a69; }
.value { font-variant-numeric: tabular-nums; }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; stroke: #2b323b; }
.title, .panel { fill: #e6edf3; }
.name, .value { fill: #c3ccd5; }
.small { fill: #8d96a0; }
.grid { stroke: #1f262e; }
.lead { stroke: #39424d; }
.limit { stroke: #8d96a0; }
.dot { fill: #7d8895; }
.tail { stroke: #7d8895; }
.ours .name, .ours .value { fill: #3fd8bd; }
.ours .band { fill: #3fd8bd; opacity: .12; }
.ours .dot { fill: #3fd8bd; }
.ours .tail { stroke: #3fd8bd; }
}"""

_WIDTH = 920
_MARGIN = 28
_GUTTER = 36
_ROW = 24
_HEAD = 62
_FOOT = 34


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    value: float
    text: str
    upto: float | None = None
    """The end of its tail: the 99th percentile."""


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    explanation: str
    rows: list[_Row]
    tick: Callable[[float], str]
    limit: tuple[float, str] | None = None
    narrow: bool = False
    """Half of the page: short names and no ratios, which leaves room for the axis."""

    @property
    def height(self) -> int:
        return _HEAD + _ROW * len(self.rows) + _FOOT


def draw(results: Results) -> str:
    """The whole picture; empty panels are left out."""
    wide = [panel for panel in [_ping_pong(results)] if panel.rows]
    halves = [panel for panel in [_messages(results), _volume(results)] if panel.rows]
    if len(halves) == 1:
        wide, halves = wide + halves, []
    parts: list[str] = []
    top = 84
    for panel in wide:
        parts += _drawn(panel, _MARGIN, top, _WIDTH - 2 * _MARGIN)
        top += panel.height + 18
    if halves:
        width = (_WIDTH - 2 * _MARGIN - _GUTTER) / 2
        parts += _drawn(halves[0], _MARGIN, top, width)
        parts += _drawn(halves[1], _MARGIN + width + _GUTTER, top, width)
        top += max(panel.height for panel in halves) + 18
    size = f'viewBox="0 0 {_WIDTH} {top}" width="{_WIDTH}" height="{top}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="name">',
            '<title id="name">liaison beside its peers: ping-pong and throughput</title>',
            f"<style>{_STYLE}</style>",
            f'<rect class="page" x=".5" y=".5" width="{_WIDTH - 1}" height="{top - 1}" rx="10"/>',
            _text(_MARGIN, 38, "title", "liaison beside its peers"),
            _text(_MARGIN, 59, "small", str(results.machine)),
            *parts,
            "</svg>",
            "",
        ]
    )


# ---- what is shown -----------------------------------------------------------------------------


def _ping_pong(results: Results) -> _Panel:
    ends = results.values("ping-pong/64", "p99")
    rows = [
        _Row(name, value, f"{three_digits(value)} µs", ends.get(name))
        for name, value in results.values("ping-pong/64", "p50").items()
    ]
    limit = results.limit("spin")
    return _Panel(
        "Ping-pong of 64 B",
        "a round trip between two processes: median, and tail to the 99th percentile, "
        "shorter is better",
        sorted(rows, key=lambda row: row.value),
        lambda value: f"{value:g} µs",
        (limit, "two cores in C") if limit else None,
    )


def _messages(results: Results) -> _Panel:
    rows = [
        _Row(name, value, f"{rate(value)}/s")
        for name, value in results.values("one-way/64", "rate").items()
    ]
    return _Panel(
        "One way, 64 B",
        "messages a second, one at a time; more is better",
        sorted(rows, key=lambda row: -row.value),
        lambda value: f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k",
        narrow=True,
    )


def _volume(results: Results) -> _Panel:
    size = 1 << 20
    rows = [
        _Row(name, value * size / 1e9, f"{three_digits(value * size / 1e9)} GB/s")
        for name, value in results.values(f"one-way/{size}", "rate").items()
    ]
    copy = results.copy_speeds().get("1 MiB")
    return _Panel(
        "One way, 1 MiB",
        "gigabytes a second; more is better",
        sorted(rows, key=lambda row: -row.value),
        lambda value: f"{value:g}",
        (copy, "one memcpy") if copy else None,
        narrow=True,
    )


# ---- how it is shown ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Axis:
    """A logarithmic axis from `low` to `high`, between two positions on the page."""

    low: float
    high: float
    left: float
    right: float

    @classmethod
    def around(cls, panel: _Panel, left: float, right: float) -> _Axis:
        shown = [row.value for row in panel.rows] + [row.upto for row in panel.rows if row.upto]
        if panel.limit:
            shown.append(panel.limit[0])
        low, high = min(shown), max(shown)
        return cls(_step(low / 1.15, math.floor), _step(high * 1.15, math.ceil), left, right)

    def place(self, value: float) -> float:
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.left + part * (self.right - self.left)

    def ticks(self) -> Iterator[float]:
        for exponent in range(-9, 13):
            value = 10.0**exponent
            if self.low <= value * 1.001 and value <= self.high * 1.001:
                yield value


def _step(value: float, rounding: Callable[[float], int]) -> float:
    """The next third of a decade, so that little of the page is empty."""
    return 10 ** (rounding(math.log10(value) * 3) / 3)


def _drawn(panel: _Panel, left: float, top: float, width: float) -> Iterator[str]:
    names, values = (124, 82) if panel.narrow else (200, 128)
    axis = _Axis.around(panel, left + names, left + width - values)
    first = top + _HEAD
    bottom = first + _ROW * len(panel.rows)
    yield _text(left, top + 14, "panel", panel.title)
    yield _text(left, top + 32, "small", panel.explanation)
    for value in axis.ticks():
        x = axis.place(value)
        yield _line("grid", x, first - 4, x, bottom + 4)
        yield _text(x, bottom + 20, "small", panel.tick(value), "middle")
    if panel.limit:
        value, text = panel.limit
        x = axis.place(value)
        yield _line("limit", x, first - 6, x, bottom + 4)
        anchor = "start" if x < (axis.left + axis.right) / 2 else "end"
        yield _text(x, first - 10, "small", text, anchor)
    ours = (
        None if panel.narrow else next((row.value for row in panel.rows if row.name == OURS), None)
    )
    for number, row in enumerate(panel.rows):
        short = row.name.replace("multiprocessing.", "mp.")
        shown = replace(row, name=short) if panel.narrow else row
        yield from _row(shown, axis, left, first + _ROW * number, width, ours)


def _row(
    row: _Row, axis: _Axis, left: float, top: float, width: float, ours: float | None
) -> Iterator[str]:
    x, y = axis.place(row.value), top + _ROW / 2
    is_ours = row.name == OURS
    yield f'<g class="{"ours" if is_ours else "peer"}">'
    if is_ours:
        yield (
            f'<rect class="band" x="{left - 8:.1f}" y="{top + 1:.1f}" '
            f'width="{width + 16:.1f}" height="{_ROW - 2}" rx="5"/>'
        )
    yield _text(left, y + 4.5, "name", row.name)
    if x - 10 > axis.left:
        yield _line("lead", axis.left, y, x - 10, y)
    if row.upto and row.upto > row.value:
        yield _line("tail", x, y, axis.place(row.upto), y)
    yield f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{6.5 if is_ours else 5}"/>'
    end = left + width
    if ours is not None:
        yield _text(end - 44, y + 4.5, "value", row.text, "end")
        if not is_ours:
            yield _text(end, y + 4.5, "small", _times(row.value / ours), "end")
    else:
        yield _text(end, y + 4.5, "value", row.text, "end")
    yield "</g>"


def _times(ratio: float) -> str:
    return f"{ratio:.1f} ×" if ratio < 9.95 else f"{ratio:.0f} ×"


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, kind: str, text: str, anchor: str = "start") -> str:
    place = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{place}>{escape(text)}</text>'
