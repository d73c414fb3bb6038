"""Dead letters of a port: what its receiver has not acknowledged when it ends."""

import os
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

import liaison
from liaison import Destroyed, Full, Mailbox, NotFound, Port, Space
from liaison._native.link import end_of
from liaison._native.orphan import Orphan
from liaison.address import Address
from liaison.carriers.shm import space as shm
from liaison.cli import main
from liaison.testing import Process, point, until
from tests.links.actor import Actor

OPEN = "port = Port.open('port')"
CREATE = "port = Port('port', capacity=4, dead_letters='dead')"


def letters(mailbox):
    """The mailbox of the dead letters."""
    return mailbox("dead", capacity=1 << 18)


def everything(box):
    """Receive all that waits in the mailbox."""
    return box.receive_many(1 << 18) if len(box) else []


def leave(*messages, create=CREATE):
    """Have a receiver be killed that was sent these messages, with nobody to notice."""
    with Actor(create) as receiver:
        receiver.do(f"with Port.open('port') as sender: sender.send_many({messages!r})")
        receiver.kill()


@pytest.mark.parametrize("end", ["kill", "port.close()", "port.destroy()", "del port"])
def test_undelivered_messages_go_there(mailbox, end):
    """However the receiver ends, what it leased and what it never received go there, in order."""
    dead = letters(mailbox)
    with Actor(CREATE) as receiver, Port.open("port") as sender:
        receipts = [sender.send(number, receipt=True) for number in range(4)]
        assert receiver.do("port.receive()") == 0
        if end in ("kill", "port.close()"):
            receiver.do("held = port.lease()")
        receiver.kill() if end == "kill" else receiver.do(end)
        more = []
        # What is sent until its death is noticed goes there, too.
        with suppress(Destroyed):
            while sender.send("more") is None:
                more.append("more")
        assert everything(dead) == [1, 2, 3, *more]
        assert [receipt.state for receipt in receipts] == ["acknowledged"] + ["dead-lettered"] * 3
        with pytest.raises(NotFound):
            Port.open("port")


def test_payloads_arrive_as_they_were_sent(mailbox):
    """Dead letters of any size and kind arrive unchanged: in a place, in the arena, encoded."""
    dead = letters(mailbox)
    messages = [b"", b"x" * 100_000, {"a": [1, None]}, "text"]
    with Actor(CREATE) as receiver, Port.open("port") as sender:
        sender.send_many(messages)
        receiver.kill()
    with pytest.raises(NotFound):
        Port.open("port")
    assert everything(dead) == messages


def test_a_sender_that_waits_moves_them(mailbox):
    """A sender that waits at a full port notices the death, moves the messages, gets Destroyed."""
    dead = letters(mailbox)
    with Actor(CREATE) as receiver, Actor(OPEN) as sender:
        sender.do("port.send_many(range(4))")
        receiver.do("delivery = port.lease()")
        sender.start("port.send('more')")
        until(sender.asleep, "it sleeps")
        receiver.kill()
        with pytest.raises(Destroyed):
            sender.answer()
        assert everything(dead) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "use", ["Port('port').close()", "Port.open('port')", "Space().clean()", "main(['clean'])"]
)
def test_the_next_user_moves_them(mailbox, use, capfd):
    """If nobody notices the receiver's death, the next receiver, sender or cleaner moves them."""
    dead = letters(mailbox)
    leave(1, 2)
    assert len(dead) == 0
    with suppress(NotFound, SystemExit):
        eval(use, {**vars(liaison), "main": main})
    assert everything(dead) == [1, 2]
    assert "port" not in Space().names()


def test_without_dead_letters_they_end_with_it(space):
    """Without dead_letters= messages are lost with the port, which a cleaner removes."""
    leave(1, 2, create="port = Port('port')")
    Space().clean()
    assert space.files("names") == []


def test_full_dead_letters_lose_nothing(mailbox):
    """What finds no room stays in the port, and creating it anew is Full until there is room."""
    dead = mailbox("dead", capacity=2)
    leave(1, 2, 3, 4)
    with pytest.raises(Full, match="dead"):
        Port("port")
    with pytest.raises(NotFound):
        Port.open("port")
    assert [dead.receive(), dead.receive()] == [1, 2]
    Port("port").close()
    assert [dead.receive(), dead.receive()] == [3, 4]


def test_force_gives_them_up(mailbox):
    """Destroying the port by force removes those that find no room."""
    mailbox("dead", capacity=1)
    leave(1, 2, 3, 4)
    with Port.observe("port") as left:
        left.destroy(force=True)
    Port("port").close()


def test_a_process_may_die_while_it_moves_them(mailbox):
    """A message that was forwarded and not yet removed is there twice, and none is lost."""
    dead = letters(mailbox)
    leave(1, 2, 3, 4)
    with Process(dies_moving) as mover:
        mover.reach("forwarded")
        mover.kill()
    Port("port").close()
    assert everything(dead) == [1, 2, 2, 3, 4]


def dies_moving():
    where = Address.parse("port")
    dead = Mailbox("dead")
    moved = []

    def forward(format, payload):
        end_of(dead).forward(format, payload)
        moved.append(payload)
        if len(moved) == 2:
            point("forwarded", wait=True)

    Orphan(shm.open_space(where), "port", str(where)).move(forward)


