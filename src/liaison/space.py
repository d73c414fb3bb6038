"""Spaces: where links live, and what can be seen of them."""

from __future__ import annotations

import grp
from contextlib import suppress
from typing import TYPE_CHECKING

from liaison.address import Address
from liaison.carriers.contract import Cleaned, Listed
from liaison.carriers.registry import carrier_of, local_carrier
from liaison.errors import Corrupt, LiaisonError, NotFound, VersionMismatch
from liaison.links.endpoint import let_go
from liaison.owner import own_name

if TYPE_CHECKING:
    from liaison.link import Link, Peer

__all__ = ["Cleaned", "Space", "remove_space", "spaces"]

local_carrier().prepare("space")


class Space:
    """A directory of links, in memory, that belongs to one user or to a group.

    Made at first use. ``Space("lab")`` is the caller's; ``Space("alice@lab")`` is one that alice
    opened to a group with `Space.create`. Without a name it is the current one (``LIAISON_SPACE``,
    or ``default``).

    Raises `InvalidAddress`, `AccessDenied` when its directory is not what it should be, `NoSpace`.

    >>> import liaison
    >>> liaison.Space("example").name
    'example'
    """

    __slots__ = ("_address", "_end")

    def __init__(self, name: str | None = None) -> None:
        """Open the space, or make it."""
        self._begin(_parsed(name), create=True)

    def _begin(self, where: Address, *, create: bool, group: int | None = None) -> None:
        self._address = where
        self._end = carrier_of(where).space(where, create=create, group=group)

    @classmethod
    def open(cls, name: str | None = None) -> Space:
        """Open a space that exists.

        Raises `NotFound` where there is none, otherwise as the constructor does.

        >>> import liaison
        >>> liaison.Space.open("nowhere")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        liaison.errors.NotFound: there is no space 'nowhere'; ...
        """
        space = cls.__new__(cls)
        space._begin(_parsed(name), create=False)
        return space

    @classmethod
    def create(cls, name: str, group: str | int | None = None) -> Space:
        """Make a space; with `group` (a name or number) one that the group's members share.

        They reach it as ``OWNER@NAME``: its directory has mode 3770, its files 0660. Each of them
        can read every message in it, forge some, and destroy all; nothing outside the space. A
        space without a group is its user's alone, as any space that is simply used.

        Raises `NotFound` for an unknown group, `AccessDenied` when you are not a member of it or
        the space exists with other rights.

        >>> import liaison
        >>> liaison.Space.create("example").links()
        []
        """
        if group is None:
            return cls(name)
        try:
            gid = group if isinstance(group, int) else grp.getgrnam(group).gr_gid
        except KeyError:
            raise NotFound(f"there is no group {group!r}") from None
        space = cls.__new__(cls)
        space._begin(Address.parse_space(f"{own_name()}@{name}"), create=True, group=gid)
        return space

    @property
    def name(self) -> str:
        """Its name, with its owner's where it is shared."""
        return str(self._address).removeprefix("shm://")

    @property
    def path(self) -> str:
        """The directory in which it lies."""
        return self._end.path

    def address(self, name: str) -> str:
        """The address of the link called `name` in this space."""
        return str(self._address.called(name))

    def names(self) -> list[str]:
        """The names of its links."""
        return self._end.names()

    def links(self) -> list[Link]:
        """What links there are. One that vanishes meanwhile, or is damaged, is left out."""
        return [one.link for one in self._end.listed(counts=False) if isinstance(one, Listed)]

    def members(self) -> list[Peer]:
        """The living processes that have used it, also who has nothing open in it any more."""
        return self._end.members()

    def clean(self, *, links: bool = False) -> Cleaned:
        """Remove what dead processes left behind.

        Always: segments that no name leads to, links that were half destroyed, doorbells, endpoints
        of processes that had said no name, links of endpoints that are gone, and ports without
        their receiver, whose messages first go to their dead letters, where they have some and
        those have room. With ``links=True`` also every link whose creator is dead and which no
        living process has open, together with the messages in it. Raises `NotFound` when the space
        was removed.

        >>> import liaison
        >>> liaison.Space("example").clean(links=True).links
        0
        """
        return self._end.clean(links=links)

    def remove(self, *, force: bool = False) -> None:
        """Remove the space, with the links in it that nobody needs any more.

        First what dead processes left is cleaned away, as `clean` does. What keeps the space then
        is an error that names it, and nothing else is removed:

        - `Busy`: a living process uses it, this one too, as long as it has something open in it;
          or messages wait in it. With ``force=True`` these are lost.
        - `NotOwner`: a living process made a link in it, though it has closed that. Not with
          ``force=True``.
        - `Corrupt`, `VersionMismatch`: a link is damaged, or is of another version, or the table
          of the space's processes is. With ``force=True`` a space with such a table is removed
          although nobody can tell who uses it: those who do are told by `Destroyed`.
        - `AccessDenied`: it is another user's, whatever the group.
        - `NotFound`: it was removed already; another space that has its name by now stays.

        Whoever comes meanwhile uses either this space, which is then kept, or a new one.

        >>> import liaison
        >>> space = liaison.Space("trial")
        >>> with liaison.Mailbox(space.address("orders")) as orders:
        ...     space.remove()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        liaison.errors.Busy: space 'trial' is in use by this process, which has 'orders' open; ...
        >>> space.remove()
        >>> "trial" in [space.name for space in liaison.spaces()]
        False
        """
        with suppress(Corrupt, VersionMismatch):
            carrier_of(self._address).space(self._address, create=False)
        if self._end.gone:
            raise NotFound(
                f"this space {self.name!r} was removed, and another was made under its name; "
                f"open that with Space.open({self.name!r})"
            )
        # One that is made anew from here on, and that nobody uses yet, may go in its place: that is
        # what would become of it if it had been this one.
        remove_space(self._address, force=force)

    def __repr__(self) -> str:
        """Show which it is."""
        return f"Space({self.name!r})"


def _parsed(name: str | None) -> Address:
    return Address.current_space() if name is None else Address.parse_space(name)


def remove_space(where: Address, *, force: bool) -> None:
    """Remove a space as `Space.remove` does, also one that cannot be opened."""
    let_go(where)
    with suppress(Corrupt, VersionMismatch):  # with force, it can be removed for all that
        Space.open(str(where)).clean()
    carrier_of(where).remove_space(where, force=force)


def spaces() -> list[Space]:
    """The caller's spaces.

    >>> import liaison
    >>> liaison.Space("example") and "example" in [space.name for space in liaison.spaces()]
    True
    """
    found: list[Space] = []
    for name in local_carrier().spaces():
        try:
            found.append(Space.open(name))
        except LiaisonError:
            continue
    return found
