"""What is used as the end of a link, though its kind knows no such end."""

import pickle
import threading
from functools import cache

__all__ = ["Correspondent", "Far", "correspondent"]


class Correspondent:
    """An endpoint that sends to one other, and receives from that one or from anyone."""

    def __init__(self, name, to, source=None, **options):
        super().__init__(name, **options)
        self.to = to
        self.source = source

    @property
    def plain(self):
        """What users have: without what is here."""
        return super()

    def send(self, *what, **options):
        return super().send(*(what if len(what) == 2 else (self.to, *what)), **options)

    def try_send(self, message):
        return super().try_send(self.to, message)

    def receive(self, *source, **options):
        return super().receive(*(source or (self.source,)), **options)

    def try_receive(self, default=None):
        return super().try_receive(self.source, default)

    def lease(self, **options):
        return super().lease(self.source, **options)

    # Endpoints have neither of these; for the tests that only need several messages.

    def send_many(self, messages, **options):
        return sum(self.send(message, **options) is None for message in messages)

    def receive_many(self, most, **options):
        received = [self.receive(**options)]
        while len(received) < most and (message := self.try_receive(self)) is not self:
            received.append(message)
        return received


@cache
def correspondent(endpoint):
    """The same of a carrier's own class of endpoints."""
    return type("Correspondent", (Correspondent, endpoint), {})


class Far:
    """An end in another process, where it is the variable ``end``: its calls are done there."""

    def __init__(self, actor):
        self._actor = actor
        self._lock = threading.Lock()

    def __getattr__(self, name):
        if self._ask(f"callable(end.{name})"):
            return lambda *arguments, **options: self._call(name, arguments, options)
        return self._ask(f"end.{name}")

    def _call(self, name, arguments, options):
        given = pickle.dumps((arguments, options))
        words = f"*pickle.loads({given!r})[0], **pickle.loads({given!r})[1]"
        return self._ask(f"end.{name}({words})")

    def _ask(self, line):
        with self._lock:
            return self._actor.do(line)

    def __len__(self):
        return self._ask("len(end)")

    def __bool__(self):
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close it, where its process is still there."""
        if self._actor.alive:
            self._ask("end.close()")
