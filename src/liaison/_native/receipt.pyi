from typing import final

from liaison.carriers.contract import State
from liaison.link import Peer

STATES: dict[int, State]

@final
class Receipt:
    @property
    def state(self) -> State: ...
    def wait_received(self, timeout: float | None = None) -> Peer: ...
    def wait_acknowledged(self, timeout: float | None = None) -> Peer: ...
