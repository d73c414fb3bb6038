from typing import final

from typing_extensions import disjoint_base

@disjoint_base
class Seal:
    @property
    def secret(self) -> bool: ...

@final
class Cipher(Seal):
    def __new__(cls, session: object, incoming: object, outgoing: object) -> Cipher: ...
