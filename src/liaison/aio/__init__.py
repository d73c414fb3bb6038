"""The same links, awaited: on asyncio and on trio.

The names are those of `liaison`, and what waits is awaited: ``await box.send(…)``,
``async for message in box``. What never waits (``try_receive``, ``peek``, ``close``) is called as
before. No thread waits for a task, and cancelling one loses nothing; see `liaison.aio.end`.

>>> import anyio
>>> from liaison import aio
>>> async def main():
...     async with aio.Mailbox("greetings") as box:
...         await box.send("hello")
...         print(await box.receive())
...         box.destroy()
>>> anyio.run(main)
hello
"""

from __future__ import annotations

from liaison.aio.end import Delivery, Loan, Receipt
from liaison.aio.endpoint import Endpoint, receive, send
from liaison.aio.mailbox import Mailbox
from liaison.aio.pipe import NamedPipe, PipeReader, PipeWriter, pipe
from liaison.aio.port import Port
from liaison.aio.queue import MessageQueue
from liaison.aio.socket import Connection, Listener, connect, listen
from liaison.aio.waiting import wait

__all__ = [
    "Connection",
    "Delivery",
    "Endpoint",
    "Listener",
    "Loan",
    "Mailbox",
    "MessageQueue",
    "NamedPipe",
    "PipeReader",
    "PipeWriter",
    "Port",
    "Receipt",
    "connect",
    "listen",
    "pipe",
    "receive",
    "send",
    "wait",
]
