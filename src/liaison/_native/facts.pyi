from typing import Any

from liaison._native.space import SpaceHandle
from liaison.link import Peer, Statistics

KINDS: dict[int, str]
KIND_NUMBERS: dict[str, int]
LIFETIMES: dict[str | None, int]
LIFETIME_NAMES: dict[int, str | None]
ACCESS: dict[str, int]
ACCESS_NAMES: dict[int, str]
__pyx_capi__: dict[str, object]

def look(
    space: SpaceHandle,
    names: int,
    name: str,
    address: str,
    known: dict[int, tuple[Peer, bool]],
    counts: bool,
) -> tuple[dict[str, Any], Statistics | None]: ...
