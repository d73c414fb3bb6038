"""Payloads that liaison would not write."""

import msgspec

pack = msgspec.msgpack.encode


def described(description, items=b""):
    """An ARRAY payload with any description at all."""
    text = pack(description)
    head = len(text).to_bytes(4, "little") + text
    return head + bytes(-len(head) % 16) + items


def keyed(keys, value=b"\xc0"):
    """MessagePack of a dict with these keys, be they hashable or not, and one value for all."""
    return b"\xdf" + len(keys).to_bytes(4, "big") + b"".join(pack(key) + value for key in keys)
