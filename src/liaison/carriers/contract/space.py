"""A space that is open, and what it tells of its links."""

from __future__ import annotations

from abc import ABC, abstractmethod

from liaison.facts import Facts

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from liaison.errors import LiaisonError
    from liaison.link import Link, Peer, Statistics

# pyright: reportReturnType=false

__all__ = ["Cleaned", "Listed", "SpaceEnd"]


class Listed(Facts):
    """A link; of an endpoint also by what names it is reached, and by whom.

    There are no statistics where nobody asked for them.
    """

    address: str
    link: Link
    statistics: Statistics | None
    aliases: list[str]
    known_as: dict[str, list[Peer]]


class Cleaned(Facts):
    """What `Space.clean` removed: links, remains of dead creators, doorbells; bytes set free."""

    links: int
    remains: int
    doorbells: int
    bytes: int


class SpaceEnd(ABC):
    """A space that is open."""

    @property
    @abstractmethod
    def path(self) -> str:
        """The directory in which it lies; "" where it lies in none."""

    @property
    @abstractmethod
    def gone(self) -> bool:
        """Whether it was removed: whoever comes finds another, or none."""

    @abstractmethod
    def names(self) -> list[str]:
        """The names of its links."""

    @abstractmethod
    def listed(self, *, counts: bool) -> list[Listed | tuple[str, LiaisonError]]:
        """Its links, by name, with their statistics if `counts`.

        Instead of one that cannot be looked at, its name and the reason. One that is gone by then,
        or has proved to be over, is left out.
        """

    @abstractmethod
    def members(self) -> list[Peer]:
        """The living processes that have used it."""

    @abstractmethod
    def clean(self, *, links: bool) -> Cleaned:
        """Remove what dead processes left behind; with `links`, also what nobody needs."""

    @abstractmethod
    def unlink(self, name: str) -> None:
        """Remove a link that is so damaged that it cannot be opened."""
