"""What a kind of link or a carrier has not, and that this shows as an error, at once."""

import contextlib
import pickle
import select

import pytest

from liaison import Empty, TooLarge
from liaison.testing import until
from tests.beside import Beside
from tests.conformance import carriers, kinds
from tests.conformance.carriers import CARRIERS
from tests.conformance.kinds import KINDS, used
from tests.links.actor import Actor

ABSENT = [
    pytest.param((kind, carrier), feature, id=f"{kind.name} on {how}: {feature}")
    for kind in KINDS.values()
    for carrier, how in used(kind)
    for feature, error in kind.lacks.items()
    if error is not None
]
PRESENT = [
    pytest.param((kind, carrier), feature, id=f"{kind.name} on {how}: {feature}")
    for kind in KINDS.values()
    for carrier, how in used(kind)
    for feature in kinds.FEATURES
    if feature not in kind.lacks
]


def _lease(stage):
    _, receiver = stage.ends()
    with contextlib.suppress(Empty):
        receiver.lease(timeout=0)


def _here(stage):
    """Ends of which the first is this process's own."""
    sender, receiver = stage.ends()
    return (sender, receiver) if "local" in stage.has else (receiver, sender)


def _receipt(stage):
    sender, receiver = _here(stage)
    receiving = Beside(receiver.receive, timeout=60)
    try:
        sender.send(1, timeout=60, receipt=True)
    finally:
        if "receipt" not in stage.has:
            sender.send(1)
        receiving.result()


def _both_ways(stage):
    one, other = stage.ends()
    other.send(1)
    assert one.receive(timeout=60) == 1


def _many(stage):
    stage.other_sends()
    stage.another_sends()


def _name(stage):
    kind = stage.carrier.names[stage.kind.maker]
    if stage.kind.established == "inherited":
        kind = type(stage.ends()[0])
    with kind("named") as end:
        end.destroy()


def _open(stage):
    sender, _ = stage.ends()
    end = type(sender) if stage.kind.established == "inherited" else None
    (end or stage.carrier.names[stage.kind.maker]).open(stage.address)


def _batches(stage):
    sender, receiver = (getattr(end, "plain", end) for end in stage.ends())
    assert sender.send_many([], timeout=0) == 0
    with contextlib.suppress(Empty):
        receiver.receive_many(1, timeout=0)


def _break(stage):
    receiver, there = stage.other_sends()
    there.kill()
    with contextlib.suppress(Empty):
        receiver.receive(timeout=0)


def _quiet(stage):
    _, receiver = stage.ends()
    receiver.fileno()

    def quiet():
        receiver.try_receive()  # to which a reminder may have come
        return not select.select([receiver], [], [], 0)[0]

    until(quiet, "its descriptor is quiet")


def _outlive(stage):
    sender, receiver = stage.ends()
    receiver.close()
    sender.try_send(1)


# How each feature of `kinds.FEATURES` is used.
USES = {
    "lease": _lease,
    "loan": lambda stage: _here(stage)[0].loan(1).discard(),
    "receipt": _receipt,
    "peek": lambda stage: stage.ends()[1].peek(),
    "statistics": lambda stage: stage.ends()[1].statistics(),
    "len": lambda stage: len(stage.ends()[1]),
    "bounded": lambda stage: stage.ends(capacity=1),
    "buffered": lambda stage: stage.ends()[0].send(1, timeout=0),
    "rendezvous": lambda stage: stage.ends(capacity=0),
    "access": lambda stage: stage.ends(access=stage.kind.options.get("access", "any")),
    "dead letters": lambda stage: stage.ends(max_deliveries=3),
    "max_message": lambda stage: stage.ends(max_message=100),
    "receivers": lambda stage: (stage.ends(), stage.again()),
    "many": _many,
    "both ways": _both_ways,
    "named": _name,
    "open": _open,
    "batches": _batches,
    "local": lambda stage: stage.ends(),
    "unbroken": _break,
    "destroy": lambda stage: stage.ends()[0].destroy(force=True),
    "quiet": _quiet,
    "pickle": lambda stage: pickle.dumps(_here(stage)[0]),
    "outlives": _outlive,
}


@pytest.mark.parametrize(("stage", "feature"), ABSENT, indirect=["stage"])
def test_what_a_kind_has_not_is_refused(stage, feature):
    """What a kind of link cannot do raises the error that its table says; it is never ignored."""
    with pytest.raises(stage.kind.lacks[feature]):
        USES[feature](stage)


@pytest.mark.parametrize(("stage", "feature"), PRESENT, indirect=["stage"])
def test_what_a_kind_has_is_there(stage, feature):
    """What a kind of link can do is not refused: the table of what it lacks says no more."""
    USES[feature](stage)


def test_the_tables_know_their_words():
    """No kind and no carrier lacks a feature that the tables do not know."""
    assert USES.keys() == kinds.FEATURES.keys()
    assert TRIES.keys() == carriers.FEATURES.keys()
    for kind in KINDS.values():
        assert kind.lacks.keys() <= kinds.FEATURES.keys()
        assert set(kind.carriers) <= CARRIERS.keys()
        assert kind.name not in {other.name for other in KINDS.values() if other is not kind}
    for carrier in CARRIERS.values():
        assert carrier.lacks.keys() <= carriers.FEATURES.keys()


def _use_in_a_child(stage):
    """Send through an inherited end, in a child that was forked."""
    sender, receiver = stage.ends()
    with Actor(fork=True, sender=sender) as child:
        child.start("sender.send('from a child', timeout=60)")
        try:
            child.answer()
        except BaseException as error:
            error.__traceback__ = None
            raise
    assert receiver.receive(timeout=60) == "from a child"


def _open_elsewhere(stage):
    """Open a link in a new interpreter, by its address alone."""
    _sender, receiver = stage.ends()
    with stage.carrier.unrelated() as stranger:
        stranger.do(f"end = {stage.kind.opener}({stage.address!r})")
        stranger.do("end.send('from a stranger')")
    assert receiver.receive(timeout=60) == "from a stranger"


def _reserve_memory(stage):
    """Send more than the reserved memory can ever hold."""
    sender, _ = stage.ends(memory=1 << 16)
    with pytest.raises(TooLarge):
        sender.send(bytes(1 << 20), timeout=0)


TRIES = {"fork": _use_in_a_child, "unrelated": _open_elsewhere, "memory": _reserve_memory}
MAILBOXES = [
    pytest.param((KINDS["mailbox"], CARRIERS[name]), feature, id=f"{name}: {feature}")
    for name in KINDS["mailbox"].carriers
    for feature in carriers.FEATURES
]


@pytest.mark.parametrize(("stage", "feature"), MAILBOXES, indirect=["stage"])
def test_what_a_carrier_has_and_has_not(stage, feature):
    """What a carrier has works; what it has not raises the error that its table says."""
    error = stage.carrier.lacks.get(feature)
    if error is None:
        TRIES[feature](stage)
    else:
        with pytest.raises(error):
            TRIES[feature](stage)
