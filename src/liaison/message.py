"""What links are generic in: the type of their messages, which only checkers of types look at.

``Mailbox[Order]`` is a mailbox whose messages are orders. When a program runs it is the mailbox
itself, with a note of what stands in the brackets.

``type=`` takes a class, by which checkers know the messages, or another form of type, such as
``int | None``, which is only an object to them. Where that is written as ``type[Message] | object``
pyright finds the class; mypy finds it by two overloads, which constructors therefore have.
"""

from __future__ import annotations

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Any, Generic

    from typing_extensions import TypeVar

    Message = TypeVar("Message", default=Any)
    Message_co = TypeVar("Message_co", default=Any, covariant=True)  # of what only gives messages
    Expected = TypeVar("Expected")  # where nothing but ``type=`` says it
else:
    Message = Message_co = Expected = object  # a class statement writes one in its brackets

    class Generic:
        """What can be written with a type in brackets."""

        __slots__ = ()

        __class_getitem__ = classmethod(type(list[int]))


__all__ = ["Expected", "Generic", "Message", "Message_co"]
