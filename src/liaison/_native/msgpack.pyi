from typing import Final

DEEPEST: Final = 64

def check(payload: bytes, most: int) -> None: ...
