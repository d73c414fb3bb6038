"""Ends that tasks use, and that look to a test as those that block.

An event loop runs in a thread. What `liaison.aio` exports is here with the same names, as classes
derived from its own: what they do is done in the loop, by a task, while the test waits for it. So
calls that a test makes in threads are tasks beside one another, and what is tested is all of aio.
"""

import inspect
import threading
from collections import Counter
from contextlib import contextmanager
from functools import wraps

import anyio
from anyio.from_thread import start_blocking_portal

from liaison import aio

__all__ = ["NAMES", "blocking", "in_tasks", "waiting"]


class _Loop:
    """The event loop of the test that runs now, and the calls that its tasks are in."""

    def __init__(self):
        self.portal = self.thread = None
        self.calls = Counter()

    def do(self, name, function, arguments, options):
        """Have a task call the function and await what it gives, if that is to be awaited."""
        if threading.get_ident() == self.thread:  # aio itself calls it
            return function(*arguments, **options)

        async def task():
            self.calls[name] += 1
            try:
                result = function(*arguments, **options)
                return await result if inspect.isawaitable(result) else result
            finally:
                self.calls[name] -= 1

        return _derived(self.portal.call(task))


_loop = _Loop()


@contextmanager
def in_tasks(backend):
    """Have an event loop for the tasks of this test."""
    with start_blocking_portal(backend) as portal:
        _loop.portal, _loop.thread = portal, portal.call(threading.get_ident)
        _loop.calls = Counter()
        try:
            yield
        finally:
            _loop.portal = _loop.thread = None
            portal.call(portal.stop, True)  # with what a failed test left waiting


def waiting(*names):
    """How many tasks wait in calls of these names, in any without: once none has a step to do."""
    _loop.portal.call(anyio.wait_all_tasks_blocked)
    return sum(_loop.calls[name] for name in names or _loop.calls)


def blocking(end):
    """The end that threads use, of one that tasks do: what another process is given."""
    return end.__reduce__()[1][0] if isinstance(end, _Awaited) else end


def _done_in_the_loop(function):
    @wraps(function)
    def call(*arguments, **options):
        return _loop.do(function.__name__, function, arguments, options)

    return call


class _Awaited:
    """What there is beside what `liaison.aio` calls by the same name as `liaison` does."""

    __slots__ = ()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return _loop.do("__aexit__", super().__aexit__, error, {})

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return _loop.do("__anext__", super().__anext__, (), {})
        except StopAsyncIteration:
            raise StopIteration from None


def _derive(awaited):
    """The class with all methods of `liaison.aio`'s that are not Python's own."""
    members = {"__slots__": (), "__module__": __name__, "__doc__": awaited.__doc__}
    for name in dir(awaited):
        member = inspect.getattr_static(awaited, name)
        if name.startswith("_") and name != "__init__":
            continue
        if inspect.isfunction(member):
            members[name] = _done_in_the_loop(member)
        elif isinstance(member, classmethod):
            members[name] = classmethod(_done_in_the_loop(member.__func__))
    bases = (awaited,) if hasattr(awaited, "__exit__") else (_Awaited, awaited)
    return type(awaited.__name__, bases, members)


def _derived(result):
    """The same, as instances of the classes here."""
    if isinstance(result, tuple):
        return tuple(map(_derived, result))
    if type(result) in _classes:
        result.__class__ = _classes[type(result)]
    return result


_classes = {}
NAMES = {}
for _name in aio.__all__:
    _what = getattr(aio, _name)
    if inspect.isfunction(_what):
        NAMES[_name] = _done_in_the_loop(_what)
    elif _what.__module__.startswith("liaison.aio"):
        NAMES[_name] = _classes[_what] = _derive(_what)
        globals()[_name] = NAMES[_name]  # pickles name it
