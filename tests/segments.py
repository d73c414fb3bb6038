"""Segments as another program would change them."""

import re
import struct
from pathlib import Path

LAYOUT = Path(__file__).parents[1] / "native" / "src" / "segment" / "layout.h"


def offset_of(field):
    """Where a field of `struct geometry` lies, as layout.h draws it; only of the first few."""
    text = LAYOUT.read_text().partition("struct geometry {")[2].partition("};")[0]
    offset = 0
    for kind, name in re.findall(r"(uint\d+_t) (\w+);", text):
        size = int(kind[4:-2]) // 8
        offset = (offset + size - 1) // size * size
        if name == field:
            return offset
        offset += size
    raise LookupError(field)


def checksum(data):
    """The checksum of a segment's geometry, which is FNV-1a."""
    known = 0xCBF29CE484222325
    for byte in data:
        known = (known ^ byte) * 0x100000001B3 % (1 << 64)
    return struct.pack("<Q", known)


def rewrite(path, old, new):
    """Change a text in a segment's geometry, and the checksum behind it, which keeps nobody out."""
    with open(path, "r+b", 0) as file:
        header = file.read(4096)
        end = next(at for at in range(8, 1024, 8) if header.startswith(checksum(header[:at]), at))
        at = header.index(old + b"\0")
        geometry = header[:at] + new + header[at + len(new) : end]
        file.seek(0)
        file.write(geometry + checksum(geometry))
