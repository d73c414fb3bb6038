"""Storms: processes are killed at random, and an independent program counts the damage."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from liaison import Empty, Space
from liaison.testing import Process, until
from tests.crash import workers

KILLS = int(os.environ.get("LIAISON_KILLS", "1000"))  # altogether
SEED = int(os.environ.get("LIAISON_SEED", "1"))
WORKERS = 8  # of each kind


class Storm:
    """Senders and receivers on one mailbox, any of which can be killed and replaced."""

    def __init__(self, name, notes, most):
        self.name, self.notes = name, str(notes)
        self.most = most  # messages that a receiver leases at once
        self.dice = random.Random(SEED)
        self.born = 0
        self.workers = [self._new(kind) for kind in ["send", "receive"] * WORKERS]

    def _new(self, kind):
        self.born += 1
        # Mostly forked, which is quicker; some in a new interpreter, which shares nothing.
        process = Process(
            getattr(workers, kind),
            *(self.name, self.notes, f"{kind}{self.born}"),
            *([self.most] if kind == "receive" else []),
            fork=self.dice.random() < 0.9,
        )
        return kind, process

    def strike(self):
        """Kill one, and start another of its kind."""
        index = self.dice.randrange(len(self.workers))
        kind, victim = self.workers[index]
        with victim:
            victim.kill()
        assert victim.exit_code == -9
        self.workers[index] = self._new(kind)

    def one_that_may_be_stopped(self, options):
        """Choose a process that cannot have the exclusive turn, which a stopped one would keep."""
        senders_only = options.get("access") == "exclusive"
        return self.dice.choice(
            [p for kind, p in self.workers if not senders_only or kind == "send"]
        )

    def end(self, kind):
        for _, process in [one for one in self.workers if one[0] == kind]:
            with process:
                process.kill()
            assert process.exit_code == -9  # none ended by itself, by an error or a signal

    def noted(self):
        return os.stat(self.notes).st_size // workers.Notes.LINE


def checked(notes):
    """Run the checker, a separate program that cannot import liaison, on the notes."""
    program = Path(__file__).parent / "checker.py"
    command = [sys.executable, "-I", "-S", str(program), str(notes)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


@pytest.mark.timeout(120 + KILLS)
# What a stopped process has leased or borrowed is its own: where that can be all the room there
# is, the others rightly wait for it. `most` keeps a receiver to less; two threads of a sender hold
# 40 KB, and 96 KiB have room for 20 KB more wherever those lie.
@pytest.mark.parametrize(
    ("kills", "most", "options"),
    [
        pytest.param(KILLS * 3 // 10, 3, {"capacity": 16}, id="any"),
        pytest.param(KILLS * 7 // 40, 3, {"capacity": 16, "access": "exclusive"}, id="exclusive"),
        pytest.param(KILLS * 7 // 40, 3, {"capacity": 0}, id="rendezvous"),
        pytest.param(KILLS * 7 // 40, 2, {"capacity": 3, "max_message": 20_000}, id="fixed"),
        pytest.param(KILLS * 7 // 40, 1, {"capacity": 16, "memory": 98304}, id="little memory"),
    ],
)
def test_a_storm_of_kills_loses_nothing_and_doubles_nothing(
    mailbox, tmp_path, kills, most, options
):
    """SIGKILL at any moment: no accepted message is lost, doubled unflagged, or out of order."""
    print(f"LIAISON_SEED={SEED} kills={kills} {options}")
    notes = tmp_path / "notes"
    notes.touch()
    box = mailbox("storm", **options)
    places = box.statistics().free
    storm = Storm("storm", notes, most)
    for kill in range(kills):
        # No test of a race by sleeping: this only spreads the kills over what the others do.
        time.sleep(storm.dice.uniform(0, 0.01))
        if kill % 20 == 0:
            stopped = storm.one_that_may_be_stopped(options)
            stopped.stop()
            before = storm.noted()
            until(lambda before=before: storm.noted() > before + 40, "the others go on")
            stopped.resume()
        storm.strike()
    before = storm.noted()
    until(lambda: storm.noted() > before + 400, "work goes on after the storm")

    storm.end("send")
    until(lambda: box.statistics().free == places, "the receivers finish what is left")
    storm.end("receive")
    with pytest.raises(Empty):
        box.receive(timeout=1)  # and looks for what the last ones held
    found = checked(notes)
    print(found)
    assert set(found["wrong"].values()) == {0}, found
    assert found["sent"] > 0
    if kills >= 200:  # fewer may all miss the moment in which a message is leased
        assert found["redelivered"] > 0
    now = box.statistics()
    assert (now.free, now.leased, now.loaned, now.waiting) == (places, 0, 0, 0)
    assert now.memory_used == 0
    Space().clean()  # doorbells of those who were killed while they made one


def test_the_checker_sees_what_is_wrong(tmp_path):
    """The checker finds each kind of fault in notes that have it."""
    notes = tmp_path / "notes"
    cases = {
        "lost": "B a 0\nR a 0\n",
        "unsent": "D a 0 1 x\n",
        "unflagged": "B a 0\nD a 0 1 x\nD a 0 1 y\n",
        "after_acknowledgement": "B a 0\nD a 0 1 x\nA a 0 1 x\nD a 0 2 y\n",
        "out_of_order": "B a 0\nB a 1\nD a 1 1 x\nD a 0 1 x\n",
        "torn": "B a 0\nD a 0 1 x\nX a 0 1 x\n",
    }
    for fault, text in cases.items():
        notes.write_text(text)
        assert checked(notes)["wrong"] == dict.fromkeys(cases, 0) | {fault: 1}
    notes.write_text("B a 0\nR a 0\nB a 1\nD a 0 1 x\nD a 0 2 y\nA a 0 2 y\n")
    assert set(checked(notes)["wrong"].values()) == {0}


def test_a_note_never_lies_across_two_pages(tmp_path):
    """SIGKILL comes between the pages that a write fills, and would leave half a note there."""
    note = workers.Notes(tmp_path / "notes")
    for number in range(1000):
        note("D", f"send{number}.1", 7 * number, 1, f"receive{number}.2")
    written = (tmp_path / "notes").read_bytes()
    page = os.sysconf("SC_PAGESIZE")
    assert len(written) > 3 * page
    assert {written[end - 1 : end] for end in range(page, len(written), page)} == {b"\n"}
