"""Drawing ``top``."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from liaison.cli import output
from liaison.cli.top.rates import Moment, Row, Watch
from liaison.cli.top.terminal import SUSPEND, opened

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["draw_plainly", "run"]

_BAR = 10  # cells
_SPARKS = "▁▂▃▄▅▆▇"  # the full block is left out: rows would run into each other
_LONGEST_HISTORY = 60  # cells

# By key: the name of the order and its sort key. Equal links are in the order of their names, so
# idle rows do not jump.
_ORDERS: dict[str, tuple[str, Callable[[Row], Any]]] = {
    "r": ("rate", lambda row: (-row.rate, row.name)),
    "w": ("waiting", lambda row: (-row.waiting, row.name)),
    "m": ("memory", lambda row: (-row.bytes, row.name)),
    "n": ("name", lambda row: row.name),
}


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    width: int
    show: Callable[[Row], Text]
    left: bool = False


def _rate(value: float) -> Text:
    return Text(output.rate(value), "bold" if value >= 0.05 else "dim")


def _count(value: int, style: str = "") -> Text:
    return Text(f"{value:,}", style if value else "dim")


def _colour(row: Row) -> str:
    return "red" if row.depth > 0.9 else "yellow" if row.depth > 0.5 else "green"


def _warning(row: Row) -> str:
    return _colour(row) if row.depth > 0.5 else ""


def _bar(row: Row) -> Text:
    if not row.capacity:
        return Text("rendezvous", "dim")
    halves = round(row.depth * _BAR * 2)
    if row.depth > 0:
        halves = max(1, halves)
    full, half = divmod(halves, 2)
    return Text.assemble(
        ("━" * full + "╸" * half, _colour(row)), ("─" * (_BAR - full - half), "bright_black")
    )


def _asleep(row: Row) -> Text:
    parts = [
        f"{count} {role}"
        for count, role in ((row.receivers_asleep, "recv"), (row.senders_asleep, "send"))
        if count
    ]
    return Text(", ".join(parts) or "–", "" if row.senders_asleep else "dim")


def _sparks(row: Row, width: int) -> Text:
    rates = row.history[-width:]
    highest = max(rates, default=0.0)
    line = Text("·" * (width - len(rates)), "bright_black")
    for value in rates:
        step = -1 if not value else min(6, int(value / highest * 7))
        line.append(_SPARKS[step] if step >= 0 else "·", "cyan" if step >= 0 else "bright_black")
    return line


_NAME = _Column("LINK", 14, lambda row: Text(row.name, "bold"), left=True)
_IN = _Column("IN/s", 6, lambda row: _rate(row.rate_in))
_OUT = _Column("OUT/s", 6, lambda row: _rate(row.rate_out))


def _history(width: int) -> _Column:
    return _Column("RATE", width, lambda row: _sparks(row, width), left=True)


_HISTORY = _history(20)
_DEPTH = _Column("DEPTH", _BAR, _bar, left=True)
_WAITING = _Column("WAITING", 7, lambda row: _count(row.waiting, _warning(row)))
_LEASED = _Column("LEASED", 6, lambda row: _count(row.leased, "cyan"))
_ASLEEP = _Column("ASLEEP", 16, _asleep, left=True)
_MEMBERS = _Column("PROCS", 5, lambda row: _count(row.processes))
_MEMORY = _Column("MEMORY", 8, lambda row: Text(output.amount(row.bytes)))
_COLUMNS = (_NAME, _IN, _OUT, _HISTORY, _DEPTH, _WAITING, _LEASED, _ASLEEP, _MEMBERS, _MEMORY)
# On a narrow terminal these columns are left out, the first one first.
_LEAVING = (_MEMORY, _ASLEEP, _HISTORY, _LEASED, _MEMBERS, _DEPTH, _OUT, _WAITING)
_GAP = 2


def _fitting(width: int, columns: list[_Column]) -> list[_Column]:
    for column in _LEAVING:
        if sum(one.width + _GAP for one in columns) - _GAP <= width:
            break
        columns = [one for one in columns if one is not column]
    return columns


def _table(rows: list[Row], width: int, *, history: bool = True) -> Table:
    width -= _GAP  # which older versions of rich keep after the last column
    columns = _fitting(width, [one for one in _COLUMNS if history or one is not _HISTORY])
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, _GAP, 0, 0))
    used = sum(column.width + _GAP for column in columns[1:])
    longest = max((len(row.name) for row in rows), default=0)
    name = max(4, min(max(longest, _NAME.width), width - used))
    if _HISTORY in columns:
        spare = width - used - name
        columns[columns.index(_HISTORY)] = _history(min(_LONGEST_HISTORY, _HISTORY.width + spare))
    for column in columns:
        table.add_column(
            column.heading,
            justify="left" if column.left else "right",
            width=name if column is _NAME else column.width,
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in rows:
        table.add_row(*(column.show(row) for column in columns))
    return table


def _head(moment: Moment, width: int) -> Text:
    """The line above the table, as wide as `width`; if that is 0, as wide as its text."""
    links, processes = len(moment.rows), moment.processes
    left = Text.assemble(("liaison", "bold cyan"), ("  space ", "dim"), (moment.space, "bold"))
    right = Text.assemble(
        (f"{links}", "bold"), (" links  " if links != 1 else " link  ", "dim"),
        (f"{processes}", "bold"), (" processes  " if processes != 1 else " process  ", "dim"),
        (output.rate(moment.rate_in), "bold"), (" in/s  ", "dim"),
        (output.rate(moment.rate_out), "bold"), (" out/s", "dim"),
    )  # fmt: skip
    room = width - left.cell_len - right.cell_len if width else 3
    if room >= 2:
        return Text.assemble(left, " " * room, right)
    shown = left if right.cell_len > width else right
    shown.no_wrap, shown.overflow = True, "ellipsis"
    return shown


def draw_plainly(moment: Moment) -> None:
    """Write one table, below the earlier ones."""
    console = output.console()
    rows = sorted(moment.rows, key=_ORDERS["r"][1])
    console.print(_head(moment, 0))
    console.print(_table(rows, console.width, history=False) if rows else _nothing())
    console.print()


def _nothing() -> Text:
    return Text("\nNo links yet. A link appears here as soon as it is created.", "dim")


class _View:
    """The order, the pause and the scrolling that keys have chosen."""

    def __init__(self) -> None:
        self.order = "r"
        self.paused = False
        self._first = 0

    def press(self, key: str) -> None:
        if key in _ORDERS:
            self.order, self._first = key, 0
        elif key in ("p", " "):
            self.paused = not self.paused
        elif key in ("up", "k"):
            self._first -= 1
        elif key in ("down", "j"):
            self._first += 1

    def draw(self, moment: Moment, console: Console) -> RenderableType:
        width, height = console.size
        rows = sorted(moment.rows, key=_ORDERS[self.order][1])
        room = max(1, height - 5)  # the head, the headings, the keys, and an empty line between
        self._first = max(0, min(self._first, len(rows) - room))
        shown = rows[self._first : self._first + room]
        body = [_table(shown, width) if rows else _nothing()]
        used = len(shown) + 1 if rows else 2
        gap = Text("\n" * max(0, height - used - 4))
        return Group(_head(moment, width), Text(), *body, gap, self._keys(len(rows), shown, width))

    def _keys(self, count: int, shown: list[Row], width: int) -> Text:
        line = Text(no_wrap=True, overflow="crop")
        line.append("q", "bold").append(" quit  ", "dim")
        line.append("p", "bold").append(" resume  " if self.paused else " pause  ", "dim")
        line.append("sort by ", "dim")
        for key, (name, _) in _ORDERS.items():
            chosen = key == self.order
            line.append(key, "bold cyan" if chosen else "bold")
            line.append(f"{name[1:]} ", "cyan" if chosen else "dim")
        if self.paused:
            line.append("  paused", "yellow")
        if len(shown) < count:
            part = f"{self._first + 1}–{self._first + len(shown)} of {count} ↑↓"
            room = width - line.cell_len - len(part)
            if room >= 2:
                line.append(" " * room + part, "dim")
        return line


def run(watch: Watch, interval: float) -> None:
    """Draw on the whole screen until a key ends it."""
    view = _View()
    while _watch(watch, interval, view) == SUSPEND:
        # The screen is restored: now stop as Ctrl-Z would have, and continue here later.
        os.kill(0, signal.SIGTSTP)


def _watch(watch: Watch, interval: float, view: _View) -> str:
    """Draw until a key ends or suspends it; return that key."""
    console = output.console()
    moment = watch.sample()
    with opened() as terminal, Live(console=console, screen=True, auto_refresh=False) as live:
        due = monotonic() + min(interval, 0.25)  # the first rates are shown sooner
        while True:
            live.update(view.draw(moment, console), refresh=True)
            key = terminal.wait(due - monotonic())
            if key in ("q", "Q", "\x1b", SUSPEND):
                return key
            if key:
                view.press(key)
            if monotonic() >= due:
                due = monotonic() + interval
                if not view.paused:
                    moment = watch.sample()
