"""Texts that other processes chose are shown and never control a terminal.

The attacker writes into its record in the members file, into a link's segment, into the directory
of names, and into its own command line.
"""

import itertools
import math
import os
import random
import struct
import subprocess
import sys
from time import monotonic

import pytest

import liaison
from liaison import Corrupt, DecodeError, Mailbox, Space, errors
from liaison.cli import main
from liaison.printable import printable
from liaison.testing import until
from tests.links.actor import Actor
from tests.segments import rewrite

TEXTS = {
    "title and bell": b"\x1b]0;owned\x07",
    "clear screen": b"\x1b[2J\x1b[H",
    "C1, as UTF-8": "\x9b2J\x9d0;owned\x9c".encode(),
    "C1, of eight bits": b"\x9b2J\x84",
    "a line of its own": b"worker\npid 1\r\x0b\x0c\x85",
    "a line of Unicode's own": "worker\u2028pid 1\u2029".encode(),
    "backwards": "\u202egnp.exe\u202c \u2066x\u2069".encode(),
    "unseen": "pay\u200bpal\ufeff\u00ad\U000e0041".encode(),
    "no UTF-8": b"\xff\xfe\xc3(\xed\xb2\x80",
    "delete and backspace": b"rm -rf\x7f\x7f\x08\x08",
    "rich's markup": b"[red]worker[/red] [link=http://evil]x[/link] [/] :smile:",
}
each_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


def is_harmless(shown):
    """Whether it is UTF-8, and lines of printable characters only."""
    return shown.decode().replace("\n", "").isprintable()


def forge(space, *, name=b"", command=b"", started=0.0):
    """Overwrite this process's record in the members file."""
    file = os.open(space.path / "members", os.O_RDWR)
    for at in range(65536, 65536 + 256 * 64, 256):  # see table.h
        if struct.unpack_from("i", os.pread(file, 256, at), 8)[0] == os.getpid():
            fields = struct.pack("d104s128s", started, name[:103], command[:127])
            os.pwrite(file, fields, at + 16)
            break
    else:
        pytest.fail("this process has no record")
    os.close(file)


def on_terminal(command):
    """Return what the command writes until it ends."""
    command.ends(0)
    return command.bytes


# ---- process names and command lines


@each_text
def test_a_peers_texts_are_printable(mailbox, space, text):
    """Wherever a Peer comes from, its name, command and str() are printable."""
    with mailbox() as box:
        box.send("x")
        forge(space, name=text, command=text)
        with box.lease() as delivery:
            sender = delivery.sender
        seen = {sender, box.link.creator, *box.link.senders, *box.link.receivers}
        seen.update(Space().members())
    assert len(seen) == 1
    assert sender.name
    assert all(part.isprintable() for part in (sender.name, sender.command, str(sender)))


def test_a_command_line_of_controls_is_shown_as_escapes(space):
    """A living process's command line is escaped, as a member's and as a connection's peer's."""
    program = (
        "import liaison, sys\n"
        "with liaison.Mailbox('box') as box, liaison.connect(sys.argv[1]) as line:\n"
        "    box.send('x')\n"
        "    line.receive()\n"
        "    box.destroy()\n"
    )
    with liaison.listen(f"unix://{space.root}/line") as listener:
        command = [sys.executable, "-X\x1b[2J\x9b\u202e", "-c", program, listener.address]
        with subprocess.Popen(command) as process, listener.accept(timeout=60) as line:
            until(lambda: len(Space().members()) == 1, "the process is a member")
            (member,) = Space().members()
            for peer in (member, line.peer):
                assert peer.pid == process.pid
                assert peer.command.isprintable()
            assert r"\x1b[2J\x9b\u202e" in line.peer.command
            line.send("end")
        assert process.returncode == 0


@pytest.mark.parametrize("started", [math.nan, math.inf, -math.inf, -1.0, 1e300])
def test_a_forged_start_is_unknown(cli, mailbox, space, started):
    """A forged start neither breaks `show` nor its JSON."""
    with mailbox() as box:
        box.send("x")
        forge(space, started=started)
        assert Space().members()[0].started == 0.0
        assert " ? " in cli("show", "box").out
        assert cli("show", "box", "--json").json["creator"]["started"] == 0.0


COMMANDS = [
    ("ls",),
    ("ls", "--json"),
    ("show", "box"),
    ("show", "box", "--json"),
    ("top", "--once", "-i", "0.05"),
    ("top", "--once", "-i", "0.05", "--json"),
    ("peek", "box"),
    ("peek", "box", "--json"),
    ("receive", "box", "--json"),
    ("clean",),
]


@each_text
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_shows_a_process_raw(cli, mailbox, space, command, text):
    """Process texts are escaped in pipes and files, too, which are looked at later."""
    with mailbox() as box:
        box.send("x")
        forge(space, name=text, command=text)
        shown = cli(*command)
    assert is_harmless(shown.bytes)
    if command == ("show", "box"):
        start = printable(text.decode("utf-8", "replace"))[:8]
        assert start in shown.out  # it is shown, markup and all