def test_only_one_moves_them_at_a_time(mailbox):
    """While a process moves them the port is NotFound and its name Busy; none is doubled."""
    dead = letters(mailbox)
    leave(1, 2, 3, 4)
    with Process(dies_moving) as mover:
        mover.reach("forwarded")
        with pytest.raises(NotFound):
            Port.open("port")
        with pytest.raises(liaison.Busy):
            Port("port")
        mover.go_on()
        mover.result()
    assert everything(dead) == [1, 2, 3, 4]


def test_a_message_too_often_delivered_goes_there_too(mailbox):
    """max_deliveries works as with a mailbox, and NAME.dead is the default of dead_letters."""
    dead = letters(mailbox)
    with Port("port", max_deliveries=1, dead_letters="dead") as port:
        with Port.open("port") as sender:
            sender.send_many(["poison", "good"])
        port.lease().release()
        assert everything(dead) == ["poison"]
        assert port.receive() == "good"
    with Port("port", max_deliveries=5) as port:
        assert port.link.dead_letters.endswith("/port.dead")


# ---- a hundred deaths, counted

ROUNDS = 100


def receives(log):
    """Receive until killed, and record each message before and after acknowledging it."""
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    port = Port("port", capacity=32, dead_letters="dead")
    point("ready")
    while True:
        with port.lease() as delivery:
            who, number = delivery.message
            os.write(out, f"received {who} {number}\n".encode())
        os.write(out, f"acknowledged {who} {number}\n".encode())


def sends(log, who):
    """Send to whatever receiver there is, until killed, and record what was accepted."""
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    number = 0
    while True:
        try:
            with Port.open("port") as port:
                while True:
                    port.send((who, number))
                    os.write(out, f"accepted {who} {number}\n".encode())
                    number += 1
        except (NotFound, Destroyed):
            number += 1  # this one may or may not have arrived


def words(path, verb):
    if not path.exists():
        return []
    return [
        line[len(verb) + 1 :] for line in path.read_text().splitlines() if line.startswith(verb)
    ]


@pytest.mark.parametrize("movers_die", [False, True], ids=["receivers die", "movers die as well"])
def test_a_hundred_killed_receivers_lose_nothing(mailbox, tmp_path, movers_die):
    """Every accepted message was received and acknowledged, or is in the dead letters."""
    dead = letters(mailbox)
    chance = random.Random(1)
    logs = [tmp_path / f"receiver{n}" for n in range(ROUNDS)]
    sent = [tmp_path / f"sender{n}" for n in range(3 * ROUNDS)]
    names = iter(range(len(sent)))

    def sender():
        number = next(names)
        return Process(sends, str(sent[number]), number, fork=True)

    senders = [sender() for _ in range(3)]
    try:
        for log in logs:
            with Process(receives, str(log), fork=True) as receiver:
                receiver.reach("ready")
                wanted = chance.randrange(1, 4000)
                until(
                    lambda log=log, n=wanted: log.exists() and log.stat().st_size > n, "it receives"
                )
                if chance.random() < 0.5:
                    receiver.stop()  # so that the port is full and its senders blocked
                    until(lambda: waits() == 3, "all senders wait")
                receiver.kill()
                if movers_die and chance.random() < 0.5:
                    with senders.pop(chance.randrange(3)):
                        pass
                    senders.append(sender())
    finally:
        for one in senders:
            with one:
                pass
    with Port("port"):
        pass
    check(logs, sent, everything(dead), movers_die)


def waits():
    with Port.observe("port") as port:
        return port.statistics().senders_waiting


def check(logs: list[Path], sent: list[Path], dead, doubles):
    accepted = {word for path in sent for word in words(path, "accepted")}
    received = Counter(word for path in logs for word in words(path, "received"))
    acknowledged = {word for path in logs for word in words(path, "acknowledged")}
    moved = Counter(f"{who} {number}" for who, number in dead)
    assert min(len(acknowledged), len(moved)) > ROUNDS  # there was something to count
    assert accepted - set(received) - set(moved) == set()
    assert acknowledged & set(moved) == set()
    assert max(received.values()) == 1
    assert doubles or max(moved.values()) == 1
    settled = acknowledged | set(moved)
    for path in logs:
        # Acknowledged, and killed before it could write so: one at most, and the last.
        known = words(path, "received")
        assert [word for word in known if word not in settled] in ([], known[-1:])


@pytest.mark.parametrize(
    "make", [Mailbox, Mailbox.create, liaison.MessageQueue, liaison.MessageQueue.create]
)
def test_its_name_is_free_for_any_kind_of_link(space, make):
    """A new link takes the name of a port that has ended, and its dead letters are moved first."""
    leave("left")
    with make("port") as fresh:
        assert len(fresh) == 0
        fresh.destroy()
    with Mailbox("dead") as dead:
        assert dead.receive(timeout=0) == "left"
        dead.destroy(force=True)


def test_its_name_is_free_for_those_who_open_it(space):
    """Opening a port that has ended as another kind of link is NotFound."""
    leave()
    with pytest.raises(NotFound):
        Mailbox.open("port")
