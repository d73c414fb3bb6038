"""``liaison rm``."""

from __future__ import annotations

import os

import click

from liaison import Corrupt, VersionMismatch
from liaison.address import Address
from liaison.carriers import shm
from liaison.cli import output
from liaison.cli.command import command
from liaison.cli.failure import Failure
from liaison.cli.parameters import LINK
from liaison.links.end import Observed


@command("rm")
@click.argument("names", type=LINK, nargs=-1, required=True, metavar="NAME...")
@click.option(
    "-f", "--force", is_flag=True, help="Also links whose creator lives, or that are damaged."
)
def rm(names: tuple[str, ...], force: bool, as_json: bool) -> None:
    """Destroy links.

    Their messages are lost, and whoever uses them is told. All the names are tried; the exit code
    is that of the first that could not be destroyed.
    """
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


def _destroy(name: str, *, force: bool) -> str:
    try:
        with Observed.look(name) as box:
            box.destroy(force=force)
            return box.address
    except (Corrupt, VersionMismatch):
        if not force:
            raise
    return _unlink(name)


def _unlink(name: str) -> str:
    """Remove a segment that the engine will not open; whoever still has it notices at once."""
    address = Address.parse(name)
    space = shm.open_space(address, create=False)
    with shm.directory(space, "names") as names, shm.directory(space, "links") as links:
        segment = os.stat(address.name, dir_fd=names, follow_symlinks=False).st_ino
        with os.scandir(links) as entries:
            ids = [entry.name for entry in entries if entry.inode() == segment]
        for id in ids:
            os.unlink(id, dir_fd=links)
        os.unlink(address.name, dir_fd=names)
    return str(address)
