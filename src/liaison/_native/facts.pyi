from typing import Any

from liaison._native.space import SpaceHandle
from liaison.link import Access, Kind, Lifetime, Peer, Statistics

KINDS: dict[int, Kind]
KIND_NUMBERS: dict[Kind, int]
LIFETIMES: dict[Lifetime | None, int]
LIFETIME_NAMES: dict[int, Lifetime | None]
ACCESS: dict[Access, int]
ACCESS_NAMES: dict[int, Access]
__pyx_capi__: dict[str, object]

def look(
    space: SpaceHandle,
    names: int,
    name: str,
    address: str,
    known: dict[int, tuple[Peer, bool]],
    counts: bool,
) -> tuple[dict[str, Any], Statistics | None]: ...
