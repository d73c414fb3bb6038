"""The classes that `type=` describes."""

from __future__ import annotations

import types
from typing import Annotated, Any, Union, get_args, get_origin


def name_of(cls: Any) -> str:
    """Name a class, or another type, in an error."""
    return str(cls) if get_args(cls) else getattr(cls, "__qualname__", str(cls))


def unaliased(expected: Any) -> Any:
    """Resolve ``type X = …``, which `numpy.typing.NDArray` is from NumPy 2.5 on."""
    alias = get_origin(expected) or expected
    while type(alias).__name__ == "TypeAliasType":
        arguments = get_args(expected)
        expected = alias.__value__[arguments] if arguments else alias.__value__
        alias = get_origin(expected) or expected
    return expected


def classes_of(expected: Any) -> tuple[type, ...]:
    """List the classes whose instances can match the type `expected`."""
    expected = unaliased(expected)
    origin = get_origin(expected)
    if origin is Annotated:
        return classes_of(get_args(expected)[0])
    if origin is Union or origin is types.UnionType:
        return tuple(cls for member in get_args(expected) for cls in classes_of(member))
    return tuple(cls for cls in (origin or expected,) if isinstance(cls, type))


def item_class_of(expected: Any) -> type:
    """``numpy.float64`` for ``numpy.typing.NDArray[numpy.float64]``, else `object`."""
    for argument in get_args(expected)[1:]:
        for item in get_args(argument):
            if isinstance(item, type):
                return item
    return object
