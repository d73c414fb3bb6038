"""Declaring a command, with the options that all commands have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from liaison.address import Address
from liaison.cli.parameters import CHOSEN_SPACE, SPACE

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["command", "with_common_options"]

_VARIABLE = "LIAISON_SPACE"


def command(name: str, *, examples: str = "") -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command of a function, which gets ``as_json`` in addition to its own parameters.

    An int that it returns is the exit code. `examples` stand at the end of its help.
    """
    epilog = f"\b\n{examples}" if examples else None

    def decorate(function: Callable[..., Any]) -> click.Command:
        return with_common_options(click.command(name, epilog=epilog)(function))

    return decorate


def with_common_options(command: click.Command) -> click.Command:
    """Add the options that all commands have, after its own."""
    space = click.Option(
        ["-s", "--space"],
        type=SPACE,
        callback=_choose_space,
        expose_value=False,
        help="The space in which a bare NAME is.  [env: LIAISON_SPACE; default: default]",
    )
    json = click.Option(
        ["--json", "as_json"],
        is_flag=True,
        callback=_inherit,
        help="Write JSON; errors as JSON to standard error.",
    )
    # `failure` looks for it in the arguments, because an error can come before they are parsed.
    traceback = click.Option(["--traceback"], is_flag=True, expose_value=False, hidden=True)
    command.params += [space, json, traceback]
    return command


def _choose_space(ctx: click.Context, _: click.Parameter, name: str | None) -> None:
    # The variable decides where bare names are, in this process and in its children. It is restored
    # for a caller that continues afterwards.
    if name is None:
        return
    Address.parse_space(name)  # here an error is one of the option's, and not of the variable's
    ctx.meta[CHOSEN_SPACE] = name
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = name

    def put_back() -> None:
        if before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = before

    ctx.call_on_close(put_back)


def _inherit(ctx: click.Context, parameter: click.Parameter, value: bool) -> bool:
    return value or bool(ctx.find_root().params.get(parameter.name or ""))
