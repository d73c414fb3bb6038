"""Pipes: messages one way, who has an end of one, and its end."""

import multiprocessing
import os
import pickle
import select
import signal
import subprocess
import sys

import pytest

import liaison
from liaison import Disconnected, Empty, Ended, Mismatch, NotFound
from liaison.testing import until
from tests.beside import Beside
from tests.descriptors import descriptors
from tests.links.actor import Actor

CHILD = [sys.executable, "-c"]


@pytest.fixture
def pipe(space):
    """Make pipes whose ends are closed after the test."""
    ends = []

    def make(**options):
        made = liaison.pipe(**options)
        ends.extend(made)
        return made

    yield make
    for end in ends:
        end.close()


def forked(*lines, **ends):
    """An actor with the ends, which are closed here as they would be by whoever forks."""
    actor = Actor(*lines, fork=True, **ends)
    for end in ends.values():
        end.close()
    return actor


# ---- messages


def test_a_pipes_link(pipe):
    """`link` has the processes at both ends, the capacity and the size, and no name."""
    reader, writer = pipe(capacity=7)
    writer.send(1)
    reader.receive()
    for link in (reader.link, writer.link):
        assert (link.name, link.capacity) == ("", 7)
        assert link.bytes > 0
        assert [peer.pid for peer in (*link.senders, *link.receivers)] == [os.getpid()] * 2
    assert reader.address in repr(reader)


def test_ends_are_made_by_pipe_alone():
    """PipeReader() and PipeWriter() are TypeErrors that name pipe()."""
    for kind in (liaison.PipeReader, liaison.PipeWriter):
        with pytest.raises(TypeError, match="pipe"):
            kind()


# ---- nobody else


def test_it_has_no_name(space):
    """A pipe's memory is a memfd of mode 0600, and the space lists no link."""
    reader, writer = liaison.pipe()
    with reader, writer:
        writer.send(1)
        memory, _token = reader.pass_fds
        where = os.readlink(f"/proc/self/fd/{memory}")
        assert where.startswith("/memfd:")
        assert os.fstat(memory).st_mode & 0o777 == 0o600
        assert liaison.Space().links() == []


def test_its_memory_cannot_be_cut_off(pipe):
    """A process that has an end cannot take the pages from another process."""
    reader, _writer = pipe()
    for size in (0, 1 << 40):
        with pytest.raises(PermissionError):
            os.ftruncate(reader.pass_fds[0], size)


def test_nothing_is_left_of_it(space):
    """All its descriptors and mappings are gone when both ends are closed."""
    liaison.Mailbox("warm").destroy()  # what a process keeps of a space is there already

    def held():
        with open("/proc/self/maps") as maps:
            return descriptors(), sum("memfd:liaison" in line for line in maps)

    before = held()
    for _ in range(3):
        reader, writer = liaison.pipe()
        writer.send(1)
        assert held() != before
        reader.close()
        writer.close()
    assert held() == before


def test_descriptors_do_not_survive_exec(pipe):
    """A program that was not given an end has none, so it does not keep the pipe open."""
    reader, writer = pipe()
    program = "import sys; sys.stdin.read()"
    with subprocess.Popen([*CHILD, program], stdin=subprocess.PIPE, close_fds=False) as child:
        writer.close()
        with pytest.raises(Ended):
            reader.receive()
        child.stdin.close()


# ---- its end


def test_the_end_counts_what_was_received(pipe):
    """Ended, which leases raise as well, has how many messages were received."""
    reader, writer = pipe()
    writer.send_many(range(3))
    writer.close()
    assert list(reader) == [0, 1, 2]
    for attempt in (reader.receive, reader.lease):
        with pytest.raises(Ended) as caught:
            attempt()
        assert caught.value.received == 3


def test_a_broken_pipe_counts_what_was_received(pipe):
    """Disconnected has how many messages were sent, and how many of them were received."""
    reader, writer = pipe()
    writer.send_many(range(3))
    reader.receive()
    reader.close()
    for attempt in (lambda: writer.send(3), lambda: writer.try_send(3), lambda: writer.loan(1)):
        with pytest.raises(Disconnected) as caught:
            attempt()
        assert (caught.value.sent, caught.value.confirmed) == (3, 1)
    with pytest.raises(Disconnected):
        writer.write(b"more")


ENDS = ["close", "exit", "kill", "exec"]


def end(actor, name, how):
    """End the actor's end of that name."""
    if how == "kill":
        actor.kill()
    elif how == "exit":
        actor.start("import os; os._exit(0)")
    elif how == "exec":
        actor.start("import os; os.execvp('sleep', ['sleep', '3600'])")
    else:
        actor.do(f"{name}.close()")


