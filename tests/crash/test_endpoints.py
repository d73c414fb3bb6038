"""Endpoints' processes are killed at random and restarted under the same names."""

import os
import random
import time

import pytest

from liaison import Empty, Endpoint, Space
from liaison.testing import Process, until
from tests.crash import workers
from tests.crash.test_storm import KILLS, SEED, checked

NAMES = ["anna", "bert", "cora", "dora"]


@pytest.mark.timeout(120 + KILLS)
def test_a_storm_of_kills_among_endpoints(space, tmp_path):
    """SIGKILL at any moment, also while renaming: each pair's messages arrive, in order, once."""
    kills = KILLS // 10
    print(f"LIAISON_SEED={SEED} kills={kills}")
    notes = tmp_path / "notes"
    notes.touch()
    dice = random.Random(SEED)
    born = 0

    def start(name):
        nonlocal born
        born += 1
        return Process(workers.talk, NAMES, str(notes), name, born, fork=True)

    def noted():
        return os.stat(notes).st_size // workers.Notes.LINE

    talking = {name: start(name) for name in NAMES}
    try:
        for _ in range(kills):
            # No test of a race by sleeping: this only spreads the kills over what they do.
            time.sleep(dice.uniform(0, 0.02))
            name = dice.choice(NAMES)
            with talking[name] as victim:
                victim.kill()
                if victim.exit_code != -9:
                    victim.result()  # raises what it raised
            talking[name] = start(name)
        before = noted()
        until(lambda: noted() > before + 400, "they go on talking after the storm")
    finally:
        for process in talking.values():
            with process:
                process.kill()
    note = workers.Notes(str(notes))
    for name in NAMES:
        with Endpoint(name) as endpoint:
            assert name in (endpoint.name, *endpoint.aliases)
            while True:
                try:
                    delivery = endpoint.lease(timeout=0)
                except Empty:
                    break
                workers._note_and_acknowledge(note, "last", delivery)
            endpoint.destroy()
    Space().clean()
    found = checked(notes)
    print(found)
    assert set(found["wrong"].values()) == {0}, found
    assert found["delivered"] > kills
