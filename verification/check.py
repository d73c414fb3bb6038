#!/usr/bin/env python3
"""Checks the models in this folder with Spin, and that the check can fail.

Every scenario is searched exhaustively and must hold. Then faults are seeded one at a time, and
each must violate the rule that it is named with here. `full` adds larger scenarios, which may take
up to 6 GB of memory each; one that does not fit fails as not exhaustive.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
NOT_INSTALLED = 77

SEND, ACKNOWLEDGE, RELEASE, HOLD, RECOVER, CLOSE = 1, 2, 4, 8, 16, 32


@dataclass(frozen=True)
class Scenario:
    """One search: a model and the bounds that it is compiled with."""

    name: str
    model: str
    bounds: dict[str, int]
    progress: bool = False  # look for cycles, not for broken assertions
    full: bool = False  # only when asked for


MORTAL_AT_FIRST = 2  # in wait.pml: a caller that dies does so before its message is accepted


def describe(
    model: str, name: str, *may: int, progress: bool = False, full: bool = False, **bounds: int
) -> Scenario:
    """Describe a search; the model has defaults for bounds that are not named.

    `may` says what each of the three processes of mailbox.pml may do.
    """
    named = {f"MAY{process}": what for process, what in enumerate(may)}
    named |= {bound.upper(): value for bound, value in bounds.items()}
    text = (HERE / f"{model}.pml").read_text()
    if unknown := [bound for bound in named if f"#define {bound} " not in text]:
        raise ValueError(f"{model}.pml has no bounds {unknown}")
    return Scenario(name, f"{model}.pml", named, progress, full)


mailbox, wait, port, several, names, spaces = (
    partial(describe, model) for model in ("mailbox", "wait", "port", "several", "names", "spaces")
)

ANY = SEND | ACKNOWLEDGE | RELEASE
SSR = (SEND, SEND, ACKNOWLEDGE | RELEASE | HOLD)
SRR = (SEND, ACKNOWLEDGE | RELEASE, ACKNOWLEDGE | RELEASE | HOLD)
LEAVING = (SEND | CLOSE, RELEASE | CLOSE, ACKNOWLEDGE)
FREE = (ANY, ANY, ANY | HOLD)

# One receiver, and no other as a stand-in.
CALLER_DIES = {
    "receivers": 1,
    "sending": 2,
    "releasing": 0,
    "deaths": 1,
    "mortal": MORTAL_AT_FIRST,
    "slices": 1,
}

SCENARIOS = [
    mailbox("two send, one receives, two die", *SSR, crashes=2),
    mailbox("one sends, two receive", *SRR),
    mailbox("the same, a returned message waits", *SRR, history=2, full=True),
    mailbox("some leave alive, a message waits", *LEAVING, history=1, full=True),
    mailbox("any operation of each", *FREE, full=True),
    mailbox("no cycle: two send, one receives", *SSR, progress=True),
    mailbox("no cycle: one sends, two receive", *SRR, progress=True, full=True),
    wait("asleep: one is sent", releasing=0),
    wait("asleep: one is returned", sending=0),
    wait("asleep: the called one stops", releasing=0, stops=1, slices=1),
    wait("asleep: the called one dies", releasing=0, deaths=1, mortal=0, slices=1),
    wait("asleep: a caller dies", **CALLER_DIES),
    several("asleep at a board: one link"),
    several("asleep at a board: two links", links=2),
    several("the board comes to another", senders=1, successor=1, sweepers=1),
    several("the entry comes to another", senders=1, successor=2, sweepers=1),
    port("a port: two drain", drainers=2),
    port("a port: ended by force, two die", crashes=2, force=1),
    port("a port: two send", senders=2, waiting=0),
    port("a port: full", waiting=2, crashes=2, force=1),
    port("a port: of its senders' lifetime", lifetime=1, takes=2),
    port("a port: of two senders' lifetime", senders=2, drainers=0, waiting=0, lifetime=1, takes=2),
    port("no cycle: a port, ended by force", force=1, progress=True),
    port("no cycle: a port of its senders'", lifetime=1, progress=True),
    names("a name: two users, two clean", deaths=0),
    names("a name: two users, one cleans, one dies", cleaners=1),
    names("a name: one user, two clean, one dies", users=1),
    spaces("a space: two use, one removes, one dies"),
    spaces("a space: one uses, two remove, one dies", users=1, removers=2),
    spaces("a space: two use, two remove", removers=2, deaths=0, full=True),
    port("a port: two send, two drain, two die", senders=2, drainers=2, crashes=2, full=True),
    port("a port: two drain, by force, two die", drainers=2, crashes=2, force=1, full=True),
    port("a port: of two senders, two die", senders=2, takes=2, lifetime=1, crashes=2, full=True),
    several("two send, the board to another", deaths=0, slices=0, successor=1, full=True),
    several("two send, the entry to another", deaths=0, slices=0, successor=2, full=True),
    wait("asleep: one is sent, one returned", full=True),
    wait("asleep: one gives up", give_ups=1, full=True),
    wait("asleep: two are sent", sending=2, releasing=0, full=True),
    wait("asleep: two are sent, one gives up", sending=2, releasing=0, give_ups=1, full=True),
    wait("asleep in slices: a process dies", releasing=0, deaths=1, slices=2, full=True),
    mailbox("one sends, two receive, both cells full", *SRR, history=3, full=True),
    mailbox("any operation, a message waits", *FREE, history=1, full=True),
    mailbox("any operation, one returned", *FREE, history=2, full=True),
    mailbox("any operation, both cells full", *FREE, history=3, full=True),
    mailbox("one sends, two receive, two die", *SRR, crashes=2, history=1, full=True),
    mailbox("two send, one receives, 4 operations", *SSR, operations=4, history=1, full=True),
    mailbox("one sends, two receive, 4 operations", *SRR, operations=4, full=True),
    mailbox("no cycle: two send, a message waits", *SSR, history=1, progress=True, full=True),
    mailbox("no cycle: a returned message waits", *SRR, history=2, progress=True, full=True),
    mailbox("no cycle: both cells full", *SRR, history=3, progress=True, full=True),
    mailbox("no cycle: any operation", *FREE, progress=True, full=True),
]

SSR_DYING = mailbox("", *SSR, crashes=2)
SRR_RETURNED = mailbox("", *SRR, history=2)
SRR_FULL = mailbox("", *SRR, history=3)
SRR_FULL_CYCLES = mailbox("", *SRR, history=3, progress=True)

PORT = port("", crashes=2)
PORT_FORCED = port("", force=1)
PORT_OF_SENDERS = port("", lifetime=1, takes=2)
PORT_OF_TWO = port("", senders=2, drainers=0, waiting=0, lifetime=1, takes=2)

BOARD = several("")
BOARD_ALIVE = several("", deaths=0)
BOARD_OF_TWO = several("", senders=1, successor=1)
ENTRY_OF_TWO = several("", senders=1, successor=2)
ENTRY_SWEPT = several("", senders=1, successor=2, sweepers=1)

SLEEP = wait("")
SLEEP_BRIEFLY = wait("", give_ups=1)
SLEEP_AND_DIE = wait("", deaths=1)
SLEEP_AND_CALLER_DIES = wait("", **CALLER_DIES)
SLEEP_AND_STOP = wait("", releasing=0, stops=1, slices=1)

SPACE = spaces("", deaths=0)
NAME = names("", cleaners=1)
NAME_OF_ONE = names("", users=1, deaths=0)

STUCK = "invalid end state"
CYCLE = "non-progress cycle"
FAULTS = [
    # ring.c
    ("accept_without_comparing", SSR_DYING, "message_lost"),
    ("lease_without_comparing", SRR_FULL, "delivered_after_acknowledgement"),
    ("position_said_late", SSR_DYING, "corrupt"),
    ("queued_said_late", SSR_DYING, "delivered_twice_unflagged"),
    ("finish_does_not_look_again", SRR_FULL, "corrupt"),
    ("finish_gives_up", SSR_DYING, "corrupt"),
    ("finish_frees_the_word_first", SSR_DYING, "corrupt"),
    ("head_runs_ahead", SRR_FULL, "message_lost"),
    ("take_waits_for_the_taker", SRR_FULL_CYCLES, CYCLE),
    # cell.c
    ("generation_kept", SSR_DYING, "fence_used_twice"),
    ("deliveries_kept", SSR_DYING, "delivered_twice_unflagged"),
    ("bit_set_late", SSR_DYING, "message_lost"),
    ("epoch_raised_late", SSR_DYING, "message_lost"),
    ("bit_cleared_early", SSR_DYING, "message_lost"),
    ("clean_though_bits_were_seen", SRR_RETURNED, "message_lost"),
    # recover.c
    ("sweep_frees_what_is_queued", SSR_DYING, "delivered_twice_unflagged"),
    ("sweep_cells_before_ring", SSR_DYING, "message_lost"),
    ("sweep_leaves_the_ring", SSR_DYING, "message_lost"),
    ("sweep_does_not_look_at_the_identity", SSR_DYING, "lease_of_the_living_lost"),
    ("slot_given_up_first", SSR_DYING, "cell_leaked"),
    ("the_living_are_swept", SSR_DYING, "lease_of_the_living_lost"),
    # sending.c
    ("role_told_late", SSR_DYING, "cell_leaked"),
    # port.c
    ("ring_left_open", PORT, "accepted_after_the_end"),
    ("taken_left_unfinished", PORT_FORCED, "message_lost"),
    ("returned_counted_first", PORT_FORCED, "message_lost"),
    ("leases_overlooked", PORT_FORCED, "message_lost"),
    ("the_dead_are_left", PORT, "never_over"),
    ("letters_destroyed", PORT, "message_lost"),
    ("deliveries_kept", PORT, "handed_twice_unflagged"),
    ("settled_before_it_is_forwarded", PORT, "message_lost"),
    ("coming_taken_for_gone", PORT_OF_SENDERS, "ended_before_any_came"),
    ("told_without_closing", PORT_OF_TWO, "message_lost"),
    ("told_without_looking_again", PORT_OF_SENDERS, "message_lost"),
    # wait.c and its callers
    ("not_made_sure_afterwards", SLEEP, STUCK),
    ("not_looked_again", SLEEP, STUCK),
    ("an_earlier_call_is_trusted", SLEEP_BRIEFLY, STUCK),
    ("baton_dropped_when_giving_up", SLEEP_BRIEFLY, STUCK),
    ("left_in_two_steps", SLEEP_BRIEFLY, STUCK),
    ("baton_dropped_after_taking", SLEEP, STUCK),
    ("baton_blind_to_what_came_back", SLEEP, STUCK),
    (None, SLEEP_AND_DIE, STUCK),
    ("nobody_stands_in", SLEEP_AND_STOP, STUCK),
    ("stand_in_not_kept", SLEEP_AND_STOP, STUCK),
    ("told_to_sleep_lightly_while_awake", SLEEP_AND_STOP, STUCK),
    ("the_called_is_awake", SLEEP_AND_CALLER_DIES, STUCK),
    # board.c, its caller in wait.c, and several.c
    ("called_once", BOARD_ALIVE, "lost_wakeup"),
    ("called_again_unsaid", BOARD, "lost_wakeup"),
    ("awake_before_it_is_called", BOARD, "lost_wakeup"),
    ("disarmed_before_it_is_marked", BOARD, "lost_wakeup"),
    ("a_call_is_trusted", BOARD, "lost_wakeup"),
    ("only_who_disarms_calls", BOARD, "lost_wakeup"),
    ("armed_as_before", BOARD_ALIVE, "lost_wakeup"),
    ("not_looked_again", BOARD_ALIVE, "lost_wakeup"),
    ("marks_not_looked_for", BOARD_ALIVE, "lost_wakeup"),
    ("every_sleep_the_same", BOARD_ALIVE, "lost_wakeup"),
    ("slice_kept", BOARD, "asleep_for_long"),
    ("not_called_before", BOARD, "asleep_for_long"),
    ("versions_of_all", BOARD_OF_TWO, "lost_wakeup"),
    ("versions_of_all", ENTRY_OF_TWO, "lost_wakeup"),
    ("swept_without_owning", ENTRY_SWEPT, "lost_wakeup"),
    ("bit_cleared_after_the_entry", ENTRY_SWEPT, "lost_wakeup"),
    # naming.c, clean.c, segment.c
    ("names_unlocked", NAME_OF_ONE, "another_unnamed"),
    ("name_unlooked", NAME, "another_unnamed"),
    ("condemned_unlooked", NAME, "cleaned_in_use"),
    ("condemned_unspared", NAME, "cleaned_in_use"),
    ("destroyed_at_once", NAME, "message_lost"),
    # removal.c, member.c, directory.c
    ("directory_unlocked", SPACE, "another_taken_away"),
    ("name_unlooked", SPACE, "another_taken_away"),
    ("use_unsaid", SPACE, "removed_in_use"),
    ("counted_before_it_is_said", SPACE, "removed_in_use"),
    ("coming_uncounted", SPACE, "removed_in_use"),
    ("counted_late", SPACE, "removed_in_use"),
    ("removed_anyway", SPACE, "removed_in_use"),
]


@dataclass(frozen=True)
class Result:
    """What a search found."""

    broken: str | None  # the rule, as the model names it
    states: str
    transitions: str
    depth: str
    seconds: str
    megabytes: str


def search(scenario: Scenario, memory: int, fault: str | None = None) -> Result:
    """Compiles the model within the scenario's bounds and searches all its states."""
    defines = [f"-D{name}={value}" for name, value in scenario.bounds.items()]
    if scenario.progress:
        defines.append("-DPROGRESS")
    if fault:
        defines.append(f"-DMUTANT_{fault}")
    kind = "-DNP" if scenario.progress else "-DSAFETY"
    model = HERE / scenario.model
    if fault and not re.search(rf"\bMUTANT_{fault}\b", model.read_text()):
        raise SystemExit(f"{model.name} has no fault {fault}")
    with tempfile.TemporaryDirectory() as directory:

        def run(*command: str, may_fail: bool = False) -> str:
            done = subprocess.run(
                command, cwd=directory, capture_output=True, text=True, check=False
            )
            if done.returncode != 0 and not may_fail:
                raise SystemExit(f"{command}\n{done.stdout}{done.stderr}")
            return f"{done.stdout}(exit code {done.returncode})"

        run("spin", "-a", *defines, str(model))
        # Not optimised: that would cost the compiler more time than it saves in the search.
        size = ("-DCOLLAPSE", "-DVECTORSZ=512", f"-DMEMLIM={memory}")
        run("gcc", "-O0", "-w", kind, *size, "-o", "pan", "pan.c")
        mode = ["-l"] if scenario.progress else []
        said = run("./pan", *mode, "-m100000", "-w22", may_fail=True)

    def number(pattern: str) -> str:
        found = re.search(pattern, said, re.MULTILINE)
        return found[1] if found else "?"

    if CYCLE in said.replace("non-progress cycles", ""):
        broken = CYCLE
    elif violated := re.search(r"assertion violated (.*) \(at depth", said):
        broken = re.findall(r"\w+", violated[1])[-1]
    elif "invalid end state" in re.sub(r"invalid end states", "", said):
        broken = "invalid end state"
    else:
        broken = None
        whole = re.search(r"errors: 0$", said, re.MULTILINE) and "Search not completed" not in said
        if not whole or "too small" in said or "out of memory" in said:
            raise SystemExit(f"{scenario.name}: the search was not exhaustive\n{said}")
    return Result(
        broken,
        number(r"^ *(\d\S*) states, stored"),
        number(r"^ *(\d+) transitions"),
        number(r"depth reached (\d+)"),
        number(r"elapsed time (\S+)"),
        number(r"^ *(\S+)\ttotal actual memory"),
    )


