"""Creators that race and creators that die: exactly one complete link under a name, or none."""

import os
import random
import time

from liaison import Destroyed, Mailbox, NameTaken, NotFound, Space
from liaison.testing import Process, point
from tests.faults.often import RACES

SEED = int(os.environ.get("LIAISON_SEED", "1"))


def _opens(name):
    """Open or create the link with many others, and return which link it was."""
    point("ready", wait=True)
    with Mailbox(name, capacity=5) as box:
        return box.link.id, box.link.capacity


def test_64_racing_creators_make_one_mailbox(space):
    """However many processes open or create a name at once, there is one complete mailbox."""
    for _ in range(RACES):
        racers = [Process(_opens, "raced", fork=True) for _ in range(64)]
        for racer in racers:
            racer.reach("ready")
        for racer in racers:
            racer.go_on()
        results = []
        for racer in racers:
            with racer:
                results.append(racer.result())
        with Mailbox.open("raced") as box:
            assert set(results) == {(box.link.id, 5)}
            assert space.files("names") == ["raced"]
            assert space.files("links") == [box.link.id]
            box.destroy(force=True)
    print(f"{RACES} races of 64")


def test_killed_creators_leave_a_complete_mailbox_or_none(mailbox, space):
    """Creators and destroyers that are killed at any moment leave a name that works, or no name."""
    dice = random.Random(SEED)
    print(f"LIAISON_SEED={SEED}")
    racers = [Process(_creates_and_destroys, "raced", fork=True) for _ in range(4)]
    for _ in range(100):
        time.sleep(dice.uniform(0, 0.005))  # spreads the kills, as in the storm
        index = dice.randrange(4)
        with racers[index] as racer:
            racer.kill()
        assert racer.exit_code == -9
        racers[index] = Process(_creates_and_destroys, "raced", fork=True)
        with Mailbox("raced") as box:  # existing or new, it can be used
            assert box.link.capacity in (3, 1024)
    for racer in racers:
        with racer:
            racer.kill()
    Space().clean()
    with mailbox("raced") as box:
        box.send("works")
        assert box.receive(timeout=0) == "works"
        assert space.files("links") == [box.link.id]


def _creates_and_destroys(name):
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
