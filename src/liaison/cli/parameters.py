"""Types of parameters: names that a shell completes, and sizes with their units."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CHOSEN_SPACE", "LINK", "SECONDS", "SIZE", "SPACE", "size"]

# The key for the value of --space: a shell asks for names after the command has ended.
CHOSEN_SPACE = "liaison.space"

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:I?B)?", re.IGNORECASE)
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def size(text: str) -> int:
    """Read a number of bytes: ``4096``, ``64K``, ``1.5M``, ``2GiB``; units are powers of 1024.

    Raises `ValueError`.

    >>> size("64K"), size("1.5 MiB")
    (65536, 1572864)
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a size: write it as 4096, 64K, 1M or 2G")
    number, unit = found.groups()
    return int(float(number) * (1 << _UNITS[unit.upper()]))


# click.ParamType is generic in newer versions of click only.
class _Size(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Name(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """Text that names something; a subclass knows the names that exist."""

    def known(self, ctx: click.Context) -> Iterable[str]:
        raise NotImplementedError

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            names = list(self.known(ctx))
        except Exception:
            return []  # the user is typing, and an error could not be shown
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class _Link(_Name):
    name = "name"

    def known(self, ctx: click.Context) -> Iterable[str]:
        from liaison.cli.sight import current_space

        space = current_space(ctx.meta.get(CHOSEN_SPACE))
        return space.names() if space is not None else ()


class _Space(_Name):
    name = "name"

    def known(self, ctx: click.Context) -> Iterable[str]:
        from liaison import spaces

        return [space.name for space in spaces()]


LINK = _Link()
SPACE = _Space()
SIZE = _Size()
SECONDS = click.FloatRange(min=0)
