"""Mistakes in using any kind of link, and the error that each leads to."""

import itertools

import pytest

import liaison
from liaison import (
    Busy,
    Endpoint,
    InvalidAddress,
    Mailbox,
    MessageQueue,
    Mismatch,
    NamedPipe,
    NameTaken,
    NotFound,
    Port,
    wait,
)


def error_text(error, call):
    """The text of the error that the call raises."""
    with pytest.raises(error) as raised:
        call()
    return str(raised.value)


IMPOSSIBLE = {
    Mailbox: [
        {"capacity": -1},
        {"capacity": 1 << 40},
        {"capacity": (1 << 18) + 1},
        {"capacity": 1 << 100},
        {"max_message": 0},
        {"max_message": -5},
        {"max_message": 1 << 32},
        {"max_message": 1 << 100},
        {"memory": 0},
        {"memory": -1},
        {"memory": 1 << 50},
        {"max_deliveries": 0},
        {"max_deliveries": -1},
        {"max_deliveries": 1 << 16},
        {"max_message": 100, "memory": 1 << 20},
        {"access": "some"},
        {"max_deliveries": 1, "dead_letters": "x"},
        {"codec": "marshal"},
    ],
    MessageQueue: [
        {"max_messages": 0},
        {"max_messages": -1},
        {"max_messages": 1 << 19},
        {"message_size": 0},
    ],
    Port: [{"capacity": 0}, {"capacity": -1}, {"lifetime": "for ever"}],
    Endpoint: [{"capacity": -1}],
    NamedPipe: [{"capacity": 0}, {"memory": 1, "max_message": 1}],
    liaison.pipe: [
        {"capacity": 0},
        {"capacity": -1},
        {"max_message": 0},
        {"memory": 1, "max_message": 1},
    ],
}


@pytest.mark.parametrize(
    ("make", "wrong"),
    [(make, wrong) for make, several in IMPOSSIBLE.items() for wrong in several],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_cannot_be_is_refused(space, make, wrong):
    """A size or a policy that cannot be is a ValueError that names it, and nothing is created."""
    address = () if make is liaison.pipe else ("x",)
    text = error_text(ValueError, lambda: make(*address, **wrong))
    assert any(name in text for name in wrong), text
    assert space.files("names") == []


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (Mailbox, "capacity"),
        (Mailbox, "max_message"),
        (Mailbox, "memory"),
        (Mailbox, "max_deliveries"),
        (MessageQueue, "max_messages"),
        (MessageQueue, "message_size"),
        (Port, "capacity"),
    ],
)
@pytest.mark.parametrize("value", [1.5, "10", b"1", [1]], ids=repr)
def test_a_size_that_is_no_whole_number_is_named(space, make, argument, value):
    """The TypeError names the argument and its value, and nothing is created."""
    assert error_text(TypeError, lambda: make("x", **{argument: value})) == (
        f"{argument}={value!r} is not a whole number"
    )
    assert space.files("names") == []


@pytest.mark.parametrize("value", [5, b"graves", ["graves"]], ids=repr)
def test_dead_letters_are_an_address(space, value):
    """Anything but a str is a TypeError that says how an address is written."""
    assert "an address is a str" in error_text(TypeError, lambda: Mailbox("x", dead_letters=value))


def test_dead_letters_lie_on_the_carrier_of_their_link(space):
    """A socket's address for dead letters is refused when the mailbox is made."""
    assert "dead letters" in error_text(
        InvalidAddress, lambda: Mailbox("x", dead_letters="tcp://127.0.0.1:5")
    )


@pytest.mark.parametrize("make", [Mailbox, MessageQueue, Port])
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:5", "unix:///tmp/x", "tls://h:5"])
def test_the_address_of_a_socket_leads_to_listen_and_connect(space, make, address):
    """A link with a name refuses a socket's address, and names the functions that take it."""
    assert "liaison.listen and liaison.connect" in error_text(InvalidAddress, lambda: make(address))


KINDS = {"mailbox": Mailbox, "queue": MessageQueue, "port": Port}


@pytest.mark.parametrize(("there", "asked"), list(itertools.permutations(KINDS, 2)))
def test_another_kind_of_link_is_named(space, there, asked):
    """A Mismatch of kinds names the kind of the link, and the one that was asked for."""
    with KINDS[there]("x") as link:
        assert error_text(Mismatch, lambda: KINDS[asked].open("x")) == (
            f"shm://default/x exists, and is a {there}, not a {asked}"
        )
        link.destroy()


