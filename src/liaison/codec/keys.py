"""Keys of dicts and items of sets whose hashes a sender can choose."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Union, cast
from uuid import UUID

import msgspec
from msgspec import inspect

from liaison._native.msgpack import ENTRIES, HEAVY, ITEMS, KEYS, crowded, keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from typing_extensions import Buffer

# Python hashes these with a secret of the process, or the receiver's type lists all values.
_UNKNOWN = (
    inspect.StrType,
    inspect.BytesType,
    inspect.DateType,
    inspect.BoolType,
    inspect.NoneType,
    inspect.EnumType,
    inspect.LiteralType,
)
_SIMPLE: dict[type[inspect.Type], Any] = {
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.StrType: str,
    inspect.BytesType: bytes,
    inspect.BoolType: bool,
    inspect.NoneType: None,
    inspect.DecimalType: Decimal,
    inspect.UUIDType: UUID,
    inspect.DateTimeType: datetime,
    inspect.TimeType: time,
    inspect.TimeDeltaType: timedelta,
}


class Keys:
    """The keys of dicts and the items of sets in messages of a type, if they can collide.

    A number's hash is the number, and a tuple's or a UUID's follows from numbers. So a sender can
    choose values that are all searched for in the same slots, which turns a second of the
    receiver's time into a day. Only msgspec knows what the values become, so it first makes a list
    of them, which needs no slots.
    """

    def __init__(self, expected: Any) -> None:
        """Collect the keys and items of a type."""
        # Without a type, the keys of any dict are as MessagePack encodes them.
        self._of_dicts: list[tuple[Any, bool]] = [(Any, False)]
        self._of_sets: list[tuple[Any, bool]] = []
        self._costly = False
        for info in _parts(inspect.type_info(expected), set()):
            if isinstance(info, inspect.DictType):
                self._note(self._of_dicts, info.key_type)
            elif isinstance(info, inspect.SetType | inspect.FrozenSetType):
                self._note(self._of_sets, info.item_type)
                self._costly = True
            elif isinstance(info, inspect.MemoryViewType):
                self._costly = True

    def check(self, payload: bytes, found: int) -> None:
        """Raise `ValueError` if dicts or sets take far more time or memory than their bytes.

        `found` is what `liaison._native.msgpack.check` found in the payload.
        """
        if found & HEAVY and self._costly:
            raise ValueError("it would take more than 128 times its size, as sets or memoryviews")
        # With a type, text may become a key whose hash the sender can compute.
        typed = len(self._of_dicts) > 1
        if not (found & KEYS or (found & ENTRIES and typed) or (found & ITEMS and self._of_sets)):
            return
        for of_dict, listed in keys(payload, bool(self._of_sets)):
            for key, loose in self._of_dicts if of_dict else self._of_sets:
                values = _made(listed, key)
                if loose:
                    values = [_frozen(value) for value in values]
                if crowded(values, not of_dict):
                    raise ValueError("its keys collide, and decoding them would take too long")

    @staticmethod
    def _note(those: list[tuple[Any, bool]], info: inspect.Type) -> None:
        if not isinstance(info, _UNKNOWN):
            loose = any(isinstance(part, inspect.AnyType) for part in _parts(info, set()))
            those.append((_bare(info), loose))


def _parts(info: inspect.Type, met: set[int]) -> Iterator[inspect.Type]:
    """Yield a type and all types within it, each once: a class may have fields of its own class."""
    if id(info) in met:
        return
    met.add(id(info))
    yield info
    for name in info.__struct_fields__:
        value: Any = getattr(info, name)
        several = cast("tuple[Any, ...]", value if isinstance(value, tuple) else (value,))
        for one in several:
            inner: Any = one.type if isinstance(one, inspect.Field) else one
            if isinstance(inner, inspect.Type):
                yield from _parts(inner, met)


def _bare(info: inspect.Type) -> Any:
    """Return a key's type in Python's notation, without constraints on its values."""
    match info:
        case inspect.Metadata():
            return _bare(info.type)
        case inspect.UnionType():
            # Not `|`, which needs two types.
            return Union[tuple(map(_bare, info.types))]  # noqa: UP007
        case inspect.TupleType():
            return tuple[tuple(map(_bare, info.item_types))]
        case inspect.VarTupleType():
            return tuple[_bare(info.item_type), ...]
        case inspect.FrozenSetType():
            return frozenset[_bare(info.item_type)]
        case inspect.LiteralType():
            return Literal[info.values]
        case _:
            return _SIMPLE.get(type(info)) if type(info) in _SIMPLE else getattr(info, "cls", Any)


def _made(listed: bytes | memoryview, key: Any) -> list[Any]:
    """Decode the values up to the first that is not a `key`, where the real decoder stops too."""
    try:
        return msgspec.msgpack.decode(listed, type=list.__class_getitem__(key))
    except msgspec.ValidationError:
        decode: Callable[[Buffer], Any] = msgspec.msgpack.Decoder(key).decode
        values: list[Any] = []
        with suppress(msgspec.ValidationError):
            values.extend(map(decode, msgspec.msgpack.decode(listed, type=list[msgspec.Raw])))
        return values


def _frozen(value: Any) -> Any:
    """Make tuples of lists, as msgspec does with keys of no particular type."""
    if not isinstance(value, list | tuple):
        return value
    return tuple(map(_frozen, cast("Iterable[Any]", value)))
