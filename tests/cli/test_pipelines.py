"""Real processes in real pipelines: no message is lost, and every command ends as Unix expects."""

import os
import subprocess
import sys

import pytest

from liaison.testing import PATIENCE, until

LIAISON = f"'{sys.executable}' -m liaison"


def shell(script):
    ran = subprocess.run(
        ["bash", "-c", f'liaison() {{ {LIAISON} "$@"; }}\n{script}'],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in ran.stderr
    return ran.stdout


def test_a_pipeline_goes_through_a_mailbox(lab):
    """Producer and consumer may start in any order."""
    script = """
        liaison receive jobs --follow --count 1000 | sort -n | tail -n 1 &
        seq 1000 | liaison send jobs -
        wait
    """
    assert shell(script) == "1000\n"


def test_bytes_go_through_a_mailbox_unchanged(lab):
    """A binary file is received as it was sent."""
    script = f"""
        head -c 3000000 /dev/urandom > "{lab.root}/blob"
        liaison send blob --whole < "{lab.root}/blob"
        liaison receive blob --raw | cmp - "{lab.root}/blob" && echo same
        rm "{lab.root}/blob"
    """
    assert shell(script) == "same\n"


def test_lines_are_sent_as_they_come(program, mailbox):
    """Each line is sent when it is read, before the input ends."""
    with mailbox("jobs") as box:
        sender = program("send", "jobs", "-")
        sender.stdin.write(b"first\n")
        sender.stdin.flush()
        assert box.receive(timeout=PATIENCE) == "first"
        sender.stdin.write(b"second\n")
        assert sender.end(0).err == ""
        assert box.receive(timeout=PATIENCE) == "second"


def test_messages_are_written_as_they_come(program, mailbox):
    """Each message is written when it is received."""
    with mailbox("jobs") as box:
        receiver = program("receive", "jobs", "--follow")
        for text in ("first\n", "second\n"):
            box.send(text.strip())
            assert receiver.stdout.readline() == text.encode()
        box.destroy()
        assert receiver.end(0).err == ""


def test_following_ends_when_the_mailbox_is_destroyed(program, mailbox, counts):
    """The code is 0."""
    with mailbox("jobs") as box:
        receiver = program("receive", "jobs", "--follow")
        counts(box, receivers_waiting=1)
        box.destroy()
    assert receiver.end(0).bytes == b""


def test_waiting_for_one_message_of_a_destroyed_mailbox_fails(program, mailbox, counts):
    """The code is 1, since the message cannot come any more."""
    with mailbox("jobs") as box:
        receiver = program("receive", "jobs")
        counts(box, receivers_waiting=1)
        box.destroy()
    assert "was destroyed" in receiver.end(1).err


@pytest.mark.parametrize("lines", [1, 3])
def test_what_head_does_not_read_stays(lab, lines):
    """`| head` ends the receiver, and every message after its lines is still there."""
    script = f"""
        seq 5 | liaison send jobs -
        liaison receive jobs --follow | head -n {lines}
        echo "codes ${{PIPESTATUS[*]}}"
        liaison peek jobs
    """
    numbers = [str(number) for number in range(1, 6)]
    assert shell(script).split("\n")[:-1] == [*numbers[:lines], "codes 141 0", *numbers[lines:]]


def test_other_commands_end_quietly_too_when_nobody_reads(program):
    """They print no traceback, and the code is that of SIGPIPE."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as output:
        assert program("--help", stdout=output).end(141).err == ""
        assert program("ls", "--json", stdout=output).end(141).err == ""


def test_an_idle_receiver_notices_that_nobody_reads(program, mailbox, counts):
    """It ends without taking a message."""
    with mailbox("jobs") as box:
        receiver = program("receive", "jobs", "--follow")
        counts(box, receivers_waiting=1)
        receiver.stdout.close()
        receiver.stdout = None
        assert receiver.end(141).err == ""
        assert box.statistics().taken == 0


@pytest.mark.parametrize("how", ["reader leaves", "kill", "terminate", "interrupt"])
def test_what_lies_unread_in_the_pipe_comes_back(program, mailbox, counts, how):
    """A message that was written but not read goes to the next receiver, as attempt 2."""
    with mailbox("jobs") as box:
        receiver = program("receive", "jobs", "--follow")
        box.send("job")
        counts(box, leased=1)
        if how == "reader leaves":
            receiver.stdout.close()
            receiver.stdout = None
        else:
            getattr(receiver, how)()
        # SIGTERM is not caught, so that the parent sees which signal ended the command.
        code = {"reader leaves": 141, "kill": -9, "terminate": -15, "interrupt": 130}[how]
        receiver.wait(PATIENCE)
        assert receiver.returncode == code
        with box.lease(timeout=PATIENCE) as delivery:
            assert (delivery.message, delivery.attempt) == ("job", 2)


def test_a_message_that_cannot_be_written_is_not_taken(program, mailbox):
    """On a full disk the code is 1, and the message stays."""
    with mailbox("jobs") as box, open("/dev/full", "wb") as full:
        box.send("job")
        result = program("receive", "jobs", stdout=full).end(1)
        assert result.err == "error: No space left on device\n"
        assert box.receive(timeout=PATIENCE) == "job"


def test_a_reader_that_reads_nothing_hinders_no_end(program, mailbox, counts):
    """The receiver ends when its mailbox is destroyed, although a message lies in the pipe."""
    with mailbox("jobs") as box:
        receiver = program("receive", "jobs", "--follow")
        box.send("job")
        counts(box, leased=1)
        box.destroy()
    assert receiver.wait(PATIENCE) == 0
    assert receiver.stdout.read() == b"job\n"


def test_counted_messages_need_no_reader(program, mailbox):
    """`receive --count` ends although its output is not read yet."""
    with mailbox("jobs") as box:
        box.send_many(["a", "b", "c"])
        receiver = program("receive", "jobs", "--count", 3)
        assert receiver.wait(PATIENCE) == 0
        assert receiver.stdout.read() == b"a\nb\nc\n"
        assert box.statistics().free == box.link.capacity


def test_two_receivers_share_the_work(program, mailbox):
    """Every message reaches exactly one receiver."""
    with mailbox("jobs") as box:
        both = [program("receive", "jobs", "--follow") for _ in range(2)]
        box.send_many(str(number) for number in range(500))
        got = [b"", b""]
        for receiver in both:
            os.set_blocking(receiver.stdout.fileno(), False)

        def all_read():
            for index, receiver in enumerate(both):
                got[index] += receiver.stdout.read() or b""
            return sum(part.count(b"\n") for part in got) == 500

        until(all_read, "both have received all")
        box.destroy()
        for receiver in both:
            assert receiver.wait(PATIENCE) == 0
    numbers = b"".join(got).split()
    assert sorted(map(int, numbers)) == list(range(500))


def test_an_exclusive_mailbox_is_waited_for(program, mailbox, counts):
    """The second receiver of an exclusive mailbox goes on when the first ends."""
    with mailbox("jobs", access="exclusive") as box:
        first = program("receive", "jobs", "--follow")
        box.send("a")
        assert first.stdout.readline() == b"a\n"
        second = program("receive", "jobs", "--follow")
        until(lambda: len(box.link.receivers) == 2, "the second one has come")
        first.kill()
        first.wait(PATIENCE)
        box.send("b")
        assert second.stdout.readline() == b"b\n"
        box.destroy()
        assert second.end(0).err == ""


# ---- Ctrl-C


def test_a_receiver_is_interrupted(program, mailbox, counts):
    """The code is 130, nothing is printed, and no message is taken."""
    with mailbox("jobs") as box:
        receiver = program("receive", "jobs")
        counts(box, receivers_waiting=1)
        receiver.interrupt()
        result = receiver.end(130)
        assert (result.out, result.err) == ("", "")


def test_a_sender_that_waits_for_room_is_interrupted(program, mailbox, counts):
    """The code is 130, and messages that were sent before stay."""
    with mailbox("jobs", capacity=1) as box:
        sender = program("send", "jobs", "a", "b")
        counts(box, senders_waiting=1)
        sender.interrupt()
        assert sender.end(130).err == ""
        assert box.peek() == ["a"]


def test_a_sender_that_waits_for_input_is_interrupted(program, mailbox):
    """The code is 130, and the lines that it read are sent."""
    with mailbox("jobs") as box:
        sender = program("send", "jobs", "-")
        sender.stdin.write(b"a\nb\n")
        sender.stdin.flush()
        until(lambda: len(box) == 2, "both lines are sent")
        sender.interrupt()
        sender.wait(PATIENCE)
        assert sender.returncode == 130
        assert sender.stderr.read() == b""
        assert box.peek() == ["a", "b"]


def test_a_watcher_is_interrupted(program):
    """Ctrl-C ends top where it draws no screen."""
    watcher = program("top", "--json", "--interval", 0.05)
    assert watcher.stdout.readline()
    watcher.interrupt()
    assert watcher.end(130).err == ""
