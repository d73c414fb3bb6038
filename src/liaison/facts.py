"""Facts that are told, as frozen dataclasses would hold them.

To import what those are made of takes longer than all that a mailbox needs, and to import it when
somebody first asks would need a descriptor, a lock and a living interpreter in the middle of
whatever they do.
"""

from __future__ import annotations

# `typing` is for the checkers of types, which know this name: to import it, and what that imports,
# would take as long as half of the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, Self, dataclass_transform
else:

    def dataclass_transform(**_):
        return lambda made: made


__all__ = ["Facts"]


def _plain(value: Any) -> Any:
    if isinstance(value, Facts):
        return value.as_dict()
    if isinstance(value, tuple):
        return list(map(_plain, value))  # pyright: ignore[reportUnknownArgumentType]
    return value


@dataclass_transform(frozen_default=True)
class Facts:
    """Made of a value for each annotation, in their order or by name; a default where it has one.

    Immutable, and compared, hashed, shown and pickled as these values.
    """

    def __init_subclass__(cls) -> None:
        """Note what it consists of."""
        cls.__match_args__ = tuple(cls.__annotations__)
        cls._named = cls.__annotations__.keys()

    def __init__(self, *given: Any, **named: Any) -> None:
        """Take a value for each."""
        fields = self.__match_args__
        if not given and named.keys() == self._named:
            self.__dict__.update(named)
            return
        if not named and len(given) == len(fields):
            self.__dict__.update(zip(fields, given, strict=True))
            return
        known = dict(zip(fields, given, strict=False))
        values = known | named
        strange = values.keys() - fields
        missing = [f for f in fields if f not in values and not hasattr(type(self), f)]
        if strange or missing or len(given) > len(fields) or known.keys() & named.keys():
            raise TypeError(f"{type(self).__name__} consists of: {', '.join(fields)}")
        self.__dict__.update(values)

    def but(self, **changes: Any) -> Self:
        """Return the same with other values for these."""
        return type(self)(**dict(zip(self.__match_args__, self._values(), strict=True)) | changes)

    __replace__ = but  # for copy.replace()

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain data, as for JSON."""
        return {field: _plain(getattr(self, field)) for field in self.__match_args__}

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, field) for field in self.__match_args__])

    def __setattr__(self, field: str, value: object) -> NoReturn:
        """Refuse: it is immutable."""
        raise AttributeError(
            f"{type(self).__name__} is immutable: make another one to change its {field}"
        )

    def __delattr__(self, field: str) -> NoReturn:
        """Refuse: it is immutable."""
        raise AttributeError(f"{type(self).__name__} is immutable: it keeps its {field}")

    def __eq__(self, other: object) -> bool:
        """Compare all values with those of another of the class."""
        if not isinstance(other, Facts) or type(self) is not type(other):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        """Agree with the comparison."""
        return hash(self._values())

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        """Travel as its values."""
        return type(self), self._values()

    def __repr__(self) -> str:
        """Show every value."""
        return f"{type(self).__name__}({', '.join(self._shown())})"

    def _shown(self) -> list[str]:
        return [f"{field}={getattr(self, field)!r}" for field in self.__match_args__]