def main() -> int:
    """Runs everything, prints a line for each search, and returns whether all passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("full", nargs="?", choices=["full"], help="the larger scenarios too")
    full = parser.parse_args().full is not None
    missing = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]
    if missing:
        print(f"NOT CHECKED: {' and '.join(missing)} not installed (apt-get install spin gcc)")
        return NOT_INSTALLED
    memory = 6000 if full else 900
    wanted = [scenario for scenario in SCENARIOS if full or not scenario.full]
    workers = 1 if full else min(2, os.cpu_count() or 1)
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        searches = [pool.submit(search, scenario, memory) for scenario in wanted]
        seeded = [pool.submit(search, scenario, memory, fault) for fault, scenario, _ in FAULTS]
        print(
            f"{'must hold':42} {'states':>10} {'transitions':>12} {'depth':>6} {'s':>6} {'MB':>6}"
        )
        for scenario, future in zip(wanted, searches, strict=True):
            r = future.result()
            failures += r.broken is not None
            end = "" if r.broken is None else f"  BROKEN: {r.broken}"
            print(
                f"{scenario.name:42} {r.states:>10} {r.transitions:>12} {r.depth:>6} "
                f"{r.seconds:>6} {r.megabytes:>6}{end}",
                flush=True,
            )
        print(f"\n{'seeded fault':42} caught by")
        for (fault, _, rule), future in zip(FAULTS, seeded, strict=True):
            broken = future.result().broken
            failures += broken != rule
            end = "" if broken == rule else f"  EXPECTED: {rule}"
            print(
                f"{fault or 'no_slices_though_a_process_dies':42} {broken or 'NOTHING'}{end}",
                flush=True,
            )
    print(f"\n{len(wanted)} searches, {len(FAULTS)} seeded faults: ", end="")
    print("all as it must be" if failures == 0 else f"{failures} NOT as it must be")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