def test_the_receiver_in_a_receipt_is_shown_harmlessly(lab, space, program):
    """`send --receipt` names the receiver as it names itself."""
    with Mailbox("box") as box:
        sender = program("send", "box", "x", "--receipt")
        box.receive(timeout=60)
        forge(space, name=TEXTS["clear screen"], command=TEXTS["C1, as UTF-8"])
        shown = sender.end(0)
    assert is_harmless(shown.bytes)


@pytest.mark.fuzz
def test_whatever_a_record_holds_is_shown_harmlessly(cli, mailbox, space):
    """Every command shows a process whose record is random bytes."""
    chance = random.Random(1)
    end = monotonic() + float(os.environ.get("LIAISON_FUZZ_SECONDS", "0"))

    def text():
        parts = [*TEXTS.values(), chance.randbytes(chance.randrange(40)), b"\0"]
        return b" ".join(chance.choices(parts, k=chance.randrange(6)))

    with mailbox() as box:
        box.send("x")
        for tried in itertools.count():
            (started,) = struct.unpack("d", chance.randbytes(8))
            forge(space, name=text(), command=text(), started=started)
            for command in (("show", "box"), ("show", "box", "--json"), ("ls", "--json")):
                assert is_harmless(cli(*command).bytes)
            if tried >= 50 and monotonic() > end:
                break


# ---- messages


@each_text
def test_a_message_in_a_pipe_is_what_was_sent(cli, mailbox, text):
    """Text and bytes are written as they are, byte for byte."""
    with mailbox() as box:
        decoded = text.decode("utf-8", "replace")
        for message in (text, decoded):
            box.send(message)
        expected = text + b"\n" + decoded.encode() + b"\n"
        assert cli("peek", "box").bytes == expected
        assert cli("receive", "box", "-n", 2).bytes == expected


@each_text
def test_json_has_the_same_value_and_no_control_characters(cli, mailbox, text):
    """In JSON unprintable characters are escapes, with the same value; bytes are base64."""
    message = {"a": [text.decode("utf-8", "replace")]}
    with mailbox() as box:
        box.send(message)
        shown = cli("peek", "box")
        assert is_harmless(shown.bytes)
        assert shown.json == message
        box.send(text)
        shown = cli("peek", "box", "--json")
        assert is_harmless(shown.bytes)
        assert [message] == [one["message"] for one in shown.json if "message" in one]
        for _ in shown.json:
            assert is_harmless(cli("receive", "box", "--json").bytes)


def test_a_message_on_a_terminal_has_no_control_characters(mailbox, terminal):
    """On a terminal, all unprintable characters but tabs and ends of lines are escapes."""
    with mailbox() as box:
        for text in TEXTS.values():
            for message in (text, text.decode("utf-8", "replace"), {"key": text.decode("latin-1")}):
                box.send(message)
        box.send("größer\tas it is\nand on")
        count = len(box)
        for command in (
            ("peek", "box", "-n", count),
            ("peek", "box", "-n", count, "--json"),
            ("receive", "box", "-n", count),
        ):
            shown = on_terminal(terminal(*command)).replace(b"\r\n", b"\n")
            assert is_harmless(shown.replace(b"\t", b"")), command
            if "--json" not in command:
                assert "größer\tas it is\nand on".encode() in shown
                assert rb"\x1b]0;owned\x07" in shown
                assert rb"\x9b2J\x84" in shown  # of bytes


@pytest.mark.parametrize("command", [("ls",), ("show", "box"), ("top",)], ids=" ".join)
def test_a_drawn_table_has_liaisons_own_sequences_only(mailbox, space, terminal, command):
    """On a terminal the only control sequences are liaison's own."""
    texts = ("title and bell", "C1, as UTF-8", "backwards")
    with mailbox() as box:
        box.send("x")
        forge(space, name=TEXTS["clear screen"], command=b" ".join(map(TEXTS.get, texts)))
        shown = terminal(*command)
        seen = b""
        if command == ("top",):
            shown.shows("LINK")
            seen = shown.bytes
            shown.press("q")
        seen += on_terminal(shown)
    assert b"\x1b]" not in seen
    assert b"\x07" not in seen
    assert not set("\x9b\x9d\u202e\u2066") & set(seen.decode())
    assert command != ("show", "box") or rb"\x1b]0;owned" in seen.replace(b"\r\n", b"")


# ---- files in the directory of names


@each_text
def test_a_file_whose_name_no_link_can_have_is_not_listed(cli, mailbox, space, text):
    """Neither Python, nor a command, nor the shell's completion lists it."""
    mailbox()
    strange = os.path.join(os.fsencode(space.path), b"names", text.replace(b"/", b""))
    for at in (strange, strange + b"2"):  # one of nobody's, and one that leads to our link
        os.link(space.path / "names" / "box", at) if at.endswith(b"2") else os.mknod(at)
    try:
        assert Space().names() == ["box"]
        assert [link.name for link in Space().links()] == ["box"]
        for command in (("ls",), ("ls", "--json"), ("top", "--once", "-i", "0.05"), ("clean",)):
            assert is_harmless(cli(*command).bytes)
        show = next(one for one in main.get_command(None, "show").params if one.name == "name")
        with main.make_context("liaison", []) as context:
            assert [item.value for item in show.type.shell_complete(context, show, "")] == ["box"]
    finally:
        os.unlink(strange)
        os.unlink(strange + b"2")


