"""The commands send, receive and peek: they write what was sent."""

import base64
import json
import sys

import pytest

import liaison
from liaison.testing import Process, point


def receives(name, count):
    with liaison.Mailbox(name) as box:
        point("ready")
        return [box.receive() for _ in range(count)]


def test_text_is_sent_and_received(cli):
    """Each argument is a message."""
    assert cli("send", "box", "first job", "größer", "").out == ""
    assert cli("receive", "box").out == "first job\n"
    assert cli("receive", "box", "--count", 2).lines == ["größer", ""]


def test_python_receives_text(cli, mailbox):
    """A typed message is a str."""
    with mailbox() as box:
        cli("send", "box", "tea", "--", "-x")
        assert box.receive_many(5) == ["tea", "-x"]


def test_lines_of_standard_input_are_messages(cli, mailbox):
    """Each line is a message without its newline, also an empty line and the last one."""
    with mailbox() as box:
        cli("send", "box", "-", stdin=b"one\n\nthree")
        assert box.receive_many(5) == ["one", "", "three"]


def test_standard_input_can_stand_between_messages(cli):
    """A dash stands for the lines of standard input."""
    cli("send", "box", "header", "-", "footer", stdin=b"1\n2\n")
    assert cli("peek", "box").lines == ["header", "1", "2", "footer"]


def test_what_is_not_utf8_passes_unchanged(cli, mailbox):
    """A line that is not UTF-8 is a message of bytes, written as it was read."""
    lines = b"text\n\xff\xfe\r\n\xc3\x28\n"
    with mailbox() as box:
        cli("send", "box", "-", stdin=lines)
        assert box.peek() == ["text", b"\xff\xfe\r", b"\xc3\x28"]
    assert cli("receive", "box", "-n", 3).bytes == lines


def test_an_argument_need_not_be_utf8(program):
    """An argument that is not UTF-8 is a message of its bytes."""
    program("send", "box", b"caf\xe9".decode("utf-8", "surrogateescape")).end(0)
    assert program("receive", "box").end(0).bytes == b"caf\xe9\n"


def test_all_of_standard_input_can_be_one_message(cli, mailbox):
    """--whole sends the bytes, and --raw writes them without a newline."""
    blob = bytes(range(256)) * 4096
    with mailbox() as box:
        cli("send", "box", "--whole", stdin=blob)
        assert box.peek() == [blob]
    assert cli("receive", "box", "--raw").bytes == blob


def test_values_are_sent_as_json_and_written_as_json(cli, mailbox):
    """They arrive as Python data, and are written on one line."""
    with mailbox() as box:
        cli("send", "box", "--parse-json", '{"id": 7, "tags": ["a", null]}', "[1.5, true]")
        cli("send", "box", "--json-in", "-", stdin=b'"text"\n42\n')
        assert box.peek() == [{"id": 7, "tags": ["a", None]}, [1.5, True], "text", 42]
    assert cli("receive", "box", "-n", 2).lines == ['{"id":7,"tags":["a",null]}', "[1.5,true]"]


def test_the_line_that_is_not_json_is_named(cli):
    """The error names the line, and how many were sent before."""
    shown = cli("send", "box", "--parse-json", "-", stdin=b"1\n2\n{3\n4\n", code=1).err
    assert "line 3 is not JSON" in shown
    assert "2 sent before" in shown
    assert cli("peek", "box").lines == ["1", "2"]


def test_sending_prints_json(cli):
    """send --json prints the address and the count."""
    shown = cli("send", "box", "a", "b", "--json").json
    assert shown == {"address": "shm://default/box", "sent": 2}


def test_a_full_mailbox_is_an_error(cli):
    """The code is 3, and the error says how many messages were sent."""
    cli("create", "box", "--capacity", 2)
    shown = cli("send", "box", "a", "b", "c", "--timeout", 0, code=3).err
    assert "2 sent before" in shown
    assert cli("peek", "box").lines == ["a", "b"]


def test_nobody_at_a_rendezvous_is_an_error(cli):
    """The code is 3."""
    cli("create", "box", "--capacity", 0)
    assert "rendezvous" in cli("send", "box", "a", "--timeout", 0.01, code=3).err


def test_a_message_that_can_never_fit_fails(cli):
    """The code is 1, since waiting does not help."""
    cli("create", "box", "--max-message", 16)
    assert "--max-message" in cli("send", "box", "x" * 100, code=1).err


