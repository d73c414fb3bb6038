"""Errors become an exit code and one or two lines for the reader here, and nowhere else.

====  ==========================  =====================================================
code  meaning                     errors
====  ==========================  =====================================================
0     done
1     failed                      all others
2     usage                       `InvalidAddress`, and click's usage errors
3     not now: empty, full, busy  `Empty`, `Full`, `NoReceiver`, `Busy`, `CallTimeout`
4     not found                   `NotFound`, and a missing file
5     denied                      `AccessDenied`, `NotOwner`, and a file's rights
130   Ctrl-C
141   the output has no reader
====  ==========================  =====================================================
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from liaison import errors
from liaison.printable import printable

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Failure", "explained", "reported"]

INTERRUPTED = 130
UNREAD = 141

_CODES: tuple[tuple[tuple[type[Exception], ...], int], ...] = (
    ((errors.InvalidAddress,), 2),
    ((errors.Empty, errors.Full, errors.Busy, errors.CallTimeout), 3),
    ((FileNotFoundError,), 4),  # NotFound is one
    ((PermissionError,), 5),  # AccessDenied and NotOwner are
)

# The library's messages are "what happened; what to do in Python". These replace the second half.
_HINTS: dict[type[Exception], str] = {
    errors.NotFound: "`liaison ls` lists the links, `liaison create` creates one",
    errors.NameTaken: "choose another name, or destroy the link with `liaison rm`",
    errors.NoReceiver: "it is a rendezvous: start a receiver, or wait longer with --timeout",
    errors.Full: "receive from it, or wait longer with --timeout",
    errors.Empty: "",
    errors.Busy: "`liaison show` tells which process has it",
    errors.NotOwner: "end that process, or use --force",
    errors.Mismatch: "`liaison show` shows its kind and properties",
    errors.TooLarge: "create the link with a larger --max-message or --memory",
    errors.Corrupt: "remove it with `liaison rm --force`",
}


class Failure(click.ClickException):
    """An error as the reader sees it."""

    def __init__(self, message: str, *, hint: str = "", code: int = 1, kind: str = "Failed"):
        """Note what happened, what to do about it, and the exit code."""
        super().__init__(message)
        self.hint = hint
        self.code = code
        self.kind = kind

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Translate an exception into the terms of the command line."""
        message = str(error) or type(error).__name__
        hint = ""
        if isinstance(error, errors.LiaisonError):
            known = next((kind for kind in type(error).__mro__ if kind in _HINTS), None)
            if known is not None:
                message, _, hint = message.partition("; ")
                if "`liaison rm --space" not in hint:  # else it is a hint for a shell already
                    hint = _HINTS[known]
        elif isinstance(error, OSError):
            message = ": ".join(str(part) for part in (error.filename, error.strerror) if part)
            message = message or str(error)
        else:
            message = f"{type(error).__name__}: {message}"
            hint = "this is a bug in liaison; --traceback shows where"
        code = next((code for kinds, code in _CODES if isinstance(error, kinds)), 1)
        return cls(message, hint=hint, code=code, kind=type(error).__name__)


@contextmanager
def explained() -> Generator[None]:
    """Turn what the block raises into exceptions that `reported` handles."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None
    except Exception as error:
        if isinstance(error, BrokenPipeError) and not isinstance(error, errors.LiaisonError):
            raise click.exceptions.Exit(UNREAD) from None
        raise Failure.of(error) from error


@dataclass(slots=True)
class Outcome:
    """Holds the exit code."""

    code: Any = 0


@contextmanager
def reported(arguments: list[str]) -> Generator[Outcome]:
    """Report what the block raises, and set the exit code."""
    outcome = Outcome()
    try:
        with explained():
            yield outcome
            _flush()  # otherwise a failure to write would be a traceback at exit
    except click.exceptions.Exit as end:
        outcome.code = end.exit_code
    except click.Abort:
        outcome.code = INTERRUPTED
    except click.ClickException as error:
        outcome.code = error.code if isinstance(error, Failure) else error.exit_code
        _tell(error, outcome.code, arguments)
    if not isinstance(outcome.code, int):
        outcome.code = 0
    try:
        if outcome.code in (INTERRUPTED, UNREAD):
            _drop_output()
        else:
            _flush()
    except OSError:
        _drop_output()


def _tell(error: click.ClickException, code: int, arguments: list[str]) -> None:
    # From the arguments, not from click's context: the error can be about these very options.
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "--traceback" in options or os.environ.get("LIAISON_DEBUG"):
        import traceback

        trace = traceback.format_exception(error.__cause__ or error)
        click.echo(printable("".join(trace), keep="\t\n"), err=True, nl=False)
    message = error.format_message()
    for one in (error, error.__cause__):
        for note in getattr(one, "__notes__", ()):
            message += f" ({note})"
    hint = error.hint if isinstance(error, Failure) else ""
    if isinstance(error, click.UsageError):
        message = message.rstrip(".")
        message = message[:1].lower() + message[1:]
        if error.ctx is not None:
            hint = f"see `{error.ctx.command_path} --help`"
    if "--json" in options:
        import json

        kind = error.kind if isinstance(error, Failure) else "Usage"
        told = {"error": message, "type": kind, "hint": hint, "exit_code": code}
        click.echo(json.dumps(told), err=True)
        return
    # click's own messages can have several lines; what they quote is the caller's.
    message = printable(message, keep="" if isinstance(error, Failure) else "\t\n")
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True)
    if hint:
        click.echo(click.style(hint, dim=True), err=True)


def _flush() -> None:
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout.flush()


def _drop_output() -> None:
    """Discard what is still buffered, which the interpreter would try to write at exit."""
    try:
        output = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return  # closed, or replaced by a test
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, output)
    os.close(nowhere)
