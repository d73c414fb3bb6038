"""Spaces: directories of links."""

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
    """A directory of links, in memory, of one user or shared by a group; created at first use.

    ``Space("lab")`` is the caller's; ``Space("alice@lab")`` is one that alice opened to a group
    with `Space.create`. Without a name it is the current space (``LIAISON_SPACE``, or ``default``).

    Raises `InvalidAddress`, `NoSpace`, and `AccessDenied` for a directory with wrong rights.

    >>> import liaison
    >>> liaison.Space("example").name
    'example'
    """

    __slots__ = ("_address", "_end")

    def __init__(self, name: str | None = None) -> None:
        """Open the space, or create it."""
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
        """Create a space; with `group` (a name or number), one that the group's members share.

        Members reach it as ``OWNER@NAME``: its directory has mode 3770, its files 0660. Each member
        can read, forge and destroy every message in it, and nothing outside the space. A space
        without a group is private to its user, like one that is created at first use.

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
        """The name of the space; if it is shared, ``OWNER@NAME``."""
        return str(self._address).removeprefix("shm://")

    @property
    def path(self) -> str:
        """The path of the space's directory."""
        return self._end.path

    def address(self, name: str) -> str:
        """Return the address of the link called `name` in this space. Raises `InvalidAddress`.

        >>> import liaison
        >>> liaison.Space("example").address("orders")
        'shm://example/orders'
        """
        return str(self._address.called(name))

    def names(self) -> list[str]:
        """Return the names of the space's links."""
        return self._end.names()

    def links(self) -> list[Link]:
        """Describe the space's links, except those that vanish meanwhile or are damaged."""
        return [one.link for one in self._end.listed(counts=False) if isinstance(one, Listed)]

    def members(self) -> list[Peer]:
        """Return the living processes that have used the space, even if they closed all links."""
        return self._end.members()

    def clean(self, *, links: bool = False) -> Cleaned:
        """Remove what dead processes left behind.

        This removes segments without a name, links that were half destroyed, doorbells, endpoints
        without a name, links of destroyed endpoints, and ports without a receiver. A port's
        messages first go to its dead letters, if it has any and they have room. ``links=True`` also
        removes every link, with its messages, whose creator is dead and which no living process has
        open. Raises `NotFound` when the space was removed.

        >>> import liaison
        >>> liaison.Space("example").clean(links=True).links
        0
        """
        return self._end.clean(links=links)

    def remove(self, *, force: bool = False) -> None:
        """Remove the space with all its links, unless it is in use.

        First this does what `clean` does. Then it raises, and removes nothing else:

        - `Busy`: a living process has a link open in the space (this process, too); or messages
          wait in it, which ``force=True`` discards.
        - `NotOwner`: a living process created a link in it, though it has closed that;
          ``force=True`` ignores this.
        - `Corrupt`, `VersionMismatch`: a link, or the table of the space's processes, is damaged or
          of another version. ``force=True`` ignores this, too; if the table is damaged, it is
          unknown which processes use the space, and these get `Destroyed`.
        - `AccessDenied`: the space is another user's.
        - `NotFound`: it was removed already; a new space with its name stays.

        A process that opens a link meanwhile uses either this space, which is then kept, or a new
        one.

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
        # A space that is made anew from here on, and not used yet, may be removed instead, as it
        # would be if it were this one.
        remove_space(self._address, force=force)

    def __repr__(self) -> str:
        """Show its name."""
        return f"Space({self.name!r})"


def _parsed(name: str | None) -> Address:
    return Address.current_space() if name is None else Address.parse_space(name)


def remove_space(where: Address, *, force: bool) -> None:
    """Remove a space as `Space.remove` does, even if it cannot be opened."""
    let_go(where)
    with suppress(Corrupt, VersionMismatch):  # with force, it can be removed nevertheless
        Space.open(str(where)).clean()
    carrier_of(where).remove_space(where, force=force)


def spaces() -> list[Space]:
    """Return the caller's spaces, except those that cannot be opened.

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