@pytest.mark.parametrize(
    ("make", "made", "asked", "text"),
    [
        (Mailbox, {"capacity": 5}, {"capacity": 6}, "its capacity is 5, not 6"),
        (Mailbox, {"capacity": 5}, {"capacity": 0}, "its capacity is 5, not 0"),
        (Mailbox, {"capacity": 0}, {"capacity": 6}, "its capacity is 0, not 6"),
        (Mailbox, {}, {"capacity": 1023}, "its capacity is 1024, not 1023"),
        (Mailbox, {"max_message": 100}, {"max_message": 101}, "its max_message is 100, not 101"),
        (Mailbox, {}, {"max_message": 100}, "its max_message is 1073741824, not 100"),
        (Mailbox, {"memory": 1 << 16}, {"memory": 1 << 17}, "its memory is 65536, not 131072"),
        (Mailbox, {}, {"memory": 1 << 20}, "its memory is None, not 1048576"),
        (Mailbox, {"access": "pair"}, {"access": "any"}, "its access is 'pair', not 'any'"),
        (Mailbox, {}, {"access": "pair"}, "its access is 'any', not 'pair'"),
        (Mailbox, {"max_deliveries": 2}, {"max_deliveries": 3}, "its max_deliveries is 2, not 3"),
        (Mailbox, {}, {"max_deliveries": 3}, "its max_deliveries is None, not 3"),
        (
            Mailbox,
            {"max_deliveries": 2},
            {"dead_letters": "y"},
            "its dead_letters is 'shm://default/x.dead', not 'shm://default/y'",
        ),
        (Mailbox, {}, {"dead_letters": "y"}, "its dead_letters is None, not 'shm://default/y'"),
        (MessageQueue, {}, {"max_messages": 6}, "its max_messages is 10, not 6"),
        (MessageQueue, {"max_messages": 3}, {"max_messages": 10}, "its max_messages is 3, not 10"),
        (MessageQueue, {}, {"message_size": 64}, "its message_size is 8192, not 64"),
        (
            MessageQueue,
            {"message_size": 64},
            {"message_size": 8192},
            "its message_size is 64, not 8192",
        ),
    ],
)
def test_what_differs_is_named(space, make, made, asked, text):
    """A Mismatch names the property that differs, with both values; the link stays as it is."""
    with make("x", **made) as link:
        before = link.link
        assert error_text(Mismatch, lambda: make("x", **asked)) == (
            f"shm://default/x exists, and {text}: leave out the arguments that do not matter"
        )
        assert link.link == before
        link.destroy()


def test_a_port_that_is_taken_leads_to_open(space):
    """Creating a port that exists is Busy, and the error names Port.open, which sends."""
    with Port("x"):
        assert "Port.open(...)" in error_text(Busy, lambda: Port("x"))


def test_an_endpoint_names_what_stands_in_its_way(space):
    """The error says whether that is another kind of link, a living process or a taken name."""
    with Mailbox("box") as box, Endpoint("me") as me:
        assert "is a mailbox, not an endpoint" in error_text(Mismatch, lambda: Endpoint("box"))
        assert "is not an endpoint" in error_text(Mismatch, lambda: me.send("box", 1))
        assert "is an endpoint, not a mailbox" in error_text(Mismatch, lambda: Mailbox("me"))
        assert "use that endpoint" in error_text(Busy, lambda: Endpoint("me"))
        assert "there is a link called box" in error_text(NameTaken, lambda: me.rename("box"))
        assert "you is none of the names of" in error_text(NotFound, lambda: me.retire("you"))
        me.destroy()
        box.destroy()


def test_waiting_for_a_link_outside_a_list_is_refused(space):
    """`wait` takes nothing from a mailbox that is given in the place of a list of links."""
    with Mailbox("x") as box:
        box.send("tea")
        assert "[<Mailbox" in error_text(TypeError, lambda: wait(box, timeout=0))
        assert box.peek() == ["tea"]
        box.destroy()


def test_a_certificate_that_is_missing_is_named(tmp_path):
    """The FileNotFoundError has the path of the one of the two files that is missing."""
    certificate = tmp_path / "certificate.pem"
    certificate.touch()

    def call():
        liaison.listen(
            "tls://127.0.0.1:0", token="x" * 32, tls=(str(certificate), str(tmp_path / "key.pem"))
        )

    assert "key.pem" in error_text(FileNotFoundError, call)


@pytest.mark.parametrize("token", ["", b"", "x", b"x" * 15, "a token I can say"[:15]])
def test_a_token_that_can_be_guessed_is_refused(token):
    """A token of less than 16 bytes is a ValueError that says how to make one."""
    for use in (liaison.listen, liaison.connect):
        text = error_text(ValueError, lambda use=use: use("tcp://127.0.0.1:0", token=token))
        assert "secrets.token_hex(32)" in text
        assert f"{len(token)} bytes" in text
    liaison.listen("tcp://127.0.0.1:0", token="x" * 16).close()