@pytest.mark.parametrize("how", ENDS)
def test_a_reader_that_sleeps_learns_of_the_end(pipe, how):
    """A reader that sleeps gets Ended however the last writer ended."""
    reader, writer = pipe()
    with forked("writer.send(b'last')", writer=writer) as other:
        assert reader.receive() == b"last"
        waiting = Beside(reader.receive)
        until(lambda: reader.statistics().receivers_waiting == 1, "it sleeps")
        end(other, "writer", how)
        with pytest.raises(Ended):
            waiting.result()


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("call", ["send(1)", "loan(1)", "send_many([1])", "write(b'1')"])
def test_a_writer_that_sleeps_learns_of_the_end(pipe, how, call):
    """A writer that sleeps gets Disconnected however the last reader ended."""
    reader, writer = pipe(capacity=1)
    with forked("reader.link", reader=reader) as other:
        writer.send(0)
        waiting = Beside(eval, f"writer.{call}", {"writer": writer})
        until(lambda: writer.statistics().senders_waiting == 1, "it sleeps")
        end(other, "reader", how)
        with pytest.raises(Disconnected):
            waiting.result()


@pytest.mark.parametrize("how", ENDS)
def test_a_descriptor_is_readable_at_the_end(pipe, how):
    """fileno() is readable, and liaison.wait returns the reader, however the last writer ended."""
    reader, writer = pipe()
    with forked("writer.link", writer=writer) as other:
        assert liaison.wait([reader], timeout=0) == []
        end(other, "writer", how)
        assert liaison.wait([reader], timeout=60) == [reader]
        assert select.select([reader.fileno()], [], [], 60)[0]
        with pytest.raises(Ended):
            reader.receive(timeout=0)


def test_the_end_ends_the_wait_for_a_receipt(pipe):
    """Waiting for a receipt that nobody can complete any more is Disconnected."""
    reader, writer = pipe()
    with forked("reader.link", reader=reader) as other:
        receipt = writer.send(1, receipt=True)
        other.kill()
        with pytest.raises(Disconnected):
            receipt.wait_received(timeout=60)


def test_a_killed_writer_leaves_whole_messages_only(pipe):
    """A message that a killed writer was still writing is not received, and takes no room."""
    reader, writer = pipe(capacity=2)
    lines = ["writer.send(b'whole')", "loan = writer.loan(1000)", "loan[:3] = b'tor'"]
    with forked(*lines, writer=writer) as other:
        other.kill()
        assert list(reader) == [b"whole"]
    reader, writer = pipe()
    with forked(writer=writer) as other:
        other.start("while True: writer.send(bytes([7]) * 300_000)")
        assert reader.receive() == bytes([7]) * 300_000
        other.kill()
        assert set(reader) <= {bytes([7]) * 300_000}


def test_a_stopped_writer_is_not_dead(pipe):
    """A writer that is stopped has not ended."""
    reader, writer = pipe()
    with forked("writer.link", writer=writer) as other:
        other.stop()
        with pytest.raises(Empty):
            reader.receive(timeout=0.05)
        other.resume()
        other.do("writer.send(1)")
        assert reader.receive(timeout=60) == 1


def test_a_receipt_does_not_keep_a_closed_end_open(pipe):
    """Neither a receipt nor a view of a delivery keeps an end open that was closed."""
    reader, writer = pipe()
    receipt = writer.send(b"x", receipt=True)
    view = memoryview(reader.lease())
    writer.close()
    reader.close()
    assert receipt.state == "received"
    view.release()
    reader, writer = pipe()
    receipt = writer.send(1, receipt=True)
    writer.close()
    assert list(reader) == [1]
    assert receipt.state == "acknowledged"


# ---- children


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_multiprocessing_child_has_what_it_is_given(space, method):
    """Either end can be an argument of a multiprocessing.Process, by each start method."""
    context = multiprocessing.get_context(method)
    there, orders = liaison.pipe()
    results, back = liaison.pipe()
    unused = (orders, results) if method == "fork" else ()  # of which a forked child has copies
    process = context.Process(target=double, args=(there, back, unused))
    process.start()
    there.close()
    back.close()
    with orders, results:
        orders.send_many(range(5))
        orders.close()
        assert list(results) == [0, 2, 4, 6, 8]
    process.join(60)
    assert process.exitcode == 0


def double(orders, results, unused):
    for end in unused:
        end.close()
    for number in orders:
        results.send(number * 2)


