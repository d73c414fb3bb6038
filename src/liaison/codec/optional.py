"""Packages that are used if they are installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def module(name: str) -> Any:
    """Import a module; return None if it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None
