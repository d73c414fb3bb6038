from typing import final

@final
class Cipher:
    def __new__(cls, session: object, incoming: object, outgoing: object) -> Cipher: ...
