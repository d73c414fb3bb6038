from typing_extensions import disjoint_base

from liaison._native.carrier import CarrierEnd

@disjoint_base
class Handle(CarrierEnd):
    @property
    def address(self) -> str: ...
    @property
    def closed(self) -> bool: ...

@disjoint_base
class Held:
    def __bool__(self) -> bool: ...
