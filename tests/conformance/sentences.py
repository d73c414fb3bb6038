"""The sentences of the contract, and which test holds each of them.

``nox -s docs`` makes docs/contract.md of them, which is not kept in the repository.
"""

import importlib
import inspect
from pathlib import Path

from tests.conformance.carriers import InTasks
from tests.conformance.kinds import KINDS

__all__ = ["ELSEWHERE", "PAGE", "UNTESTED", "page"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "contract.md"

# Sentences that other tests hold: about what has no second kind or carrier, or needs root.
ELSEWHERE = {
    "`LIAISON_SPACE`, spaces that are shared, and where they lie": "tests/test_space.py",
    "The whole grammar of addresses, with users and hosts": "tests/test_address.py",
    "Which builtin class each error also is; errors survive pickling": "tests/test_errors.py",
    "Every kind of value, array and table that a message may be": "tests/test_codec.py",
    "`NoSpace`: memory asked for is reserved, never a SIGBUS": "tests/faults/test_full_shm.py",
    "`AccessDenied`: another user's spaces and links": "tests/faults/test_another_user.py",
    "`Corrupt`: hostile bytes harm nobody": "tests/faults/test_hostile_bytes.py",
    "`VersionMismatch`: a segment of another version": "tests/faults/test_other_version.py",
    "`put`, `get`, `qsize`, `full`, `empty` of a message queue": "tests/links/test_queue.py",
    "Dead letters of a port, whoever dies meanwhile": "tests/links/test_port_dead_letters.py",
    "Tokens, TLS and caps of connections": "tests/links/test_connection_listener.py",
    "What was delivered when a connection is lost": "tests/links/test_connection.py",
    "`wait` over a thousand links, fair and without a lost wake-up": "tests/links/test_wait.py",
    "Awaiting every operation, and cancelling each": "tests/aio/test_cancelling.py",
    "Death at any moment loses no message and doubles none unflagged": "tests/crash/test_storm.py",
}

# Sentences that nothing tests yet, and why.
UNTESTED = {
    "`Deadlock`: waiting would close a certain cycle of waits": "nothing detects cycles yet",
    "`PeerDied`, `CallTimeout`, `RemoteError`": "they belong to calls, which are not there yet",
    '`access="any"`: the oldest waiter first': "strict in the reference alone: in shared memory a"
    " receiver that comes by may be faster than the one that has to wake up",
    "`memory`: all of it is reserved at creation, byte for byte": "only that more than it can never"
    " fit is tested on each carrier",
    "`host` of a Peer on another machine": "no carrier reaches one",
}


def _rows():
    """For each file: its title, and for each test its name, its sentence and its links."""
    for path in sorted(HERE.glob("test_*.py")):
        if path.stem == "test_sentences":
            continue
        module = importlib.import_module(f"tests.conformance.{path.stem}")
        tests = [
            (name, test)
            for name, test in vars(module).items()
            if name.startswith("Test")  # a state machine's, which hypothesis made
            or (name.startswith("test") and getattr(test, "__module__", "") == module.__name__)
        ]
        yield path.name, inspect.getdoc(module).splitlines()[0], tests


def _links(test):
    """On which links it runs, in words."""
    found, awaited = {}, False
    for mark in getattr(test, "pytestmark", []):
        if mark.name == "parametrize" and mark.args[0] == "stage":
            for one in mark.args[1]:
                kind, carrier = one.values[0]
                found.setdefault(carrier.name, set()).add(kind.name)
                awaited = awaited or issubclass(carrier, InTasks)
    if not found:
        return ""
    every = {kind.name for kind in KINDS.values()}
    names = set().union(*found.values())
    kinds = "every kind" if names == every else ", ".join(n for n in KINDS if n in names)
    return f"{kinds} ({', '.join(sorted(found))}){'' if awaited else ', by threads alone'}"


def page():
    """The text of the page."""
    lines = [
        "# The contract, sentence by sentence",
        "",
        "What every carrier and every kind of link keeps, and the test that holds each to it.",
        "Made by `nox -s docs` from the tests themselves.",
        "In brackets are the carriers. Each holds in tasks too, unless it says by threads alone.",
        "`memory` is the reference, a plain model under one lock:",
        "`test_reference.py` and `test_reference_direct.py` compare shared memory with it, step by",
        "step; `test_mutants.py` has faults in it found out by the tests below.",
    ]
    for name, title, tests in _rows():
        lines += ["", f"## {title.rstrip('.')}", "", f"`tests/conformance/{name}`", ""]
        lines += ["| sentence | links | test |", "|---|---|---|"]
        for test, function in tests:
            sentence = " ".join(inspect.getdoc(function).split()).replace("|", "\\|")
            lines.append(f"| {sentence} | {_links(function)} | `{test}` |")
    lines += ["", "## What kinds of links have not", ""]
    lines += ["Each is tried, and has to be refused with that error.", ""]
    lines += ["| kind | has not |", "|---|---|"]
    for kind in KINDS.values():
        lacks = [f"{what} (`{error.__name__}`)" for what, error in kind.lacks.items() if error]
        lines.append(f"| {kind.name} | {', '.join(lacks) or 'nothing is refused'} |")
    lines += ["", "## Held by other tests", "", "| sentence | test |", "|---|---|"]
    lines += [f"| {sentence} | `{path}` |" for sentence, path in ELSEWHERE.items()]
    lines += ["", "## Not tested yet", "", "| sentence | why |", "|---|---|"]
    lines += [f"| {sentence} | {why} |" for sentence, why in UNTESTED.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    from tests.conformance import sentences

    PAGE.write_text(sentences.page(), encoding="utf-8")
