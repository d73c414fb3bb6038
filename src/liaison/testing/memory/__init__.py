"""The carrier ``memory://``: what the contract says, under one lock, with plain data.

It is there to be read and believed, and to be compared with: the tests of the contract run over it
as over every carrier. No process can reach another one's memory here, so that "processes" are
parties, played by threads of one process (`playing`). One condition of one lock is notified of
every change, and everyone who waits looks again. That is slow, and easy to follow.

``memory://WORLD/NAME`` is a link of a `World`, which is made when it is first named. It lives here
because no program should use it: what it carries is gone with its process, and a program that is
tested with it would not be tested with what it will use (shared memory needs no set-up).

>>> import liaison
>>> with liaison.Mailbox("memory://world/letters") as box:
...     box.send("hello")
...     print(box.receive(), box.link.carrier)
...     box.destroy()
hello memory
"""

from __future__ import annotations

from liaison.testing.memory.carrier import CARRIER
from liaison.testing.memory.party import Killed, Party, World, playing

__all__ = ["CARRIER", "Killed", "Party", "World", "playing"]
