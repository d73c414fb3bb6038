"""What travels once two ends know each other: frames. No input or output happens here.

A frame is a header of 16 bytes, little endian, and the payload::

    0        payload's size in bytes (7 bytes)
    7        kind: the message's format (liaison.codec.Format), or BYE
    8        how many messages the frame's sender has received so far (8 bytes)
    16       payload

The count rides on what is sent anyhow, so that an end whose connection breaks can say how many of
its messages certainly arrived. BYE is the last frame of an end that is closed: without it, the end
of the bytes is a death or a cut, and TLS or not, nobody on the way can make it look like the end.
"""

from __future__ import annotations

from io import BytesIO
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from liaison.errors import Corrupt, TooLarge

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["BYE", "HEADER", "LARGEST", "Reader", "bye", "header", "pack"]

HEADER = 16
BYE = 0xFF
LARGEST = (1 << 32) - 4096  # bytes of a message, as in a mailbox

_LAST_FORMAT = 0x7F  # formats above are the protocol's own
_SIZE = (1 << 56) - 1
_WINDOW = 1 << 16
# From here on a payload that is not there yet is received where it will stay.
_IN_PLACE = 1 << 14

_words = Struct("<QQ")
pack = _words.pack  # of size | kind << 56, and the count
_unpack_from = _words.unpack_from


def header(format: int, size: int, received: int) -> bytes:
    """Make the header of a frame.

    >>> header(1, 5, 0).hex()
    '05000000000000010000000000000000'
    """
    return pack(size | format << 56, received)


def bye(received: int) -> bytes:
    """Make the last frame."""
    return pack(BYE << 56, received)


# What has arrived and was not taken: ``view[start:end]``, then as much as the counts add up to.
# Whoever receives appends to the counts. Everything else is changed by replacing the whole window,
# in one assignment, so that an interruption (Ctrl-C comes between any two instructions) finds
# either the old one or the new one. A plain tuple: a NamedTuple takes ten times as long to make.
_Window = tuple[memoryview, int, int, list[int]]


class _Large(NamedTuple):
    """A payload that is received where it will stay."""

    kind: int
    memory: BytesIO
    view: memoryview
    size: int
    filled: int  # bytes that were in the window already
    counts: list[int]


