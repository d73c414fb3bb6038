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
    help="Also destroy links that are damaged or whose creator lives; with --whole, also discard "
    "waiting messages.",
)
# A flag, so that an empty list of names does not remove the space.
@click.option("--whole", is_flag=True, help="Remove the space that --space names, with all links.")
@click.pass_context
def rm(ctx: click.Context, names: tuple[str, ...], force: bool, whole: bool, as_json: bool) -> None:
    """Destroy links, or remove a space.

    A link's messages are lost, and processes that use it get an error. All names are tried; the
    exit code is that of the first failure.

    With --space SPACE --whole the space itself is removed, with all links in it, unless a living
    process uses it or messages wait in it. --force also removes a space with waiting messages, and
    one that is so damaged that its users cannot be known.
    """
    if whole and names:
        raise click.UsageError("--whole removes a space: leave out the names of links", ctx)
    if whole:
        _remove_space(ctx, force=force, as_json=as_json)
        return
    if not names:
        raise click.UsageError("name links to destroy, or a space: --space SPACE --whole", ctx)
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
    if chosen is None:  # LIAISON_SPACE alone is not explicit enough
        raise click.UsageError("name the space to remove: --space SPACE --whole", ctx)
    where = Address.parse_space(chosen)
    try:
        remove_space(where, force=force)
    except LiaisonError as error:
        failure = Failure.of(error)
        # The library's own hint holds here too, except for the option's spelling.
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
