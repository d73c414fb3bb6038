"""Storms: processes killed at random, and an independent count of what that did."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from liaison import Destroyed, Empty, Mailbox, NameTaken, NotFound, Space
from liaison.testing import Process, point, until
from tests.crash import workers

KILLS = int(os.environ.get("LIAISON_KILLS", "500"))
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
        """Not one that may have the exclusive turn: that it keeps while it lives."""
        senders_only = options.get("access") == "exclusive"
        return self.dice.choice(
            [p for kind, p in self.workers if not senders_only or kind == "send"]
        )

    def end(self, kind):
        for _, process in [one for one in self.workers if one[0] == kind]:
            with process:
                process.kill()
            assert process.exit_code == -9  # none ended by itself: no error, no signal

    def noted(self):
        return os.stat(self.notes).st_size


def checked(notes):
    """What the checker, a program of its own that cannot import liaison, says of the notes."""
    program = Path(__file__).parent / "checker.py"
    command = [sys.executable, "-I", "-S", str(program), str(notes)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


@pytest.mark.timeout(120 + KILLS)
# What a stopped receiver has leased is its own: where it may lease all there is room for, the
# others rightly wait for it. `most` keeps it to less than that.
@pytest.mark.parametrize(
    ("kills", "most", "options"),
    [
        pytest.param(KILLS, 3, {"capacity": 16}, id="any"),
        pytest.param(KILLS // 5, 3, {"capacity": 16, "access": "exclusive"}, id="exclusive"),
        pytest.param(KILLS // 5, 3, {"capacity": 0}, id="rendezvous"),
        pytest.param(KILLS // 5, 2, {"capacity": 3, "max_message": 20_000}, id="fixed"),
        pytest.param(KILLS // 5, 1, {"capacity": 16, "memory": 65536}, id="little memory"),
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
            until(lambda before=before: storm.noted() > before + 1000, "the others go on")
            stopped.resume()
        storm.strike()
    before = storm.noted()
    until(lambda: storm.noted() > before + 10_000, "work goes on after the storm")

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


# ---- creation


def _opens(name):
    """Race to open or create, and tell which link it was."""
    point("ready", wait=True)
    with Mailbox(name, capacity=5) as box:
        return box.link.id, box.link.capacity


def test_64_racing_creators_make_one_mailbox(mailbox, space):
    """However many processes open or create a name at once, there is one complete mailbox."""
    racers = [Process(_opens, "raced", fork=True) for _ in range(64)]
    for racer in racers:
        racer.reach("ready")
    for racer in racers:
        racer.go_on()
    results = []
    for racer in racers:
        with racer:
            results.append(racer.result())
    box = mailbox("raced")
    assert set(results) == {(box.link.id, 5)}
    assert space.files("names") == ["raced"]
    assert space.files("links") == [box.link.id]


def test_killed_creators_leave_a_complete_mailbox_or_none(mailbox, space):
    """Creators and destroyers that are killed at any moment leave a name that works, or no name."""
    dice = random.Random(SEED)
    print(f"LIAISON_SEED={SEED}")
    racers = [Process(_creates_until_told, "raced", fork=True) for _ in range(4)]
    for _ in range(100):
        time.sleep(dice.uniform(0, 0.005))  # spreads the kills, as in the storm
        index = dice.randrange(4)
        with racers[index] as racer:
            racer.kill()
        assert racer.exit_code == -9
        racers[index] = Process(_creates_until_told, "raced", fork=True)
        with Mailbox("raced") as box:  # whatever is there, or is not: one that can be used
            assert box.link.capacity in (3, 1024)
    for racer in racers:
        with racer:
            racer.kill()
    Space().clean()
    with mailbox("raced") as box:
        box.send("works")
        assert box.receive(timeout=0) == "works"
        assert space.files("links") == [box.link.id]


def _creates_until_told(name):
    while True:
        try:
            with Mailbox.create(name, capacity=3) as box:
                box.destroy(force=True)
        except (NameTaken, Destroyed):
            try:
                with Mailbox.open(name) as box:
                    box.destroy(force=True)
            except (NotFound, Destroyed):
                continue
