"""The n-th system call of every operation fails, for every n: EMFILE, ENOMEM, EINTR, ENOSPC …

Each run is a process of its own, in which one call of one operation fails with one errno. The
operation succeeds or raises an error of liaison's, MemoryError, or the OSError of that errno; then
its mailboxes must work as before, and nothing may be left: no descriptor, no mapping, no file, no
cell.
"""

import collections
import contextlib
import gc
import os
import pickle
import platform
import select
import signal
from pathlib import Path

import pytest

import liaison
from liaison import Destroyed, LiaisonError, Mailbox, NotFound, Space
from liaison.carriers.shm import space as shm
from liaison.testing import until
from tests.faults import tracer
from tests.faults.namespaces import follow
from tests.faults.often import FULL

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64",
    reason=f"NOT CHECKED: the tracer does not know the registers of {platform.machine()}",
)

# name: (how the mailbox "box" is made, what is done before, what is traced)
OPERATIONS = {
    "Space": (None, "", "liaison.Space('another')"),
    "Space.links": ("()", "space = Space()", "space.links()"),
    "Space.members": ("()", "space = Space()", "space.members()"),
    "Space.clean": ("()", "space = Space()", "space.clean(links=True)"),
    "spaces": ("()", "", "liaison.spaces()"),
    "Mailbox": (None, "", "new = Mailbox('new')"),
    "Mailbox, first": (None, "shm._spaces.clear()", "new = Mailbox('new')"),
    "Mailbox, fixed": (None, "", "new = Mailbox('new', capacity=3, max_message=5000)"),
    "Mailbox, memory": (None, "", "new = Mailbox('new', capacity=3, memory=1 << 20)"),
    "Mailbox, opened": ("()", "box.close()", "again = Mailbox('box')"),
    "Mailbox.create": (None, "", "new = Mailbox.create('new', capacity=0)"),
    "Mailbox.open": ("()", "box.close()", "again = Mailbox.open('box')"),
    "Mailbox.open, twice": ("()", "", "again = Mailbox.open('box')"),
    "Mailbox.observe": ("()", "box.close()", "again = Mailbox.observe('box')"),
    "send": ("()", "", "box.send(b'small')"),
    "send, first": ("()", "box.close(); box = Mailbox('box')", "box.send(b'small')"),
    "send, encoded": ("()", "", "box.send({'a': [1, 2]})"),
    "send, large": ("()", "", "box.send(bytes(100_000))"),
    "send, larger": ("()", "", "box.send(bytes(3_000_000))"),
    "send, receipt": ("()", "", "receipt = box.send(b'small', receipt=True); receipt.state"),
    "send, full": ("(capacity=1)", "box.send(1)", "box.send(b'small', timeout=0.02)"),
    "send, nobody comes": ("(capacity=0)", "", "box.send(b'small', timeout=0.02)"),
    "send, to one asleep": ("()", "asleep(box)", "box.send(b'small'); box.send(b'small')"),
    "send, to a doorbell": ("()", "rings(box)", "box.send(b'small'); box.send(b'small')"),
    "send, own doorbell": ("()", "box.fileno(); box.try_receive()", "box.send(b'small')"),
    "try_send": ("()", "", "box.try_send(b'small')"),
    "send_many": ("()", "", "box.send_many([b'small', bytes(5000), 3])"),
    "loan": ("()", "", "loan = box.loan(5); loan[:] = b'small'; loan.send()"),
    "loan, large": ("()", "", "loan = box.loan(200_000); loan.discard()"),
    "receive": ("()", "box.send(b'small')", "box.receive()"),
    "receive, large": ("()", "box.send(bytes(600_000))", "box.receive()"),
    "receive, empty": ("()", "", "box.receive(timeout=0.02)"),
    "receive, doorbell": ("()", "box.fileno()", "box.receive(timeout=0.02)"),
    "receive, exclusive": ("(access='exclusive')", "box.send(1)", "box.receive()"),
    "receive, turn taken": ("(access='exclusive')", "holder(box)", "box.receive(timeout=0.02)"),
    "receive, from the dead": ("()", "dead_holder(box)", "box.receive(timeout=5)"),
    "receive, beside one": ("()", "holder(box)", "box.receive(timeout=0.02)"),
    "try_receive": ("()", "", "box.try_receive()"),
    "receive_many": ("()", "box.send_many([1, 2, 3])", "box.receive_many(5)"),
    "lease": ("()", "box.send(b'small')", "held = box.lease(); held.message; held.attempt"),
    "lease, sender": ("()", "box.send(b'small')", "held = box.lease(); held.sender"),
    "acknowledge": ("()", "box.send(1); held = box.lease()", "held.acknowledge()"),
    "release": ("()", "box.send(1); held = box.lease()", "held.release()"),
    "dead letters": (
        "(max_deliveries=1)",
        "box.send(1); held = box.lease()",
        "held.release()",
    ),
    "wait_received": (
        "()",
        "receipt = box.send(1, receipt=True)",
        "receipt.wait_received(timeout=0.02)",
    ),
    "wait_acknowledged": (
        "()",
        "receipt = box.send(1, receipt=True); box.receive()",
        "receipt.wait_acknowledged(timeout=5)",
    ),
    "peek": ("()", "box.send_many([1, bytes(5000)])", "box.peek()"),
    "len": ("()", "box.send(1)", "len(box)"),
    "statistics": ("()", "box.send(1)", "box.statistics()"),
    "link": ("()", "box.send(1)", "box.link"),
    "fileno": ("()", "", "box.fileno()"),
    "fileno, selected": ("()", "box.send(1)", "select.select([box], [], [], 5)"),
    "close": ("()", "box.send(1); held = box.lease(); box.fileno()", "box.close()"),
    "destroy": ("()", "box.send(1)", "box.destroy()"),
    "destroy, observed": ("()", "box.close(); box = Mailbox.observe('box')", "box.destroy()"),
    "pickled": ("()", "", "again = pickle.loads(pickle.dumps(box))"),
    "a forked child's first": ("inherited", "", "box.send(b'from the child')"),
}  # fmt: skip


