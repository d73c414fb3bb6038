"""The ``liaison`` command and its subcommands, each of which is imported only when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from liaison.cli import failure
from liaison.cli.command import with_common_options

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SECTIONS", "main"]

# Each text repeats the first line of the command's own help; a test compares the two. Reading them
# from there would make `liaison --help` import every command and its dependencies.
SECTIONS = {
    "Links": {
        "ls": "List the links of a space.",
        "show": "Show a link's properties, counts and processes.",
        "create": "Create a mailbox or a message queue.",
        "rm": "Destroy links, or remove a space.",
        "clean": "Remove what dead processes left behind.",
    },
    "Messages": {
        "send": "Send messages to a link.",
        "receive": "Receive messages from a link.",
        "peek": "Show waiting messages without receiving them.",
    },
    "More": {
        "top": "Watch the links of a space at work.",
        "demo": "Demonstrate liaison on this machine.",
        "bench": "Measure the speed of liaison and of other libraries.",
        "completion": "Print the script that completes commands and names in a shell.",
    },
}
_COMMANDS = {name: text for section in SECTIONS.values() for name, text in section.items()}


class _Root(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        return getattr(import_module(f"liaison.cli.{cmd_name}"), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                # Aligned across the sections.
                formatter.write_dl([(name.ljust(10), text) for name, text in commands.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [
            CompletionItem(name, help=text)
            for name, text in _COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    # These two methods explain errors, and main() does not, because click's own main() takes every
    # BrokenPipeError, and so Destroyed, for a closed standard output.

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        with failure.explained():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with failure.explained():
            return super().invoke(ctx)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        given = sys.argv[1:] if args is None else list(args)
        run = super().main
        if not standalone_mode:
            return run(given, prog_name, complete_var, standalone_mode=False, **extra)
        with failure.reported(given) as outcome:
            outcome.code = run(given, prog_name, complete_var, standalone_mode=False, **extra)
        sys.exit(outcome.code)


_HELP = """\
Interprocess communication that survives kill -9.

\b
producer | liaison send jobs -             each line becomes a message
liaison receive jobs --follow | consumer   each message becomes a line
liaison top                                watch them
"""
_EPILOG = """\
\b
A NAME is a link of the space, or an address such as shm://lab/orders.
Exit codes: 0 done, 1 failed, 2 usage, 3 empty, full or busy, 4 not found, 5 denied.
`liaison COMMAND --help` says more about each.
"""


@with_common_options
@click.command(
    "liaison",
    cls=_Root,
    invoke_without_command=True,
    help=_HELP,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="liaison-ipc", prog_name="liaison")
@click.pass_context
def main(ctx: click.Context, as_json: bool) -> None:
    """Show the help if no command is given."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
