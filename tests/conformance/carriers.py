"""The carriers that the suite knows: a further one is a class here and a line in `CARRIERS`.

A carrier says where its links are (`at`), what its users type (`names`: what liaison exports, as
this carrier has it), and how a test gets another process there (`other`), which runs lines of
Python and can be killed.
"""

from __future__ import annotations

import itertools
import pickle
import queue
import threading
from typing import ClassVar

import liaison
from liaison.testing import PATIENCE, ProcessDied, Watchdog, memory
from tests.conformance import tasks
from tests.links.actor import Actor

__all__ = ["CARRIERS", "FEATURES", "IN_TASKS", "InTasks", "Memory", "SharedMemory", "Stream"]

EXPORTED = {name: getattr(liaison, name) for name in liaison.__all__}

# What a carrier may have beside carrying messages. One that has not says in `lacks` by which error
# that shows; `test_absence.py` tries it.
FEATURES = {
    "fork": "ends work in a forked child",
    "memory": "memory= reserves bytes, and what can never fit is TooLarge",
    "unrelated": "a process that is no relation opens a link by its address",
}


class SharedMemory:
    """Links in shared memory, between processes of one machine."""

    name = "shm"
    space = ""  # that bare names are in; "": the one that all tests have
    lacks: ClassVar[dict[str, type[Exception]]] = {}

    def __init__(self, tmp_path):
        self.names = dict(EXPORTED)

    def close(self):
        """Leave nothing behind."""

    def at(self, name):
        """The address of the link called `name`."""
        return name

    def other(self, *lines, **names):
        """A process of its own that runs these lines."""
        return Actor(*lines, fork=True, **names)

    def unrelated(self, *lines, **names):
        """The same, in a new interpreter."""
        return Actor(*lines, **names)

    def waits(self, call):
        """Whether the call that goes on beside the test waits."""
        return call.asleep()

    def tasks_waiting(self, *names):
        """How many of the test's tasks wait, in calls of these names."""
        return 0


class Stream(SharedMemory):
    """Sockets, between programs anywhere."""

    name = "stream"

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.directory = tmp_path

    def at(self, name):
        return f"unix://{self.directory}/{name}"


class Memory(SharedMemory):
    """The reference: links in the memory of one process, between parties that play processes."""

    name = "memory"
    lacks: ClassVar[dict[str, type[Exception]]] = {
        "fork": RuntimeError,
        "unrelated": liaison.NotFound,
    }
    _worlds = itertools.count()

    def __init__(self, tmp_path, parties=memory):
        self.names = dict(EXPORTED)
        self._parties = parties
        self.world = parties.World(f"world-{next(self._worlds)}")
        self.space = f"memory://{self.world.name}"

    def close(self):
        """Leave nothing behind."""
        self.world.close()

    def other(self, *lines, **names):
        """A party that runs these lines."""
        return PartyActor(self._parties.playing, self.world.party(), lines, names)


class InTasks:
    """Before a carrier among the bases: the test's own process uses its ends in tasks."""

    backend = "asyncio"

    def __init__(self, tmp_path):
        super().__init__(tmp_path)
        self.names |= tasks.NAMES
        self._loop = tasks.in_tasks(self.backend)
        self._loop.__enter__()

    def close(self):
        try:
            super().close()
        finally:
            self._loop.__exit__(None, None, None)

    def other(self, *lines, **names):
        return super().other(*lines, **{name: tasks.blocking(end) for name, end in names.items()})

    def waits(self, call):
        return tasks.waiting() > 0

    def tasks_waiting(self, *names):
        return tasks.waiting(*names)


# The kinds of links that each has are in kinds.py.
CARRIERS = {carrier.name: carrier for carrier in (SharedMemory, Memory, Stream)}
IN_TASKS = {
    (name, backend): type(f"{carrier.__name__}InTasks", (InTasks, carrier), {"backend": backend})
    for name, carrier in CARRIERS.items()
    for backend in ("asyncio", "trio")
}


class PartyActor:
    """A party and the thread that plays it; used as `tests.links.actor.Actor` is."""

    def __init__(self, playing, party, lines, names):
        self._party = party
        self._playing = playing
        self.pid = self._party.pid
        self._names = {**EXPORTED, "liaison": liaison, **names}
        self._lines = queue.SimpleQueue()
        self._answers = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        try:
            for line in lines:
                self.do(line)
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def _run(self):
        with self._playing(self._party):
            # What a process inherits is another end of the same pipe.
            for name, what in self._names.items():
                if isinstance(what, liaison.PipeReader | liaison.PipeWriter):
                    self._names[name] = pickle.loads(pickle.dumps(what))
            self._play()

    def _play(self):
        while (line := self._lines.get()) is not None:
            try:
                try:
                    code = compile(line, "<party>", "eval")
                except SyntaxError:
                    code = compile(line, "<party>", "exec")
                outcome = (False, eval(code, self._names))
            except BaseException as error:
                if not self._party.alive:  # killed: nothing of it is heard any more
                    return
                error.__traceback__ = None
                outcome = (True, error)
            self._answers.put(outcome)
            del outcome

    @property
    def alive(self):
        return self._party.alive

    def start(self, line):
        """Have it begin to run a line; `answer` waits for the end."""
        self._lines.put(line)

    def answer(self):
        """Return the line's value, or raise what it raised."""
        try:
            raised, value = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            if not self._party.alive:
                raise ProcessDied("the party was killed") from None
            raise Watchdog("the party did not answer") from None
        if raised:
            raise value
        return value

    def do(self, line):
        """Run a line there, and return its value or raise what it raised."""
        self.start(line)
        return self.answer()

    def kill(self):
        """Kill the party, wherever it is."""
        if self._party.alive:
            self._party.kill()
            self._lines.put(None)
            self._thread.join(PATIENCE)
            assert not self._thread.is_alive()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.kill()
        self._names.clear()
