"""scikit-build-core, and a C compiler from PyPI for the machine that has none.

`pip install` needs Python and its headers, nothing else: CMake and Ninja come from PyPI as
scikit-build-core has it, and the compiler as ziglang, which is Clang. It is 90 MB, so nobody
who has a compiler is made to fetch it.
"""

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scikit_build_core import build as _backend


def __getattr__(name: str) -> Any:
    return getattr(_backend, name)


def get_requires_for_build_wheel(settings: Any = None) -> list[str]:
    return _backend.get_requires_for_build_wheel(settings) + _compiler_requirement()


def get_requires_for_build_editable(settings: Any = None) -> list[str]:
    return _backend.get_requires_for_build_editable(settings) + _compiler_requirement()


def build_wheel(directory: str, settings: Any = None, metadata: str | None = None) -> str:
    with _compiler():
        return _backend.build_wheel(directory, settings, metadata)


def build_editable(directory: str, settings: Any = None, metadata: str | None = None) -> str:
    with _compiler():
        return _backend.build_editable(directory, settings, metadata)


def _compiler_requirement() -> list[str]:
    # Zig has no stable version yet: each next one may build nothing of ours.
    return [] if _has_compiler() else ["ziglang>=0.13,<0.18"]


def _has_compiler() -> bool:
    return bool(os.environ.get("CC")) or any(map(shutil.which, ("cc", "gcc", "clang")))


@contextlib.contextmanager
def _compiler() -> Iterator[None]:
    """Sets CC where there is no compiler.

    To a script, since CMake splits a command of several words at every space, those in the
    interpreter's path too. Zig compiles for the processor at hand unless told otherwise, but a
    wheel may be carried to another one; and it would leave 60 MB in the home directory, where
    there is one.
    """
    if _has_compiler():
        yield
        return
    with tempfile.TemporaryDirectory(prefix="liaison-cc-") as directory:
        script = Path(directory, "cc")
        script.write_text(
            "#!/bin/sh\n"
            f"export ZIG_GLOBAL_CACHE_DIR={shlex.quote(directory)}/cache\n"
            f'exec {shlex.quote(sys.executable)} -m ziglang cc -mcpu=baseline "$@"\n'
        )
        script.chmod(0o755)
        os.environ["CC"] = str(script)
        try:
            yield
        finally:
            del os.environ["CC"]
