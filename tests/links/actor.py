"""Another process, which runs the lines of Python that a test gives it."""

import liaison
from liaison.testing import Process, point


class Actor(Process):
    """Runs lines in a process of its own; it dies at the end of the block.

    `names` are what the lines may use beside everything that liaison exports; without ``fork``
    they travel as pickles.
    """

    def __init__(self, *lines, fork=False, **names):
        super().__init__(act, names, fork=fork)
        self.reach("ready")
        for line in lines:
            self.do(line)

    def start(self, line):
        """Have it begin to run a line; `answer` waits for the end."""
        self.go_on(line)

    def answer(self):
        """Return the line's value, or raise what it raised."""
        raised, value = self.reach("ready")
        if raised:
            raise value
        return value

    def do(self, line):
        """Run a line there, and return its value or raise what it raised."""
        self.start(line)
        return self.answer()


def act(names):
    everything = {name: getattr(liaison, name) for name in liaison.__all__}
    everything |= {"liaison": liaison, "point": point, **names}
    outcome = (False, None)
    while True:
        try:
            line = point("ready", outcome, wait=True)
            try:
                code = compile(line, "<actor>", "eval")
            except SyntaxError:
                code = compile(line, "<actor>", "exec")
            outcome = (False, eval(code, everything))
        except EOFError:
            return
        except SystemExit:
            raise
        except BaseException as error:
            error.__traceback__ = None  # it would keep what the line used
            outcome = (True, error)
