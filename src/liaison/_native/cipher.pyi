from typing import final

class Seal:
    @property
    def secret(self) -> bool: ...

@final
class Cipher(Seal):
    def __new__(cls, session: object, incoming: object, outgoing: object) -> Cipher: ...
