"""A space in shared memory, as the carrier tells of it."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from liaison.carriers.contract import Cleaned, Policy, Reading, SpaceEnd
from liaison.carriers.shm.dead_letters import empty_orphan, open_link
from liaison.carriers.shm.listing import listed
from liaison.carriers.shm.pairs import clean_pairs
from liaison.carriers.shm.space import Directory, link_names, open_space
from liaison.errors import Busy, LiaisonError, NotFound

if TYPE_CHECKING:
    from liaison.address import Address
    from liaison.carriers.contract import Listed
    from liaison.link import Peer

__all__ = ["SharedSpace"]


class SharedSpace(SpaceEnd):
    """A directory of links in shared memory; see `liaison.carriers.contract.SpaceEnd`."""

    def __init__(self, where: Address, *, create: bool, group: int | None) -> None:
        self._where = where
        self._handle = open_space(where, create=create, group=-1 if group is None else group)

    @property
    def path(self) -> str:
        return self._handle.path

    @property
    def gone(self) -> bool:
        return self._handle.gone

    def names(self) -> list[str]:
        return link_names(self._handle)

    def listed(self, *, counts: bool) -> list[Listed | tuple[str, LiaisonError]]:
        return listed(self._where, self._handle, counts=counts)

    def members(self) -> list[Peer]:
        return self._handle.members()

    def clean(self, *, links: bool) -> Cleaned:
        ports = 0
        with self._handle:
            for name in self.names():
                where = self._where.called(name)
                try:
                    open_link(where, "observe", Policy(), Reading.of(None, None)).close()
                    ports += empty_orphan(self._handle, str(where))
                except NotFound:
                    ports += 1  # opening it noticed that it is over
                except LiaisonError:
                    continue
            pairs = clean_pairs(self._where, self._handle)
            found, remains, doorbells, freed = self._handle.clean(links)
        return Cleaned(found + ports + pairs, remains, doorbells, freed)

    def unlink(self, name: str) -> None:
        """Remove a segment that the engine will not open; whoever has it notices at once."""
        where = self._where.called(name)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with Directory(self._handle, "names") as names, Directory(self._handle, "links") as links:
            file = os.open(name, flags, dir_fd=names)
            try:
                # As whoever takes a name away: see naming.h.
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                segment = os.fstat(file).st_ino
                if os.stat(name, dir_fd=names, follow_symlinks=False).st_ino != segment:
                    raise NotFound(f"{where} was removed by somebody else, and made anew")
                os.unlink(name, dir_fd=names)
                with os.scandir(links) as entries:
                    ids = [entry.name for entry in entries if entry.inode() == segment]
                for id in ids:
                    os.unlink(id, dir_fd=links)
            except BlockingIOError:
                raise Busy(f"{where} is being removed by another process; try again") from None
            finally:
                os.close(file)
