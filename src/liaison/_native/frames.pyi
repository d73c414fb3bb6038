import socket
from typing import Final, NoReturn

from liaison._native.cipher import Seal
from liaison._native.receiver import Receiver
from liaison.carriers.stream.handshake import Handshake
from liaison.codec import Coder

HEADER: Final = 16
BYE: Final = 0xFF
LARGEST: Final = 0xFFFFF000

class Frames(Receiver):
    def _open(
        self,
        name: str,
        connection: socket.socket,
        coder: Coder,
        bytes_only: bool,
        *,
        seal: Seal | None = None,
        rest: bytes = b"",
        greeting: Handshake | None = None,
        hello: int = 0,
        ours: int,
        theirs: int,
    ) -> None: ...
    @property
    def confirmed(self) -> int: ...
    @property
    def encrypted(self) -> bool: ...
    def close(self) -> None: ...
    def part(self) -> bool: ...
    def linger(self) -> None: ...
    def __reduce__(self) -> NoReturn: ...
    def __del__(self) -> None: ...
