"""Waiting in a task until others have come as far as a test needs."""

import anyio.lowlevel

__all__ = ["until"]


async def until(reason):
    """Let the other tasks run until the function gives something true."""
    while not reason():
        await anyio.lowlevel.checkpoint()
