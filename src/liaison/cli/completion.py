"""``liaison completion``."""

from __future__ import annotations

import os
from pathlib import PurePath

import click
from click.shell_completion import get_completion_class

from liaison.cli import output
from liaison.cli.command import command


@command(
    "completion",
    examples="""\
eval "$(liaison completion bash)"             in ~/.bashrc
eval "$(liaison completion zsh)"              in ~/.zshrc
liaison completion fish | source              in ~/.config/fish/config.fish
""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), required=False)
@click.pass_context
def completion(ctx: click.Context, shell: str | None, as_json: bool) -> None:
    """Print the script that completes commands and names in a shell.

    Without an argument the script is for your shell. It also completes names of links and spaces.
    """
    shell = shell or PurePath(os.environ.get("SHELL", "")).name
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError("name the shell: bash, zsh or fish")
    script = kind(ctx.find_root().command, {}, "liaison", "_LIAISON_COMPLETE").source()
    if as_json:
        output.write_json({"shell": shell, "script": script})
    else:
        click.echo(script)
