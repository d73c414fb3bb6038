import socket

from typing_extensions import disjoint_base

from liaison._native.carrier import CarrierEnd

@disjoint_base
class Stream(CarrierEnd):
    @property
    def transport(self) -> socket.socket: ...
    @property
    def closed(self) -> bool: ...
    def outlet(self) -> int: ...
    def fileno(self) -> int: ...
