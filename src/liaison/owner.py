"""Whom a shared space belongs to, by name."""

from __future__ import annotations

import os
import pwd

from liaison.errors import NotFound

__all__ = ["own_name"]


def own_name() -> str:
    """The caller's name, by which others reach the spaces that it shares. Raises `NotFound`."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise NotFound(
            f"user {os.geteuid()} has no name, by which others could reach its spaces"
        ) from None
