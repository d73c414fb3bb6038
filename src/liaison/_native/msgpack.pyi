from collections.abc import Callable
from typing import Any, Final

from typing_extensions import Buffer, disjoint_base

DEEPEST: Final = 64
KEYS: Final = 1
ENTRIES: Final = 2
ITEMS: Final = 4
HEAVY: Final = 8

def check(payload: bytes, most: int) -> int: ...

@disjoint_base
class Reader:
    def __init__(
        self, decode: Callable[[bytes], Any], look: Callable[[bytes, int], None], most: int
    ) -> None: ...
    def read(self, payload: Buffer) -> Any: ...

def keys(payload: bytes, items: bool) -> list[tuple[bool, bytes | memoryview]]: ...
def crowded(values: list[Any], a_set: bool) -> bool: ...
