"""The files of the demonstration."""

from __future__ import annotations

import os
import stat
import sysconfig
from collections.abc import Iterator

import msgspec

from liaison.printable import printable

__all__ = ["LARGEST", "Skipped", "Source", "Survey", "load", "survey"]

LARGEST = 64 << 20  # bytes of a file
_STANDARD_LIBRARY_WITHOUT = {"site-packages", "dist-packages", "test", "tests", "idle_test"}
_VERSION = sysconfig.get_python_version()
_PYTHON = (b".py", b".pyi", b".pyw")


class Source(msgspec.Struct, frozen=True):
    """A file to work on: `id` numbers the sources in the order of their paths.

    The path is bytes, because a file's name need not be text.
    """

    id: int
    path: bytes
    size: int

    @property
    def python(self) -> bool:
        """Whether its tokens are counted."""
        return self.path.endswith(_PYTHON)


class Skipped(msgspec.Struct, frozen=True):
    """A file or directory that was left out, and why."""

    name: str
    reason: str


class Survey(msgspec.Struct, frozen=True):
    """The files found under `root`."""

    title: str  # for people
    root: bytes
    sources: list[Source]
    skipped: list[Skipped]

    @property
    def path(self) -> str:
        """The root, for people."""
        return _text(self.root)

    @property
    def size(self) -> int:
        """Bytes of all the sources together."""
        return sum(source.size for source in self.sources)

    def name(self, id: int) -> str:
        """The path of a source below the root, for people."""
        path = self.sources[id].path
        if path == self.root:
            return _text(os.path.basename(path))
        return _text(os.path.relpath(path, self.root))


def survey(path: str | None = None) -> Survey:
    """List the regular files at `path`; without it, the sources of the standard library.

    Links are not followed, so that no file appears twice. Raises `OSError` when `path` itself
    cannot be looked at.
    """
    if path is None:
        root = os.fsencode(sysconfig.get_path("stdlib"))
        without = _STANDARD_LIBRARY_WITHOUT
    else:
        root, without = os.fsencode(path), set[str]()
    skipped: list[Skipped] = []
    found: list[tuple[bytes, int]] = []
    for file in sorted(_files(root, without, skipped)):
        if path is None and not file.endswith(b".py"):
            continue
        try:
            # Only the path that was given may be a symbolic link.
            status = os.stat(file, follow_symlinks=file == root)
        except OSError as error:
            skipped.append(Skipped(_text(file), reason(error)))
            continue
        if not stat.S_ISREG(status.st_mode):
            skipped.append(Skipped(_text(file), "not a regular file"))
        elif status.st_size > LARGEST:
            skipped.append(Skipped(_text(file), f"larger than {LARGEST >> 20} MiB"))
        else:
            found.append((file, status.st_size))
    sources = [Source(id, file, size) for id, (file, size) in enumerate(found)]
    title = _text(root) if path else f"the standard library of Python {_VERSION}"
    return Survey(title, root, sources, skipped)


def load(path: bytes, size: int) -> bytes:
    """The contents of a file that was listed with `size` bytes.

    Raises `OSError` when it cannot be read, or has grown since it was listed: room was made for
    messages of the size it had.
    """
    with open(path, "rb") as file:
        contents = file.read(size + 1)
    if len(contents) > size:
        raise OSError(f"it has more than the {size} bytes that it was listed with")
    return contents


def reason(error: OSError) -> str:
    """Why a file could not be read, without its name."""
    return error.strerror or str(error)


def _files(root: bytes, without: set[str], skipped: list[Skipped]) -> Iterator[bytes]:
    if not stat.S_ISDIR(os.stat(root).st_mode):
        yield root
        return

    def note(error: OSError) -> None:
        skipped.append(Skipped(_text(os.fsencode(error.filename)), reason(error)))

    for folder, folders, files in os.walk(root, onerror=note):
        folders[:] = [name for name in folders if os.fsdecode(name) not in without]
        yield from (os.path.join(folder, name) for name in files)


def _text(path: bytes) -> str:
    """A path for people, with escapes for invalid text and control characters."""
    return printable(path.decode("utf-8", "backslashreplace"))
