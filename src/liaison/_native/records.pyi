from typing import final

from liaison._native.cipher import Seal

@final
class Records(Seal):
    def __new__(cls, ours: bytes, theirs: bytes) -> Records: ...
    def _wrap(self, data: bytes) -> bytes: ...
