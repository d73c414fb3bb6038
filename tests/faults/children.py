"""Forked children in which nothing of the test's is finalized."""

import os
import signal
import traceback


def forked(body):
    """Fork a child that runs `body` and ends; its pid."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            body()
            code = 0
        except BaseException:
            os.write(2, traceback.format_exc().encode())  # past what _exit() would lose
        finally:
            os._exit(code)
    return pid


def in_child(body):
    """Run `body` in a forked child, and return its exit code; a watchdog ends it."""

    def watched():
        signal.alarm(60)
        body()

    return os.waitstatus_to_exitcode(os.waitpid(forked(watched), 0)[1])