# ---- what is done before


def _other(act, box):
    """Fork a process that uses the mailbox; return once it says so. It dies with this one."""
    here, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        follow()
        try:
            act(box, say)
        finally:
            os._exit(0)
    os.read(here, 1)
    os.close(here)
    os.close(say)
    _others.append(pid)
    return pid


_others = []


def _hold(box, say):
    held = box.lease()
    os.write(say, b".")
    signal.pause()
    held.acknowledge()


def _sleep(box, say):
    os.write(say, b".")
    box.lease()
    signal.pause()


def _watch(box, say):
    descriptor = box.fileno()
    os.write(say, b".")
    select.select([descriptor], [], [])
    signal.pause()


def holder(box):
    box.send(b"held")
    return _other(_hold, box)


def dead_holder(box):
    _kill(holder(box))


def asleep(box):
    _other(_sleep, box)
    while not box.statistics().receivers_waiting:
        os.sched_yield()


def rings(box):
    _other(_watch, box)


def _kill(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    _others.remove(pid)


# ---- one run


def _held(root):
    found = sorted(os.listdir("/proc/self/fd"))
    maps = Path("/proc/self/maps").read_text().splitlines()
    return found, [line for line in maps if root in line]


def _files(root):
    return sorted(
        str(path.relative_to(root))
        for path in Path(root).glob("*/*/*/*")
        if path.parent.name in ("links", "names", "bells")
    )


def _run(name, root, inherited=None, traced=True):
    """Run one operation, in a child; return its outcome, and what was wrong afterwards."""
    made, before, line = OPERATIONS[name]
    baseline = _held(root)
    names = {**globals()}
    if inherited:
        names["box"] = inherited.pop()
    elif made == "inherited":
        names["box"] = Mailbox("box")
    elif made is not None:
        names["box"] = eval(f"Mailbox('box', {made[1:]}")
    exec(before, names)
    code = compile(line, f"<{name}>", "exec")
    if traced:
        tracer.be_traced()
    error = None
    tracer.begin()  # fails, without a tracer, and does nothing
    try:
        exec(code, names)
    except BaseException as raised:
        tracer.end()
        error = raised.with_traceback(None)
    else:
        tracer.end()
    outcome = None if error is None else (type(error).__name__, getattr(error, "errno", None))
    wrong = []
    if error is not None and not isinstance(error, (LiaisonError, OSError, MemoryError)):
        wrong.append(f"raised {error!r}")
    error = None
    for pid in _others:
        _kill(pid)
    wrong += _what_is_wrong(name, names, root)
    del names
    shm._spaces.clear()
    gc.collect()
    now = _held(root)
    if len(now[0]) > len(baseline[0]):
        wrong.append(f"descriptors left: {now[0]} after {baseline[0]}")
    if len(now[1]) > len(baseline[1]):
        wrong.append(f"mappings left: {now[1]}")
    return outcome, wrong


def _what_is_wrong(name, names, root):
    """Check that mailboxes work, and leave nothing when they are destroyed."""
    wrong = []
    box = names.get("box")
    try:
        if box is not None and not box.closed and not name.startswith("destroy"):
            for held in ("held", "receipt", "loan", "again"):
                names.pop(held, None)
            _works(box, wrong)
        elif box is not None and name.startswith("destroy"):
            with contextlib.suppress(Destroyed):
                box.destroy(force=True)
            if left := _files(root):
                wrong.append(f"destroyed once more, it has left {left}")
    except BaseException as error:
        wrong.append(f"the end does not work afterwards: {error!r}")
    for key in ("box", "new", "again", "held", "receipt", "loan", "space"):
        names.pop(key, None)
    box = None
    gc.collect()
    for address in ("box", "new", "box.dead"):
        try:
            with Mailbox.open(address) as other:
                _works(other, wrong)
                other.destroy(force=True)
        except (NotFound, Destroyed):
            continue
        except BaseException as error:
            wrong.append(f"{address} does not work afterwards: {error!r}")
    left = _files(root)
    if left:
        Space().clean(links=True)
        still = _files(root)
        if still:
            wrong.append(f"files left: {still}")
        elif any("/." in path for path in left):
            wrong.append(f"temporary files left: {left}")
    return wrong


def _is_empty(box):
    """Take a message, if there is one; a dead process's lease returns a moment later."""
    with contextlib.suppress(liaison.Empty, liaison.Busy):
        box.receive(timeout=0.005)
        return False
    now = box.statistics()
    return now.waiting == now.leased == 0


def _works(box, wrong):
    """Empty the mailbox, and use it once."""
    places = box.link.capacity or 64
    meets = box.link.capacity == 0
    until(lambda: _is_empty(box), "it is empty", patience=10)
    if not meets:
        box.send(b"works", timeout=5)
        if box.receive(timeout=5) != b"works":
            wrong.append("another message came")
        box.send(bytes(200_000 if box.link.max_message > 200_000 else 1000), timeout=5)
        box.receive(timeout=5)
    now = box.statistics()
    if (now.free, now.leased, now.loaned, now.memory_used) != (places, 0, 0, 0):
        wrong.append(f"places left in use: {now}")


def _used_end():
    box = Mailbox("box")
    box.send(1)
    box.receive()
    return box


def _places():
    """Places from 1 on; of the thousands of calls of Space.members a selection."""
    place = 0
    while True:
        place += 1 if place < 64 or FULL else 509
        yield place


def _traced(name, root, place, error):
    """Run it with that failure; return the call that failed, the outcome, and what was wrong."""
    inherited = [_used_end()] if OPERATIONS[name][0] == "inherited" else []
    here, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(here)
            gc.freeze()  # the collector need not look at all that pytest has
            report = _run(name, root, inherited)
            os.write(say, pickle.dumps(report))
        except BaseException as raised:
            os.write(say, pickle.dumps((None, [f"the test itself failed: {raised!r}"])))
        finally:
            os._exit(0)
    while inherited:
        inherited.pop().close()
    os.close(say)
    failed = tracer.follow(pid, place, error)
    with open(here, "rb") as answers:
        answer = answers.read()
    try:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        status = "unknown"
    if not answer:
        return failed, None, [f"the process died: {status}"]
    return failed, *pickle.loads(answer)


@pytest.mark.parametrize("name", OPERATIONS)
def test_any_system_call_may_fail(space, name):
    """A failed call is a typed error or no error; nothing leaks, and all works afterwards."""
    root = str(space.root)
    Space()
    _, faults = _run(name, root, traced=False)  # imports what it needs, and shows what is right
    assert not faults, faults
    outcomes = collections.Counter()
    wrong, runs = [], 0
    for place in _places():
        error = 0 if FULL else place  # all of a call's errors, or one, in turn
        call, outcome, faults = _traced(name, root, place, error)
        if call is None:
            assert not faults, faults
            break
        errors = tracer.CALLS.get(call, (0, ["EIO"]))[1]
        for turn in range(error, error + (len(errors) if FULL else 1)):
            if turn != error:
                again, outcome, faults = _traced(name, root, place, turn)
                if again != call:
                    continue
            error_name = errors[turn % len(errors)]
            runs += 1
            outcomes[call, error_name, outcome] += 1
            if call == "unlinkat":  # what could not be removed is left to Space.clean()
                faults = [one for one in faults if not one.startswith("temporary files")]
            wrong += [f"{place}. call, {call} {error_name} -> {outcome}: {one}" for one in faults]
    print(f"{name}: {runs} failures of {place - 1} calls")
    for (call, error, outcome), times in sorted(outcomes.items(), key=str):
        print(f"    {call} {error}: {outcome} x{times}")
    assert not wrong, "\n" + "\n".join(wrong)
