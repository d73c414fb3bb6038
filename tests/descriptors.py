"""The descriptors of this process."""

import os

__all__ = ["descriptors"]


def descriptors():
    """Count them, one for this count among them."""
    return len(os.listdir("/proc/self/fd"))
