"""Why a space may not be used: which directory is wrong, and the remedy.

The engine reports only that it is refused; this looks once more, for the text. A change in between
makes the text wrong, and nothing else.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat

from liaison.errors import AccessDenied, Busy, Corrupt, NotFound, VersionMismatch

__all__ = ["absence", "denial", "full_name", "held_space", "other_version", "ruin"]

_STICKY = 0o1000
_OTHERS_WRITE = 0o022
# Of a space that a group shares; one that is its user's alone has 0700 and 0600 throughout.
_SHARED = {"": 0o3770, "links": 0o2770, "names": 0o2770, "bells": 0o3770, "members": 0o660}


def denial(root: str, owner: int, name: str, gid: int = -1) -> AccessDenied:
    """Say why the space `name` of the user `owner` below `root` may not be used.

    `gid` is the group that it was to be made for, or -1.
    """
    wrong, way_out = _Space(root, owner, name, gid).verdict()
    return AccessDenied(f"space {name!r} may not be used: {wrong}; {way_out}")


def absence(root: str, owner: int, name: str) -> NotFound:
    """Say what of the space `name` of the user `owner` below `root` is not there."""
    above = os.path.dirname(root)
    if not os.path.isdir(above):
        return NotFound(
            f"there is no directory {above}, in which the environment variable LIAISON_ROOT has "
            "spaces lie: make it, or name another there"
        )
    if root.endswith(".shared"):
        return NotFound(
            f"{_user(owner)} shares no space {name!r}: its owner makes one with "
            f"Space.create({name!r}, group=...)"
        )
    return NotFound(f"there is no space {name!r}; using a space makes it")


def ruin(root: str, owner: int, name: str) -> Corrupt:
    """Say that the space's table of processes is no longer one, or was one elsewhere."""
    table = os.path.join(root, name, "members")
    removal = f"liaison rm --space {full_name(root, owner, name)} --whole --force"
    return Corrupt(
        f"space {name!r} may not be used: {table}, the table of its processes, was copied there, "
        "overwritten or truncated, so it is unknown which of them live; end them, and remove the "
        f"space with `{removal}`"
    )


def other_version(root: str, owner: int, name: str) -> VersionMismatch:
    """Say that the space belongs to another version."""
    called = full_name(root, owner, name)
    return VersionMismatch(
        f"space {called!r} was made by another version of liaison; run the same version in all its "
        f"users, or end them and remove it with `liaison rm --space {called} --whole --force`"
    )


def held_space(root: str, owner: int, name: str) -> Busy:
    """Say that a removed space still has the name."""
    return Busy(
        f"space {full_name(root, owner, name)!r} was removed, but another process is still "
        "removing its directory; if that is stopped, continue or kill it"
    )


def full_name(root: str, owner: int, name: str) -> str:
    """What users call the space `name` of the user `owner` below `root`."""
    return f"{_user(owner)}@{name}" if root.endswith(".shared") else name


