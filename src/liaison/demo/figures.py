"""What is computed of each file."""

from __future__ import annotations

import hashlib
import io
import tokenize
import zlib
from collections.abc import Iterable

import msgspec

__all__ = ["Figures", "Totals", "Unreadable", "figures_of", "total"]


class Figures(msgspec.Struct, frozen=True, tag=True):
    """The figures of one file; `tokens` is None if it is not a Python source.

    ``broken`` is True if its tokens could not be read to the end.
    """

    size: int
    compressed: int
    sha256: bytes
    tokens: int | None
    broken: bool


class Unreadable(msgspec.Struct, frozen=True, tag=True):
    """Replaces the figures of a file that could not be read."""

    reason: str


class Totals(msgspec.Struct, frozen=True):
    """The figures of all files together, and a digest over the digests of each."""

    files: int
    tokens: int
    bytes: int
    compressed_bytes: int
    sha256: str
    not_python: int
    broken_sources: int
    unreadable: int


def figures_of(contents: bytes, python: bool) -> Figures:
    """Compute the figures of a file. The processes share this work."""
    tokens, broken = _tokens(contents) if python else (None, False)
    return Figures(
        size=len(contents),
        compressed=len(zlib.compress(contents)),
        sha256=hashlib.sha256(contents).digest(),
        tokens=tokens,
        broken=broken,
    )


def total(figures: Iterable[Figures | Unreadable]) -> Totals:
    """Add up the figures of files, given in the order of their ids."""
    every = list(figures)
    read = [figure for figure in every if isinstance(figure, Figures)]
    return Totals(
        files=len(read),
        tokens=sum(figure.tokens or 0 for figure in read),
        bytes=sum(figure.size for figure in read),
        compressed_bytes=sum(figure.compressed for figure in read),
        sha256=hashlib.sha256(b"".join(figure.sha256 for figure in read)).hexdigest(),
        not_python=sum(figure.tokens is None for figure in read),
        broken_sources=sum(figure.broken for figure in read),
        unreadable=len(every) - len(read),
    )


def _tokens(contents: bytes) -> tuple[int, bool]:
    """Count the tokens that can be read; tell whether some could not."""
    count = 0
    try:
        for _ in tokenize.tokenize(io.BytesIO(contents).readline):
            count += 1
    except Exception:
        # Not only SyntaxError and TokenError: a source names its own codec, and codecs can raise
        # any exception. It is always the source's fault, and no reason to stop.
        return count, True
    return count, False
