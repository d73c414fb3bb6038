"""Pipes: what only they promise; nobody else can open them, and they are read as files are."""

import io

import pytest

from liaison import AccessDenied, Busy, Closed, DecodeError, Empty, NotFound
from tests.conformance.kinds import on

on_pipes = on(kinds=["pipe"])
on_all_pipes = on(kinds=["pipe", "named pipe", "named pipe, its opener's"])
on_named_pipes = on(kinds=["named pipe", "named pipe, its opener's"])


@on_pipes
def test_nobody_else_can_open_it(stage, space):
    """A pipe has no name, and no file anywhere: nobody else can open it."""
    sender, receiver = stage.ends()
    assert receiver.link.name == ""
    assert space.files("names") == space.files("links") == []
    with pytest.raises(NotFound):
        type(sender).inherit("shm:1000:1001:0:default:/nowhere")


@on_pipes
def test_it_is_for_a_process_and_those_it_starts(stage):
    """A pipe is for a process and those it starts: `established` is "inherited"."""
    receiver, there = stage.other_sends()
    there.do("end.send(end.link.established)")
    assert receiver.receive(timeout=60) == "inherited"
    assert receiver.link.direction == "one-way"


@on_pipes
def test_each_end_does_one_thing(stage):
    """A pipe is one way: its reader cannot send, nor its writer receive, which is AccessDenied."""
    sender, receiver = stage.ends()
    sending = (
        lambda: receiver.send(1),
        lambda: receiver.try_send(1),
        lambda: receiver.send_many([1]),
        lambda: receiver.loan(1),
    )
    receiving = (
        sender.receive,
        sender.try_receive,
        lambda: sender.receive_many(2),
        sender.lease,
        lambda: next(iter(sender)),
        sender.fileno,
    )
    for uses, can in ((sending, "receive"), (receiving, "send")):
        for use in uses:
            with pytest.raises(AccessDenied, match=f"only {can}"):
                use()
    assert receiver.try_receive() is None


@on_all_pipes
def test_the_end_of_file_comes_when_the_other_process_has_ended(stage):
    """End of file as users know it: a process that is killed has ended, after what it sent."""
    receiver, there = stage.other_sends()
    there.do("end.write(b'first\\nlast')")
    there.kill()
    assert receiver.readline() == b"first\n"
    assert receiver.read() == b"last"
    assert receiver.read() == b""
    with pytest.raises(EOFError):
        receiver.receive(timeout=60)


@on_all_pipes
def test_a_pipe_is_broken_when_the_other_process_has_ended(stage, beside):
    """Broken pipe as users know it: a sender that waits for room learns it."""
    sender, there = stage.other_receives(capacity=1)
    sender.send("fills it")
    waiting = beside(sender.send, 1)
    there.kill()
    with pytest.raises(BrokenPipeError):
        waiting.result()


@on_all_pipes
def test_bytes_are_read_and_written_as_with_a_file(stage):
    """`read`, `readline` and `write` of bytes as a file: where a message ends does not show."""
    sender, receiver = stage.ends()
    assert sender.write(b"one\ntw") == 6
    sender.writelines([b"o\n", b"rest"])
    sender.close()
    assert receiver.readline() == b"one\n"
    assert receiver.readline() == b"two\n"
    assert receiver.read(2) == b"re"
    assert receiver.read() == b"st"


@on_pipes
def test_bytes_travel_as_they_are(stage):
    """What is written arrives as it is, whatever the codec of messages."""
    sender, receiver = stage.ends(codec="pickle")
    sender.write(b"one\n")
    sender.writelines([bytearray(b"two\n"), memoryview(b"three")])
    sender.close()
    assert receiver.readline() == b"one\n"
    assert receiver.read() == b"two\nthree"


@on_all_pipes
def test_no_bytes_are_read_from_a_closed_end(stage):
    """Reading from an end that was closed, and writing to one, is Closed."""
    sender, receiver = stage.ends()
    writer = receiver if "both ways" in stage.has else sender
    writer.close()
    receiver.close()
    for use in (receiver.read, receiver.readline, lambda: writer.write(b"1")):
        with pytest.raises(Closed):
            use()


@on(kinds=["pipe", "named pipe", "named pipe, its opener's"], in_tasks=False)
def test_what_reads_files_reads_it(stage):
    """It can be given to what reads files, as those of Python's io."""
    sender, receiver = stage.ends()
    sender.write(b"one\ntwo")
    sender.close()
    with io.BufferedReader(receiver) as file:
        assert file.readlines() == [b"one\n", b"two"]


