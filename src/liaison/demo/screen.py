"""The display while the demonstration runs."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.text import Text

from liaison.demo import picture

if TYPE_CHECKING:
    from typing import Self

    from liaison.demo.report import Kill, Worker
    from liaison.demo.survey import Survey

__all__ = ["Act", "Screen"]

_BEAT = 0.1  # seconds between pictures
_LINES_BESIDE_WORKERS = 13  # heading, story, progress, and the lines between


class Act:
    """One part of the demonstration, with a progress bar."""

    def __init__(self, screen: Screen, progress: Progress, title: str, total: int) -> None:
        """Show the bar."""
        self._screen = screen
        self._progress = progress
        self._title = title
        self._bar: TaskID = progress.add_task(title, total=total, time="")

    def tick(self, done: int) -> None:
        """Show how much is done."""
        self._progress.update(self._bar, completed=done)
        self._screen.refresh()

    def finish(self, seconds: float) -> None:
        """Show that it is done, and how long it took."""
        self._progress.update(
            self._bar,
            completed=self._progress.tasks[self._bar].total,
            time=f"{seconds:.2f} s",
        )
        self._screen.refresh(now=True)
        self._screen.say(f"{self._title}: {seconds:.2f} s")


class Screen:
    """A picture that changes, on a terminal; lines on other outputs."""

    def __init__(self, console: Console, survey: Survey) -> None:
        """Show the work on the files of `survey` on `console`."""
        self._console = console
        self._subject = (survey.title, len(survey.sources), survey.size)
        self._waiting: tuple[int, int] | None = None
        self._crowd: list[Worker] = []
        self._kill: Kill | None = None
        self._told: set[str] = set()
        self._shown = 0.0
        self._over = False
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[time]}", justify="right"),
            console=console,
        )
        self._live = Live(self, console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._console.is_terminal:
            self._live.start(refresh=True)
        else:
            self._console.print(picture.heading(*self._subject))
        return self

    def __exit__(self, *_: object) -> None:
        # Otherwise it would be drawn once more with all its lines, more than the terminal has.
        self._over = True
        self._live.stop()

    @contextmanager
    def act(self, title: str, total: int) -> Generator[Act]:
        """Begin a part, of `total` files."""
        act = Act(self, self._progress, title, total)
        self.refresh(now=True)
        yield act

    def crowd(self, workers: list[Worker], kill: Kill | None, waiting: tuple[int, int]) -> None:
        """Show the workers, the kill, and how many messages wait in the two mailboxes."""
        self._crowd, self._kill, self._waiting = workers, kill, waiting
        if kill is not None:
            for line in picture.story(kill):
                self.say(line)

    def say(self, line: str) -> None:
        """Print a line, if there is no picture."""
        if not self._console.is_terminal and line not in self._told:
            self._told.add(line)
            self._console.print(Text(line))

    def refresh(self, now: bool = False) -> None:
        """Draw the picture anew, unless the last one is recent."""
        if self._console.is_terminal and (now or monotonic() - self._shown > _BEAT):
            self._shown = monotonic()
            self._live.refresh()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Return the picture of this moment."""
        if self._over:
            return
        # Leave room for the progress, which would otherwise be below the end of the terminal.
        room = (options.height or console.height) - _LINES_BESIDE_WORKERS
        shown = Group(
            picture.heading(*self._subject, self._waiting),
            picture.crowd(self._crowd, self._kill, most=max(room, 1)),
            Text(),
            self._progress,
        )
        # A terminal's "^C" at the end of a full line would begin another line, and the picture's
        # first line would not be removed.
        yield from console.render(shown, options.update_width(options.max_width - len("^C") - 1))