def test_an_end_travels_to_a_process_that_runs(space):
    """An end can be put into a queue of multiprocessing, as its own connections can."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=send_on_what_comes, args=(queue,))
    process.start()
    reader, writer = liaison.pipe()
    with reader:
        queue.put(writer)
        assert reader.receive(timeout=60) == "came"
        writer.close()
        assert list(reader) == []
    process.join(60)
    queue.close()


def send_on_what_comes(queue):
    with queue.get() as writer:
        writer.send("came")


def test_a_program_is_given_an_end_by_pass_fds(space):
    """A program that is given `pass_fds` and `handle` of an end opens it with inherit()."""
    orders, there = liaison.pipe()
    program = (
        "import os, liaison\n"
        "with liaison.PipeWriter.inherit(os.environ['THERE']) as there:\n"
        "    there.send_many(['one', {'two': 2}])\n"
    )
    receiving = (
        "import sys, liaison\n"
        "with liaison.PipeReader.inherit(sys.argv[1]) as orders:\n"
        "    print(list(orders))\n"
    )
    with orders, there:
        first = subprocess.Popen(
            [*CHILD, program], pass_fds=there.pass_fds, env={**os.environ, "THERE": there.handle}
        )
        second = subprocess.Popen(
            [*CHILD, receiving, orders.handle], pass_fds=orders.pass_fds, stdout=subprocess.PIPE
        )
    assert second.communicate(timeout=60)[0] == b"['one', {'two': 2}]\n"
    assert first.wait(60) == 0


def test_a_child_finds_the_space_wherever_its_environment_points(space, monkeypatch):
    """The handle has the space of the pipe, whatever LIAISON_ROOT of the child is."""
    reader, writer = liaison.pipe()
    program = "import sys, liaison; liaison.PipeWriter.inherit(sys.argv[1]).send('found')"
    environment = {**os.environ, "LIAISON_ROOT": str(space.root / "elsewhere")}
    with reader, writer:
        subprocess.run(
            [*CHILD, program, writer.handle],
            pass_fds=writer.pass_fds,
            env=environment,
            check=True,
            timeout=60,
        )
        assert reader.receive(timeout=0) == "found"


def test_an_end_inherited_twice_is_one_end(pipe):
    """Ends of one process share the descriptors, which close with the last of them."""
    reader, writer = pipe()
    again = liaison.PipeWriter.inherit(writer.handle)
    writer.close()
    again.send(1)
    assert reader.receive() == 1
    again.close()
    with pytest.raises(Ended):
        reader.receive()


@pytest.mark.parametrize("space", ["nats://host", "lab", "memory://somewhere"])
def test_there_are_pipes_whatever_bare_names_mean(pipe, monkeypatch, space):
    """Where the current space's carrier has no pipes, they are in this machine's shared memory."""
    monkeypatch.setenv("LIAISON_SPACE", space)
    reader, writer = pipe()
    writer.send("tea")
    assert reader.receive(timeout=60) == "tea"
    assert reader.link.carrier == ("memory" if space.startswith("memory") else "shm")


def test_what_is_no_end_is_refused(pipe):
    """The other kind of end, descriptors of something else, and what is no handle are refused."""
    reader, writer = pipe()
    with pytest.raises(Mismatch):
        liaison.PipeReader.inherit(writer.handle)
    place = reader.handle.split(":", 3)[3]
    zero, null = os.open("/dev/zero", os.O_RDONLY), os.open("/dev/null", os.O_RDONLY)
    memory, token = reader.pass_fds
    for one, two in ((9999, 9998), (zero, null), (memory, null), (zero, token), (memory, memory)):
        with pytest.raises(NotFound, match="pass_fds"):
            liaison.PipeReader.inherit(f"shm:{one}:{two}:{place}")
    for descriptor in (zero, null):
        os.close(descriptor)  # they were not taken
    for text in ("", "1:2", "a:b:c:d:e", "shm:1:2"):
        with pytest.raises(ValueError, match="handle"):
            liaison.PipeReader.inherit(text)
    writer.send(1)
    assert reader.receive() == 1


def test_another_pipes_token_is_refused(pipe):
    """Descriptors of two pipes are no end together."""
    reader, _ = pipe()
    other, _ = pipe()
    place = reader.handle.split(":", 3)[3]
    with pytest.raises(NotFound):
        liaison.PipeReader.inherit(f"shm:{reader.pass_fds[0]}:{other.pass_fds[1]}:{place}")


def test_a_pickled_end_is_the_same_end(pipe):
    """An end can be pickled though no process is being started; the copy is an end of its own."""
    reader, writer = pipe()
    with pickle.loads(pickle.dumps(writer)) as copy:
        copy.send(1)
        assert reader.receive() == 1


def test_whoever_closes_all_descriptors_ends_its_ends(pipe):
    """A daemon that closes all descriptors has ended, and closing then harms no newer file."""
    reader, writer = pipe()
    with forked("import os", writer=writer) as other:
        other.do("memory, token = writer.pass_fds; os.close(memory); os.close(token)")
        with pytest.raises(Ended):
            reader.receive(timeout=60)
        other.do("files = [os.open('/dev/null', os.O_RDONLY) for _ in range(8)]")
        other.do("writer.close()")
        assert other.do("[os.fstat(file).st_mode for file in files]")


def test_all_is_delivered_while_writers_are_killed(pipe):
    """Every message whose send returned arrives exactly once, through ten killed writers."""
    reader, writer = pipe(capacity=64)
    sent = []
    for round_ in range(10):
        with Actor(fork=True, writer=writer) as other:
            if round_ == 0:
                receiving = Beside(list, reader)
            other.start(
                f"for number in range(10**9): writer.send(({round_}, number)); last = number; "
                "point('sent', number) if number % 50 == 0 else None"
            )
            sent.append([other.reach("sent") for _ in range(3)][-1])
            os.kill(other.pid, signal.SIGKILL)
    writer.close()
    received = receiving.result()
    for round_, returned in enumerate(sent):
        numbers = [number for which, number in received if which == round_]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > returned
