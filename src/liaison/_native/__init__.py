"""The engine, as Python sees it: one module per C object; C results become exceptions only here."""

from __future__ import annotations

from liaison.errors import Unsupported as _Unsupported

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Any as _Any


def _first_interpreter() -> bool:
    """Whether this is the interpreter that the process began with."""
    try:
        from _thread import _is_main_interpreter  # type: ignore[attr-defined]
    except ImportError:  # before Python 3.12
        import _xxsubinterpreters  # type: ignore[import-not-found]

        interpreters: _Any = _xxsubinterpreters
        return interpreters.get_current() == interpreters.get_main()
    return bool(_is_main_interpreter())  # pyright: ignore[reportUnknownArgumentType]


# The engine is the process's, and calls back into the first interpreter alone. A compiled module
# must not find that out itself: the interpreter that loads it first is the only one that may.
if not _first_interpreter():
    raise _Unsupported(
        "liaison runs in the first interpreter of a process, and this is a sub-interpreter: give "
        "each application a process of its own, or the first interpreter (mod_wsgi: "
        "`WSGIApplicationGroup %{GLOBAL}`; uWSGI: `single-interpreter = true`)"
    )