class _Space:
    def __init__(self, root: str, owner: int, name: str, gid: int) -> None:
        self.root, self.owner, self.name, self.gid = root, owner, name, gid

    def verdict(self) -> tuple[str, str]:
        """What is wrong, and what to do."""
        return self._above() or self._root() or self._parts() or self._unknown()

    def _elsewhere(self) -> str:
        if self.owner != os.geteuid():
            return f"ask {_user(self.owner)}"
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"
        return (
            "name another directory in the environment variable LIAISON_ROOT, one that you have "
            f"made yourself, as by `mkdir -m 700 {place}/{_user(self.owner).replace(' ', '-')}`"
        )

    def _mended(self, place: str, mode: int) -> str:
        command = f"chmod {mode:04o} {place}"
        return f"`{command}`" if self.owner == os.geteuid() else f"ask {_user(self.owner)}"

    def _above(self) -> tuple[str, str] | None:
        above = os.path.dirname(self.root)
        try:
            found = os.stat(above)
        except OSError as error:
            return f"{above}: {error.strerror}", self._elsewhere()
        if found.st_uid not in (0, os.geteuid(), self.owner):
            return f"{above}, in which it would be, belongs to {_user(found.st_uid)}", (
                self._elsewhere()
            )
        if found.st_mode & _OTHERS_WRITE and not found.st_mode & _STICKY:
            return (
                f"others may rename what is in {above}, whose mode is {_mode(found):04o}",
                self._elsewhere(),
            )
        return None

    def _root(self) -> tuple[str, str] | None:
        mode = 0o711 if self._is_shared() else 0o700
        try:
            found = os.lstat(self.root)
        except FileNotFoundError:
            above = os.path.dirname(self.root)
            return f"{_user(os.geteuid())} may not make a directory in {above}", self._elsewhere()
        except OSError as error:
            return f"{self.root}: {error.strerror}", self._elsewhere()
        if strange := self._strange(found, stat.S_IFDIR):
            who = _user(found.st_uid) if found.st_uid == 0 else f"{_user(found.st_uid)} or root"
            return f"{self.root} {strange}", f"have {who} remove it, or {self._elsewhere()}"
        if _mode(found) != mode:
            return f"{self.root} has mode {_mode(found):04o}, not {mode:04o}", (
                self._mended(self.root, mode)
            )
        return None

    def _parts(self) -> tuple[str, str] | None:
        top = os.path.join(self.root, self.name)
        group = -1
        for part, shared_mode in _SHARED.items():
            place = os.path.join(top, part) if part else top
            own_mode = 0o600 if part == "members" else 0o700
            mode = shared_mode if self._is_shared() else own_mode
            try:
                found = os.lstat(place)
            except FileNotFoundError:
                if not part and self.gid >= 0:
                    return f"you are not a member of {_group(self.gid)}", "have yourself added"
                return f"{place} cannot be made", self._elsewhere()
            except PermissionError:
                return (
                    f"{_user(os.geteuid())} is not a member of {_group(group)}, which shares it",
                    f"ask {_user(self.owner)}",
                )
            except OSError as error:
                return f"{place}: {error.strerror}", self._elsewhere()
            group = group if part else found.st_gid
            if fault := self._fault(place, part, found, mode, group):
                return fault
        return None

    def _fault(
        self, place: str, part: str, found: os.stat_result, mode: int, group: int
    ) -> tuple[str, str] | None:
        member = part == "members"  # which any member of the group may have made
        kind = stat.S_IFREG if member else stat.S_IFDIR
        if strange := self._strange(found, kind, anybody=member and self._is_shared()):
            return f"{place} {strange}", f"have it removed, or {self._elsewhere()}"
        wanted = self.gid if self.gid >= 0 and not part else group
        if self._is_shared() and found.st_gid != wanted:
            return f"{place} belongs to {_group(found.st_gid)}, not to {_group(wanted)}", (
                f"name that group, or ask {_user(self.owner)}"
            )
        if _mode(found) != mode:
            return f"{place} has mode {_mode(found):04o}, not {mode:04o}", (
                self._mended(place, mode)
            )
        return None

    def _strange(self, found: os.stat_result, kind: int, *, anybody: bool = False) -> str:
        """What is wrong with it; empty if nothing is."""
        wrong: list[str] = []
        if stat.S_ISLNK(found.st_mode):
            wrong.append("is a symbolic link")
        elif stat.S_IFMT(found.st_mode) != kind:
            wrong.append("is not a directory" if kind == stat.S_IFDIR else "is not a plain file")
        if found.st_uid != self.owner and not anybody:
            wrong.append(f"belongs to {_user(found.st_uid)}, not to {_user(self.owner)}")
        return " and ".join(wrong)

    def _is_shared(self) -> bool:
        return self.root.endswith(".shared")

    def _unknown(self) -> tuple[str, str]:
        return f"{os.path.join(self.root, self.name)} may not be entered", self._elsewhere()


def _mode(found: os.stat_result) -> int:
    return stat.S_IMODE(found.st_mode)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    try:
        return f"group {grp.getgrgid(gid).gr_name}"
    except KeyError:
        return f"group {gid}"