@each_text
def test_a_name_that_no_link_can_have_is_no_alias(cli, lab, space, text):
    """A name of an endpoint's file that no link can have is not an alias."""
    strange = os.path.join(os.fsencode(space.path), b"names", text.replace(b"/", b""))
    with liaison.Endpoint("clerk") as clerk:
        os.link(space.path / "names" / "clerk", strange)
        try:
            assert clerk.aliases == []
            assert is_harmless(cli("show", "clerk").bytes)
        finally:
            os.unlink(strange)
        clerk.destroy()


# ---- forged segments


@pytest.fixture
def damaged(lab):
    """Write a text where a mailbox's name or its dead letters stand, as far as there is room."""
    old = {"name": b"box-of-some-length", "dead letters": b"letters-of-some-length"}
    name, letters = (text.decode() for text in old.values())
    Mailbox.create(name, max_deliveries=2, dead_letters=letters).close()

    def write(field, text):
        size = len(old[field])
        rewrite(lab.path / "names" / name, old[field], text.ljust(size, b"\0")[:size])
        return name

    yield write
    (lab.path / "names" / name).unlink()
    for link in (lab.path / "links").iterdir():
        link.unlink()


@each_text
@pytest.mark.parametrize("field", ["name", "dead letters"])
def test_a_forged_address_is_damage(cli, damaged, field, text):
    """A link whose name or dead letters are no address is Corrupt, and shown harmlessly."""
    name = damaged(field, text)
    with pytest.raises(Corrupt):
        Mailbox.open(name)
    for shown in (cli("ls"), cli("show", name, code=1)):
        assert is_harmless(shown.bytes)
        assert is_harmless(shown.err.encode())


def test_an_address_is_no_markup(cli, damaged):
    """Markup in an address is shown as it is."""
    text = b"[red]x[/][link=evil://]"[:22]
    assert text.decode() in cli("show", damaged("dead letters", text)).out


@each_text
def test_a_forged_label_is_not_believed(cli, lab, space, text):
    """An endpoint whose stored new name is no name has the name that it was created with."""
    with liaison.Endpoint("clerk") as clerk:
        clerk.rename("manager-of-some-length")
        label = (text + b"\0" * 22)[:22]
        with open(space.path / "names" / "clerk", "r+b", 0) as file:
            at = file.read(4096).index(b"manager-of-some-length\0")
            os.pwrite(file.fileno(), label, at)
        assert is_harmless(cli("show", "clerk").bytes + cli("ls").bytes)
        assert clerk.name.isprintable()
        clerk.destroy()


def test_a_sender_with_a_forged_address_has_no_name(lab):
    """A forged sender's address leaves the message readable and its process known."""
    with liaison.Endpoint("clerk") as clerk, Actor("boss = Endpoint('boss')") as other:
        other.do("boss.send('clerk', 'tea')")
        (way,) = (lab.path / "names").glob("~*")
        rewrite(way, b"shm://default/boss", b"[red]:://no/addres")
        with clerk.lease(timeout=60) as delivery:
            assert delivery.message == "tea"
            assert (delivery.sender.pid, delivery.sender.name) == (other.pid, None)
        other.do("boss.destroy()")
        clerk.destroy()


# ---- errors


@pytest.mark.parametrize("kind", errors.__all__)
def test_an_errors_text_is_printable(kind):
    """An error's text is printable whatever it quotes; its arguments are unchanged."""
    text = b"".join(TEXTS.values()).decode("utf-8", "replace")
    error = getattr(errors, kind)(text)
    assert str(error).isprintable()
    assert error.args == (text,)


def test_a_decode_error_has_no_control_characters(mailbox):
    """A decoder's quotation of the message is escaped."""
    import msgspec

    class Order(msgspec.Struct, forbid_unknown_fields=True):
        item: str = ""

    with mailbox() as box:
        box.send({"\x1b[2J\u202e": 1})
        with Mailbox("box", type=Order) as typed, pytest.raises(DecodeError) as caught:
            typed.receive()
    assert str(caught.value).isprintable()
    assert r"\x1b[2J\u202e" in str(caught.value)


@pytest.mark.parametrize("more", [(), ("--traceback",), ("--json",)], ids=" ".join)
@pytest.mark.parametrize("command", [("show", ""), ("demo", "/"), ("ls", "--")], ids=" ".join)
def test_a_commands_error_is_harmless(cli, command, more):
    """A name, a path or an option is escaped on standard error, also in tracebacks."""
    name, start = command
    shown = cli(name, *more, f"{start}\x1b[2J\x9b\u202e", code=2)
    assert "x1b" in shown.err or "u001b" in shown.err
    assert is_harmless(shown.err.encode())
