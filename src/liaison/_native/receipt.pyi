from typing import final

from liaison.link import Peer

STATES: dict[int, str]

@final
class Receipt:
    @property
    def state(self) -> str: ...
    def wait_received(self, timeout: float | None = None) -> Peer: ...
    def wait_acknowledged(self, timeout: float | None = None) -> Peer: ...
