"""Helpers for tests in which processes die: start one, bring it to a point, kill it there.

A test of what a crash leaves behind needs a real process, a real SIGKILL, and a way to know where
the process is without sleeping and hoping. So a function runs in a `Process`, and calls `point`
where the test may want to intervene; the test waits for it with `Process.reach`, and then kills,
stops or releases it. `until` waits for what cannot announce itself. Every wait has a watchdog,
`PATIENCE` seconds, which only a failing test ever meets.

::

    def holds_a_message(name):
        with liaison.Mailbox(name).lease() as delivery:
            point("leased", delivery.message, wait=True)

    def test_a_message_comes_back_from_the_dead():
        with Mailbox("jobs") as box:
            box.send("job")
            with Process(holds_a_message, "jobs") as worker:
                assert worker.reach("leased") == "job"
                worker.kill()
            assert box.lease().attempt == 2
"""

from __future__ import annotations

from liaison.testing.process import Process, ProcessDied, point
from liaison.testing.waiting import PATIENCE, Watchdog, until

__all__ = ["PATIENCE", "Process", "ProcessDied", "Watchdog", "point", "until"]
