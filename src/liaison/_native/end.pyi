from collections.abc import Callable
from typing import Any, Final

from typing_extensions import disjoint_base

from liaison._native.handle import Handle
from liaison._native.space import SpaceHandle
from liaison.codec import Coder
from liaison.link import Access, Kind, Lifetime, Statistics

OPEN: Final = 1
CREATE: Final = 2
OPEN_OR_CREATE: Final = 3
OBSERVE: Final = 4
closed: list[Callable[[Any], object]]
closing: list[Callable[[Any], object]]

@disjoint_base
class End(Handle):
    def begin_link(
        self,
        space: SpaceHandle,
        name: str,
        address: str,
        how: int,
        make_coder: Callable[[], Coder],
        bytes_only: bool,
        forwarder: Callable[[Any, int, memoryview, int], None],
        drainer: Callable[[SpaceHandle, str], object],
        *,
        kind: Kind | None = None,
        capacity: int = -1,
        access: Access | None = None,
        max_message: int = 0,
        memory: int = 0,
        max_deliveries: int = 0,
        dead_letters: str = "",
        default_dead_letters: str = "",
        lifetime: Lifetime | None = None,
        pair_capacity: int = -1,
    ) -> None: ...
    @property
    def rendezvous(self) -> bool: ...
    @property
    def dead_letters(self) -> str: ...
    def close(self) -> None: ...
    def destroy(self, *, force: bool = False) -> None: ...
    def peek(self, max: int = 10) -> list[Any]: ...
    def statistics(self) -> Statistics: ...
    def facts(self) -> dict[str, Any]: ...
    def __len__(self) -> int: ...
