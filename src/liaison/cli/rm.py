"""``liaison rm``: links, or a space."""

from __future__ import annotations

import click

from liaison import Corrupt, LiaisonError, VersionMismatch
from liaison.address import Address
from liaison.carriers.registry import carrier_of
from liaison.cli import output
from liaison.cli.command import command
from liaison.cli.failure import Failure
from liaison.cli.parameters import CHOSEN_SPACE, LINK
from liaison.links.observer import observed
from liaison.space import remove_space


@command(
    "rm",
    examples="liaison rm orders parcels           these two links\n"
    "liaison rm --space lab --whole      the space itself",
)
@click.argument("names", type=LINK, nargs=-1, metavar="[NAME]...")
@click.option(
    "-f",
    "--force",
    is_flag=True,
    help="Also links whose creator lives, or that are damaged; of a space, messages as well.",
)
# A flag, lest a list of names that happens to be empty mean the space.
@click.option("--whole", is_flag=True, help="Remove the space that --space names, with all links.")
@click.pass_context
def rm(ctx: click.Context, names: tuple[str, ...], force: bool, whole: bool, as_json: bool) -> None:
    """Destroy links, or remove a space.

    The links' messages are lost, and whoever uses them is told. All the names are tried; the exit
    code is that of the first that could not be destroyed.

    With --space SPACE --whole the space itself is removed, with all links in it. One that a living
    process uses stays as it is, unless it is damaged so that nobody can tell and --force is given;
    and without --force so does one in which messages wait.
    """
    if whole and names:
        raise click.UsageError("name links, or the space: --whole takes no names", ctx)
    if whole:
        _remove_space(ctx, force=force, as_json=as_json)
        return
    if not names:
        raise click.UsageError("name links, or a whole space: --space SPACE --whole", ctx)
    removed: list[str] = []
    failures: list[Failure] = []
    for name in names:
        try:
            removed.append(_destroy(name, force=force))
        except Exception as error:
            failures.append(Failure.of(error))
    if as_json:
        output.write_json({"removed": removed})
    if failures:
        first = failures[0]
        message = "; ".join(failure.message for failure in failures)
        raise Failure(message, hint=first.hint, code=first.code, kind=first.kind)


def _remove_space(ctx: click.Context, *, force: bool, as_json: bool) -> None:
    chosen = ctx.meta.get(CHOSEN_SPACE)
    if chosen is None:  # by the environment alone nobody has said which
        raise click.UsageError("name the space to remove: --space SPACE --whole", ctx)
    where = Address.parse_space(chosen)
    try:
        remove_space(where, force=force)
    except LiaisonError as error:
        failure = Failure.of(error)
        # Here the library's own way out is the shell's too, but for how it is spelt.
        message, _, hint = str(error).partition("; ")
        hint = hint.replace("force=True", "--force")
        raise Failure(message, hint=hint, code=failure.code, kind=failure.kind) from error
    if as_json:
        output.write_json({"removed": [str(where)]})


def _destroy(name: str, *, force: bool) -> str:
    try:
        with observed(name) as box:
            box.destroy(force=force)
            return box.address
    except (Corrupt, VersionMismatch):
        if not force:
            raise
    where = Address.parse(name)
    carrier_of(where).space(where.called(""), create=False).unlink(where.name)
    return str(where)
