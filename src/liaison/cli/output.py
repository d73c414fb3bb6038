"""Output: JSON for programs, and numbers, times and tables for people."""

from __future__ import annotations

import io
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import click
import msgspec

from liaison.facts import Facts
from liaison.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from liaison import Peer

__all__ = [
    "age",
    "amount",
    "as_line",
    "console",
    "described",
    "json_line",
    "rate",
    "who",
    "write_json",
]

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def _plain(value: Any) -> Any:
    """Convert what JSON cannot represent: arrays to lists, the rest to its `repr`."""
    if isinstance(value, Facts):
        return value.as_dict()
    return value.tolist() if hasattr(value, "tolist") else repr(value)


def json_line(value: Any) -> bytes:
    """The value as JSON, on one line; bytes in base64.

    Characters that are not printable are escaped, which does not change the value.
    """
    text = msgspec.json.encode(value, enc_hook=_plain).decode()
    if text.isprintable():
        return text.encode()
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text).encode()


def write_json(value: Any) -> None:
    """Write one JSON document; on a terminal, with indentation."""
    text = json_line(value)
    click.echo(msgspec.json.format(text, indent=2) if sys.stdout.isatty() else text)


def as_line(message: Any) -> bytes:
    """A message as ``receive`` and ``peek`` write it: text and bytes as they are, else JSON.

    A program gets them byte for byte. A terminal would obey control characters, so all characters
    that are not printable, except tabs and newlines, are written to it as escapes.
    """
    if not isinstance(message, str | bytes):
        return json_line(_listed(message))
    if sys.stdout.isatty():
        text = message if isinstance(message, str) else message.decode("utf-8", "backslashreplace")
        # A character that the terminal's encoding lacks becomes an escape rather than an error.
        return printable(text, keep="\t\n").encode(sys.stdout.encoding, "backslashreplace")
    return message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message


def _listed(message: Any) -> Any:
    """Convert an array that was received without NumPy to what NumPy would give."""
    return message.tolist() if isinstance(message, memoryview) else message


def described(message: Any) -> dict[str, Any]:
    """A message in a JSON object: as ``message``, or, in base64, as ``bytes``."""
    return {"bytes": message} if isinstance(message, bytes) else {"message": _listed(message)}


def console() -> Console:
    """A console on standard output; if that is no terminal, one that never breaks lines."""
    from rich.console import Console

    class OurConsole(Console):
        def on_broken_pipe(self) -> None:
            raise  # rich would exit with 1; here `failure` decides  # noqa: PLE0704

    stream: object = sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        # If the encoding lacks the characters of tables, question marks are written.
        stream.reconfigure(errors="replace")
    wide = None if sys.stdout.isatty() else 1000
    return OurConsole(width=wide, highlight=False, markup=False, emoji=False)


def amount(count: int) -> str:
    """A number of bytes.

    >>> amount(512), amount(249856), amount(1 << 30)
    ('512 B', '244 KiB', '1 GiB')
    """
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1000:
            break
        value, unit = value / 1024, larger
    digits = 1 if round(value, 1) < 10 and round(value, 1) % 1 else 0
    return f"{value:.{digits}f} {unit}"


def rate(value: float) -> str:
    """A number of messages a second, three digits of it.

    >>> rate(0), rate(7.25), rate(8430), rate(1234567)
    ('0', '7.2', '8.43k', '1.23M')
    """
    if value < 999.5:
        return f"{value:.1f}" if 0 < value < 10 else f"{value:.0f}"
    unit = "k" if value < 999.5e3 else "M" if value < 999.5e6 else "G"
    value /= {"k": 1e3, "M": 1e6, "G": 1e9}[unit]
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f}{unit}"


def age(started: float) -> str:
    """How long ago a moment was, in its largest unit.

    >>> age(0.0)
    '?'
    """
    if not started:
        return "?"
    seconds = max(0, int(time.time() - started))
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
    return f"{seconds // _DAY} d {seconds % _DAY // _HOUR} h"


def who(peer: Peer) -> str:
    """A process: its name, pid and command."""
    command = f" ({peer.command})" if peer.command else ""
    return f"{peer}{command}"
