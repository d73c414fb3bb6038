"""Calls that go on beside a test, in threads."""

import threading

from liaison.testing import PATIENCE, Watchdog

__all__ = ["Beside", "asleep"]


def asleep(thread):
    """Whether the thread with this native id sleeps in the kernel, twenty looks long."""
    for _ in range(20):
        with open(f"/proc/self/task/{thread}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] != "S":
                return False
    return True


class Beside(threading.Thread):
    """A call that goes on beside the test."""

    def __init__(self, function, *arguments, **options):
        super().__init__(daemon=True)
        self._call = lambda: function(*arguments, **options)
        self._outcome = None
        self.start()

    def run(self):
        try:
            self._outcome = (False, self._call())
        except BaseException as error:
            error.__traceback__ = None
            self._outcome = (True, error)
        finally:
            del self._call

    def asleep(self):
        """Whether its thread sleeps in the kernel."""
        return self.native_id is not None and asleep(self.native_id)

    def result(self):
        """Wait for its end; what it returned, or raise what it raised."""
        self.join(PATIENCE)
        if self.is_alive():
            raise Watchdog(f"a call did not return in {PATIENCE} s")
        (raised, value), self._outcome = self._outcome, None
        if raised:
            raise value
        return value