@on_named_pipes
def test_a_named_pipe_has_two_sides(stage):
    """A named pipe is between two processes: a third is Busy, and harms neither."""
    receiver, there = stage.other_sends()
    with pytest.raises(Busy):
        stage.other(f"NamedPipe({stage.address!r})")
    there.do("end.send('still here')")
    assert receiver.receive(timeout=60) == "still here"


@on_pipes
def test_each_copy_of_an_end_is_an_end(stage):
    """As users know pipes: the end of file comes when the last process has closed its copy."""
    sender, there = stage.other_receives()
    another = stage.other(end=sender)
    sender.send("from here")
    sender.close()
    assert there.do("end.receive(timeout=60)") == "from here"
    with pytest.raises(Empty):
        there.do("end.receive(timeout=0)")
    another.do("end.send('from another')")
    another.kill()
    assert there.do("end.receive(timeout=60)") == "from another"
    assert there.do("list(end)") == []  # an EOFError would end that process


@on_pipes
def test_the_end_of_file_waits_for_what_may_come_back(stage):
    """What another process has leased is not received yet: when that is killed, it comes here."""
    receiver, there = stage.other_sends()
    another = stage.other(end=receiver)
    there.do("end.send('held')")
    another.do("delivery = end.lease(timeout=60)")
    there.do("end.close()")
    with pytest.raises(Empty):
        receiver.receive(timeout=0)
    assert stage.wait([receiver], timeout=0) == []
    another.kill()
    with receiver.lease(timeout=60) as delivery:
        assert (delivery.message, delivery.attempt) == ("held", 2)
    with pytest.raises(EOFError):
        receiver.receive(timeout=60)


@on_all_pipes
def test_reading_waits_for_no_more_than_is_asked_for(stage, beside):
    """`read(n)` returns when it has n bytes, and waits for them, though more may come."""
    receiver, there = stage.other_sends()
    there.do("end.write(b'one')")
    reading = beside(receiver.read, 5)
    there.do("end.write(b'two')")
    assert reading.result() == b"onetw"
    assert beside(receiver.read, 1).result() == b"o"


@on_all_pipes
def test_what_was_read_in_part_is_the_next_message(stage):
    """Bytes that a `read` has left are what the next `receive` gives; `read` takes only bytes."""
    receiver, there = stage.other_sends()
    there.do("end.write(b'the first line\\nthe rest')")
    assert receiver.readline() == b"the first line\n"
    assert receiver.receive(timeout=0) == b"the rest"
    there.do("end.send(['no', 'bytes'])")
    with pytest.raises(DecodeError) as raised:
        receiver.read(1)
    assert raised.value.payload == b"\x92\xa2no\xa5bytes"


@on_named_pipes
def test_what_is_sent_before_the_other_side_comes_waits(stage):
    """A named pipe holds what is sent before the other side comes; who receives waits, too."""
    end = stage.keep(stage.carrier.names["NamedPipe"]("early", capacity=2))
    assert end.send_many(range(3), timeout=0) == 2
    with pytest.raises(Empty):
        end.receive(timeout=0)
    there = stage.other("end = NamedPipe('early')")
    assert there.do("end.receive_many(5, timeout=60)") == [0, 1]
    there.do("end.send('and back')")
    assert end.receive(timeout=60) == "and back"


@pytest.mark.parametrize("how", ["kill()", "do('end.close()')"])
@on_named_pipes
def test_a_pipe_that_is_over_is_not_met_again(stage, how):
    """Who opens the name of a named pipe that is over begins a new one, with nothing in it."""
    mine, there = stage.other_sends()
    mine.send("never received")
    there.do("end.send('last words')")
    eval(f"there.{how}", {"there": there})
    with stage.carrier.names["NamedPipe"](stage.address) as anew:
        other = stage.other(f"end = NamedPipe({stage.address!r})")
        assert other.do("end.try_receive()") is None
        other.do("end.send('hello')")
        assert anew.receive(timeout=60) == "hello"
        assert mine.receive(timeout=60) == "last words"
        with pytest.raises(EOFError):
            mine.receive(timeout=60)
        with pytest.raises(BrokenPipeError):
            mine.send(1)


@on_named_pipes
def test_what_one_process_opens_is_one_side(stage):
    """All ends of a process are one side, which lasts until the last of them is closed."""
    mine, there = stage.other_sends()
    second = stage.keep(stage.carrier.names["NamedPipe"](stage.address))
    mine.send("from the one")
    second.send("from the other")
    mine.close()
    with pytest.raises(Busy):
        stage.other(f"NamedPipe({stage.address!r})")
    assert there.do("[end.receive(timeout=60) for _ in range(2)]") == [
        "from the one",
        "from the other",
    ]
    there.do("end.send('hello')")
    assert second.receive(timeout=60) == "hello"
    second.close()
    assert there.do("list(end)") == []  # an EOFError would end that process