def test_a_receipt_names_the_receiver(cli, mailbox):
    """--receipt prints the receiving process of each message."""
    with mailbox(), Process(receives, "box", 2) as receiver:
        receiver.reach("ready")
        shown = cli("send", "box", "a", "--receipt").out
        assert shown.startswith(f"received by pid {receiver.pid} (")
        shown = cli("send", "box", "b", "--receipt", "--json").json
        assert shown["received_by"]["pid"] == receiver.pid
        assert receiver.result() == ["a", "b"]


def test_a_receipt_waits_no_longer_than_said(cli):
    """The code is 3, and the message stays."""
    cli("send", "box", "a", "--receipt", "--timeout", 0.01, code=3)
    assert cli("peek", "box").lines == ["a"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("send", "box"), 2),
        (("send", "box", "--whole", "message"), 2),
        (("send", "box", "--whole", "--parse-json"), 2),
        (("send", "box", "--timeout", "-1", "message"), 2),
        (("send", "box", "x", "--existing"), 4),
        (("receive", "box", "--existing"), 4),
        (("receive", "box", "--timeout", "0"), 4),
        (("receive", "box", "--follow", "--timeout", "0"), 4),
        (("peek", "box"), 4),
    ],
)
def test_a_command_that_cannot_work_creates_nothing(cli, arguments, code):
    """Code 2 for arguments that contradict each other, 4 where the mailbox has to exist."""
    cli(*arguments, code=code)
    assert cli("ls", "--json").json == []


def test_a_receive_that_waits_creates_the_mailbox(cli):
    """A receive that waits creates the mailbox, so either side of a pipeline may start first."""
    cli("receive", "box", "--timeout", 0.01, code=3)
    assert [link["name"] for link in cli("ls", "--json").json] == ["box"]


def test_an_empty_mailbox_is_an_error(cli):
    """The code is 3, also if only some of the messages came."""
    cli("send", "box", "a")
    result = cli("receive", "box", "--count", 2, "--timeout", 0, code=3)
    assert result.lines == ["a"]
    assert "no message" in result.err


def test_following_for_a_time_takes_what_is_there(cli):
    """The code is 0 if there was a message, or else 3."""
    cli("send", "box", "a", "b")
    assert cli("receive", "box", "--follow", "--timeout", 0).lines == ["a", "b"]
    cli("receive", "box", "--follow", "--timeout", 0, code=3)


def test_received_messages_have_their_senders_as_json(cli, mailbox):
    """receive --json prints a line of message or bytes, sender and attempt."""
    with mailbox() as box:
        box.send({"a": 1})
        box.send(b"\xff")
        with box.lease() as delivery:
            delivery.release()
        lines = cli("receive", "box", "-n", 2, "--json").lines
        first, second = map(json.loads, lines)
        assert first["message"] == {"a": 1}
        assert first["attempt"] == 2
        assert first["sender"]["name"] is None
        assert base64.b64decode(second["bytes"]) == b"\xff"
        assert second["attempt"] == 1


def test_a_message_that_cannot_be_read_is_written_as_its_bytes(cli, mailbox):
    """A pickle is written as bytes, neither loaded nor lost."""
    with mailbox(codec="pickle") as box:
        box.send({1, 2})
        box.send({3, 4})
        box.send("next")
        result = cli("receive", "box")
        assert b"builtins" in result.bytes or result.bytes.startswith(b"\x80")
        assert "PICKLE" in result.err
        shown = cli("receive", "box", "--json").json
        assert "PICKLE" in shown["error"]
        assert shown["bytes"]
        assert len(box) == 1


def test_peeking_takes_nothing(cli):
    """peek prints as many as are asked for, the oldest first, and takes none."""
    cli("send", "box", *"abcdefghijklm")
    for _ in range(2):
        assert cli("peek", "box").lines == list("abcdefghij")
        assert cli("peek", "box", "-n", 2).lines == ["a", "b"]
        assert cli("peek", "box", "-n", 0).lines == []
    assert cli("peek", "box", "-n", 1, "--json").json == [{"message": "a"}]
    assert cli("show", "box", "--json").json["statistics"]["taken"] == 0


def test_another_machines_address_is_refused(cli):
    """The code is 2."""
    cli("send", "tcp://127.0.0.1:5000", "x", code=2)


def test_arguments_are_not_taken_from_the_interpreter(lab):
    """main() uses its arguments, whatever sys.argv holds."""
    from liaison.cli import main

    before = list(sys.argv)
    assert main(["ls", "--json"], standalone_mode=False) is None
    assert sys.argv == before
