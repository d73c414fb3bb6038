"""A process forks, executes, closes its descriptors, ends its main thread, or is a zombie."""

import fcntl
import os
import select
import signal
import termios
import threading

import pytest

import liaison
from liaison import Empty, LeaseLost, Mailbox
from liaison.testing import Process
from tests.links.actor import Actor
from tests.links.attempts import attempts


def test_a_child_of_a_threaded_process_works(mailbox):
    """Forking while other threads send and receive leaves the child a working end."""
    box, other = mailbox(capacity=4), mailbox("other")
    go_on = True

    def works():
        while go_on:
            box.send(1)
            box.receive()

    threads = [threading.Thread(target=works) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            with Process(_sends_and_receives, fork=True) as child:
                child.result()
    finally:
        go_on = False
        for thread in threads:
            thread.join(60)
    assert len(other) == 0


def _sends_and_receives():
    with Mailbox("box") as box, Mailbox("other") as other:
        for number in range(50):
            other.send(number)
            assert other.receive() == number
            box.send(1)
            box.receive()


def test_a_grandchild_works_too(mailbox):
    """Each generation of forked children is a process of its own."""
    mailbox()
    with Process(_forks, 3, fork=True) as child:
        assert len(set(child.result())) == 4


def _forks(generations):
    box = Mailbox("box")
    box.send(os.getpid())
    if generations:
        with Process(_forks, generations - 1, fork=True) as child:
            return child.result()
    return box.receive_many(10)


def test_a_process_that_closes_all_descriptors_stays_a_member(mailbox):
    """A daemon that closes every descriptor keeps its leases, and goes on working."""
    box, there, back = mailbox(), mailbox("there"), mailbox("back")
    box.send_many(["first", "second"])
    with Process(_closes_everything) as daemon:
        assert back.receive(timeout=60) == "holding the first"
        assert box.receive(timeout=0) == "second"
        with pytest.raises(Empty):
            box.receive(timeout=0.1)
        assert daemon.pid in [peer.pid for peer in liaison.Space().members()]
        there.send("go on")
        assert back.receive(timeout=60) == "first"
        daemon.wait()
    assert box.statistics().free == 1024
    with pytest.raises(Empty):
        box.receive(timeout=0.1)


def _closes_everything():
    box, there, back = Mailbox("box"), Mailbox("there"), Mailbox("back")
    delivery = box.lease()
    os.closerange(0, 1024)
    back.send("holding the first")
    there.receive()
    message = delivery.message
    delivery.acknowledge()
    back.send(message)
    os._exit(0)


def test_a_daemons_descriptors_are_made_anew(mailbox):
    """After all descriptors were closed, fileno() gives one that works."""
    box, back = mailbox(), mailbox("back")
    with Process(_asks_again) as daemon:
        assert back.receive(timeout=60) == "waits"
        box.send("heard")
        assert back.receive(timeout=60) == "heard"
        daemon.wait()


def _asks_again():
    box, back = Mailbox("box"), Mailbox("back")
    box.fileno()
    os.closerange(3, 1024)
    own = [os.open("/dev/null", os.O_RDONLY) for _ in range(50)]
    box.try_receive()
    assert box.fileno() not in own
    back.send("waits")
    while (received := box.try_receive()) is None:  # it is also readable to look after the dead
        select.select([box], [], [], 60)
    back.send(received)
    box.close()
    assert all(os.path.samestat(os.fstat(fd), os.stat("/dev/null")) for fd in own)
    os._exit(0)


@pytest.mark.parametrize("kind", ["file", "fifo"])
def test_a_descriptor_that_became_another_file_s_is_not_written_to(mailbox, tmp_path, kind):
    """A sender's kept descriptors of doorbells are not used once they are other files."""
    box, back = mailbox(), mailbox("back")
    other = tmp_path / "other"
    if kind == "file":
        other.touch()
    else:
        os.mkfifo(other)
    box.fileno()  # senders make it readable from now on
    with Process(_has_other_files_at_its_descriptors, str(other)) as sender:
        for n in range(2):
            while (received := box.try_receive()) is None:
                select.select([box], [], [], 60)
            assert received == n
            assert box.try_receive() is None
            back.send("go on")
        sender.result()


def _has_other_files_at_its_descriptors(path):
    box, back = Mailbox("box"), Mailbox("back")
    box.send(0)
    back.receive()
    bells = [int(number) for number in os.listdir("/proc/self/fd") if _is_of_a_bell(number)]
    assert bells
    for bell in bells:
        other = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        os.dup2(other, bell)
        os.close(other)
    box.send(1)
    back.receive()
    written = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert fcntl.ioctl(written, termios.FIONREAD, bytes(4)) == bytes(4)  # there is nothing to read


def _is_of_a_bell(number):
    try:
        return "/bells/" in os.readlink(f"/proc/self/fd/{number}")
    except FileNotFoundError:
        return False


def test_a_process_whose_main_thread_ended_stays_a_member(mailbox):
    """A process lives as long as one of its threads does."""
    box, back = mailbox(), mailbox("back")
    box.send("job")
    with Process(_ends_its_main_thread) as other:
        assert back.receive(timeout=60) == "holding"
        with pytest.raises(Empty):
            box.receive(timeout=0.1)
        other.kill()
        assert box.lease(timeout=60).attempt == 2
    box.receive()


def _ends_its_main_thread():
    import ctypes

    def holds():
        delivery = Mailbox("box").lease()
        Mailbox("back").send("holding")
        threading.Event().wait()
        delivery.acknowledge()

    threading.Thread(target=holds).start()
    ctypes.CDLL(None).pthread_exit(None)


def test_exec_returns_leases(mailbox):
    """exec returns what the process had leased, as its death does."""
    box = mailbox()
    box.send("job")
    with Actor("box = Mailbox('box')", "held = box.lease()") as other:
        other.start("__import__('os').execvp('sleep', ['sleep', '1000'])")
        with box.lease(timeout=60) as delivery:
            assert delivery.attempt == 2
        assert other.alive


def test_a_zombie_is_dead(mailbox):
    """A killed process that was not waited for holds no lease."""
    box = mailbox()
    box.send("job")
    with Actor("box = Mailbox('box')", "held = box.lease()") as other:
        os.kill(other.pid, signal.SIGKILL)
        assert box.lease(timeout=60).attempt == 2
    box.receive()


def test_a_forked_child_has_leases_of_its_own(mailbox):
    """A lease by a child, through its parent's end, is the child's, and returns when it dies."""
    box = mailbox()
    box.send_many(range(2))
    delivery = box.lease()
    with Actor(fork=True, box=box) as child:
        assert child.do("[d := box.lease(), d.message][1]") == 1
        child.kill()
    assert box.lease(timeout=60).attempt == 2
    delivery.acknowledge()
    assert attempts(box) == [(1, 3)]


def test_a_child_that_ends_leaves_its_parents_leases(mailbox):
    """A forked child that drops objects, closes ends and exits settles no lease of its parent."""
    box = mailbox()
    box.send("job")
    delivery = box.lease()
    loan = box.loan(5)
    with Actor(fork=True, held={"box": box, "delivery": delivery, "loan": loan}) as child:
        child.do("held['box'].close()")
        child.do("held.clear()")
        child.do("__import__('gc').collect()")
    assert (box.statistics().leased, box.statistics().loaned) == (1, 1)
    assert bytes(delivery.view) == b"\xa3job"
    delivery.acknowledge()
    loan[:] = b"still"
    loan.send()
    assert box.receive() == b"still"


def test_a_parents_death_leaves_the_childs_leases(space):
    """The child of a process that was killed keeps its place, and its lease."""
    with (
        Actor("box = Mailbox('box')", "box.send_many(['theirs', 'mine'])") as parent,
        Mailbox.open("box") as box,
    ):
        parent.do("theirs = box.lease()")
        there, back = Mailbox("there"), Mailbox("back")
        parent.do(
            "def child(there=Mailbox('there'), back=Mailbox('back')):\n"
            "    delivery = box.lease()\n"
            "    message = delivery.message\n"
            "    back.send(os.getpid())\n"
            "    there.receive()\n"
            "    delivery.acknowledge()\n"
            "    back.send(message)\n"
            "    os._exit(0)\n"
            "import os\n"
            "if not os.fork(): child()"
        )
        back.receive(timeout=60)
        parent.kill()
        with box.lease(timeout=60) as delivery:
            assert (delivery.message, delivery.attempt) == ("theirs", 2)
        assert box.statistics().leased == 1
        there.send("go on")
        assert back.receive(timeout=60) == "mine"
        assert attempts(box) == []
        for one in (box, there, back):
            one.destroy()


def test_a_parents_loan_is_not_the_childs_to_send(mailbox):
    """send() in a forked child of its parent's loan raises LeaseLost."""
    box = mailbox()
    loan = box.loan(5)
    with Actor(fork=True, loan=loan) as child, pytest.raises(LeaseLost):
        child.do("loan.send()")
    loan[:] = b"mine!"
    loan.send()
    assert box.receive() == b"mine!"