class Reader:
    r"""Makes frames of bytes, however they are cut.

    The caller asks for the `target` to receive into and appends the number of bytes that came to
    `counts`; `next` then gives each frame. A payload above `largest` bytes is `TooLarge` and a
    header that means nothing `Corrupt`; after either the stream is of no use.

    >>> reader = Reader(largest=100)
    >>> reader.put(header(0, 5, 7) + b"he")
    >>> reader.next()
    >>> reader.put(b"llo")
    >>> reader.next(), reader.confirmed
    ((0, b'hello'), 7)
    """

    __slots__ = ("_large", "_window", "confirmed", "largest")

    def __init__(self, largest: int) -> None:
        """Begin with nothing."""
        self.largest = largest
        self.confirmed = 0
        self._window: _Window = (memoryview(bytearray(_WINDOW)), 0, 0, [])
        self._large: _Large | None = None

    @property
    def counts(self) -> list[int]:
        """Where to append how many bytes came into the last `target`."""
        return self._window[3] if self._large is None else self._large.counts

    @property
    def in_place(self) -> bool:
        """Whether `target` is exactly the rest of one message."""
        return self._large is not None

    def target(self) -> memoryview:
        """Where the next bytes belong; never empty after `next` gave None."""
        large = self._large
        if large is not None:
            return large.view[large.filled + sum(large.counts) :]
        view, start, end, counts = self._window
        for count in counts:
            end += count
        if start >= end:
            if start:
                self._window = (view, 0, 0, [])
            return view
        if start > _WINDOW // 2:
            # Into fresh memory: moved within its own, it could be interrupted half-way.
            fresh = memoryview(bytearray(_WINDOW))
            fresh[: end - start] = view[start:end]
            self._window = (fresh, 0, end - start, [])
            return fresh[end - start :]
        return view[end:]

    def put(self, data: Buffer) -> None:
        """Copy bytes that are somewhere else already."""
        view = memoryview(data)
        while view:
            target = self.target()
            if not target:
                raise ValueError("there are whole frames to be taken first")
            count = min(len(target), len(view))
            target[:count] = view[:count]
            self.counts.append(count)
            view = view[count:]
            self._begin_large()

    def next(self) -> tuple[int, bytes] | None:
        """Take a frame, its kind and payload; None when it has not arrived as a whole."""
        if self._large is not None:
            return self._take_large()
        view, start, end, counts = self._window
        for count in counts:
            end += count
        if end - start < HEADER:
            return None
        word, confirmed = _unpack_from(view, start)
        first = start + HEADER
        last = first + (word & _SIZE)
        if last > end or word >> 56 > _LAST_FORMAT:
            return self._unusual(word, first, end, confirmed)
        if last - first > self.largest:
            self._refuse(word)
        payload = bytes(view[first:last])
        self.confirmed = confirmed
        self._window = (view, last, end, [])
        return word >> 56, payload

    @property
    def missing(self) -> tuple[int, int] | None:
        """How many bytes are here of how many, of a message that is not complete."""
        if self._large is not None:
            return self._large.filled + sum(self._large.counts), self._large.size
        view, start, end, counts = self._window
        have = end + sum(counts) - start
        if have <= 0:
            return None
        size = _unpack_from(view, start)[0] & _SIZE if have >= HEADER else 0
        return max(0, have - HEADER), size

    @property
    def waiting(self) -> bool:
        """Whether `next` would give a frame, or refuse one."""
        if self._large is not None:
            here, size = self._large.filled + sum(self._large.counts), self._large.size
            return here == size
        view, start, end, counts = self._window
        have = end + sum(counts) - start
        if have < HEADER:
            return False
        word = _unpack_from(view, start)[0]
        size = word & _SIZE
        return have - HEADER >= size or size > self.largest or word >> 56 > _LAST_FORMAT

    @property
    def whole(self) -> bool:
        """Whether `next` would give a message."""
        if not self.waiting:
            return False
        if self._large is not None:
            return True
        word = _unpack_from(self._window[0], self._window[1])[0]
        return word & _SIZE <= self.largest and word >> 56 <= _LAST_FORMAT

    def settle(self) -> None:
        """See whether what comes now should be received where it will stay."""
        self._begin_large()

    def look_ahead(self) -> int:
        """Return the highest count of received messages in the frames that wait."""
        view, start, end, counts = self._window
        end += sum(counts)
        seen = self.confirmed
        while self._large is None and end - start >= HEADER:
            word, confirmed = _unpack_from(view, start)
            seen = max(seen, confirmed)
            start += HEADER + (word & _SIZE)
        return seen

    # ---- within

    def _unusual(self, word: int, first: int, end: int, confirmed: int) -> tuple[int, bytes] | None:
        if word >> 56 > _LAST_FORMAT:
            if word != BYE << 56:
                raise Corrupt(f"bytes that are no frame of liaison came: {word:#018x}")
            self.confirmed = confirmed
            view = self._window[0]
            self._window = (view, first, end, [])
            return BYE, b""
        if word & _SIZE > self.largest:
            self._refuse(word)
        self._begin_large()
        return None

    def _refuse(self, word: int) -> None:
        raise TooLarge(
            f"a message of {word & _SIZE} bytes came, and this end takes {self.largest}; "
            "let it listen or connect with a larger max_message="
        )

    def _begin_large(self) -> None:
        """Receive the payload that is on its way where it will stay, if it is worth it."""
        if self._large is not None:
            return
        view, start, end, counts = self._window
        end += sum(counts)
        if end - start < HEADER:
            return
        word, confirmed = _unpack_from(view, start)
        size, kind = word & _SIZE, word >> 56
        here = end - start - HEADER
        if here >= size or not _IN_PLACE <= size <= self.largest or kind > _LAST_FORMAT:
            return
        # BytesIO writes into the very bytes that it was given, while nobody else holds them, and
        # getvalue() gives those again: the only way to receive into bytes without a copy.
        memory = BytesIO(bytes(size))
        target = memory.getbuffer()
        target[:here] = view[start + HEADER : end]
        self.confirmed = confirmed
        self._large = _Large(kind, memory, target, size, here, [])

    def _take_large(self) -> tuple[int, bytes] | None:
        large = self._large
        assert large is not None
        if large.filled + sum(large.counts) < large.size:
            return None
        large.view.release()
        payload = large.memory.getvalue()
        # In this order: an interruption between the two takes the message once more.
        self._window = (self._window[0], 0, 0, [])
        self._large = None
        return large.kind, payload
