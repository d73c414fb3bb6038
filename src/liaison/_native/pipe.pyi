from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from liaison._native.mailbox import MailboxEnd
from liaison._native.space import SpaceHandle
from liaison.codec import Coder

@disjoint_base
class PipeEnd(MailboxEnd):
    def adopt(
        self,
        space: SpaceHandle,
        memory: int,
        token: int,
        reads: bool,
        make_coder: Callable[[], Coder],
        bytes_only: bool,
    ) -> None: ...
    @property
    def home(self) -> SpaceHandle: ...
    def descriptors(self) -> tuple[int, int]: ...
    @property
    def largest_message(self) -> int: ...
    def write(self, data: Any, most: int) -> int: ...
    def chunk(self, *, timeout: float | None = None) -> tuple[bytes, int]: ...
    def put_back(self, rest: bytes, at: int) -> None: ...

def open_pipe(
    reader: PipeEnd,
    writer: PipeEnd,
    space: SpaceHandle,
    make_coder: Callable[[], Coder],
    bytes_only: bool,
    *,
    capacity: int,
    max_message: int,
    memory: int,
) -> None: ...
def open_named_pipe(
    reader: PipeEnd,
    writer: PipeEnd,
    space: SpaceHandle,
    name: str,
    address: str,
    make_coder: Callable[[], Coder],
    bytes_only: bool,
    *,
    capacity: int,
    max_message: int,
    memory: int,
) -> None: ...
