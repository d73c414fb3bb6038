"""The same links for tasks, on asyncio and on trio.

The names are those of `liaison`, and every method that can wait is awaited: ``await box.send(…)``,
``async for message in box``. Methods that never wait (``try_receive``, ``peek``, ``close``) are
called as before. No thread waits on behalf of a task, and cancelling a task loses no message; see
`liaison.aio.end`.

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
