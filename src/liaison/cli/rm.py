"""``liaison rm``."""

from __future__ import annotations

import fcntl
import os

import click

from liaison import Busy, Corrupt, NotFound, VersionMismatch
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
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with shm.directory(space, "names") as names, shm.directory(space, "links") as links:
        file = os.open(address.name, flags, dir_fd=names)
        try:
            # As whoever takes a name away: see naming.h.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            segment = os.fstat(file).st_ino
            if os.stat(address.name, dir_fd=names, follow_symlinks=False).st_ino != segment:
                raise NotFound(f"{address} was removed by somebody else, and made anew")
            os.unlink(address.name, dir_fd=names)
            with os.scandir(links) as entries:
                ids = [entry.name for entry in entries if entry.inode() == segment]
            for id in ids:
                os.unlink(id, dir_fd=links)
        except BlockingIOError:
            raise Busy(f"{address} is being removed by another process; try again") from None
        finally:
            os.close(file)
    return str(address)
