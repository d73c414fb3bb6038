"""What a newcomer does wrong with any kind of link, and what each says about it."""

import pytest

import liaison
from liaison import (
    Busy,
    Endpoint,
    InvalidAddress,
    Mailbox,
    MessageQueue,
    Mismatch,
    NameTaken,
    NotFound,
    Port,
    wait,
)


def said(error, call):
    with pytest.raises(error) as raised:
        call()
    return str(raised.value)


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
def test_a_number_that_is_none_is_named(space, make, argument, value):
    """The TypeError tells which argument it is, and what was given."""
    assert said(TypeError, lambda: make("x", **{argument: value})) == (
        f"{argument}={value!r} is not a whole number"
    )


@pytest.mark.parametrize("value", [5, b"graves", ["graves"]], ids=repr)
def test_dead_letters_are_an_address(space, value):
    """Anything else is a TypeError that says how an address is written."""
    assert "an address is a str" in said(TypeError, lambda: Mailbox("x", dead_letters=value))


def test_dead_letters_go_where_the_link_is(space):
    """A socket's address is refused when the mailbox is made, not when a message is lost."""
    assert "dead letters" in said(
        InvalidAddress, lambda: Mailbox("x", dead_letters="tcp://127.0.0.1:5")
    )


@pytest.mark.parametrize("make", [Mailbox, MessageQueue, Port])
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:5", "unix:///tmp/x", "tls://h:5"])
def test_the_address_of_a_socket_leads_to_listen_and_connect(space, make, address):
    """Who gives one to a link with a name is told what takes it."""
    assert "liaison.listen and liaison.connect" in said(InvalidAddress, lambda: make(address))


KINDS = {
    "mailbox": Mailbox,
    "queue": MessageQueue,
    "port": Port,
}


@pytest.mark.parametrize("asked", KINDS)
@pytest.mark.parametrize("there", KINDS)
def test_another_kind_of_link_is_named(space, there, asked):
    """A Mismatch of kinds says which the link is, and which was asked for."""
    if there == asked:
        return
    with KINDS[there]("x") as link:
        assert said(Mismatch, lambda: KINDS[asked].open("x")) == (
            f"shm://default/x exists, and is a {there}, not a {asked}"
        )
        link.destroy()


@pytest.mark.parametrize(
    ("make", "made", "asked", "text"),
    [
        (Mailbox, {"capacity": 5}, {"capacity": 6}, "its capacity is 5, not 6"),
        (Mailbox, {"capacity": 5}, {"capacity": 0}, "its capacity is 5, not 0"),
        (Mailbox, {"capacity": 0}, {"capacity": 6}, "its capacity is 0, not 6"),
        (Mailbox, {}, {"access": "pair"}, "its access is 'any', not 'pair'"),
        (Mailbox, {}, {"memory": 1 << 20}, "its memory is None, not 1048576"),
        (Mailbox, {}, {"max_deliveries": 3}, "its max_deliveries is None, not 3"),
        (MessageQueue, {}, {"max_messages": 6}, "its max_messages is 10, not 6"),
        (MessageQueue, {}, {"message_size": 64}, "its message_size is 8192, not 64"),
    ],
)
def test_what_differs_is_named(space, make, made, asked, text):
    """A Mismatch says which property it is, by the name of the argument, and what it is."""
    with make("x", **made) as link:
        assert said(Mismatch, lambda: make("x", **asked)) == (
            f"shm://default/x exists, and {text}: leave out the arguments that do not matter"
        )
        link.destroy()


def test_a_port_that_is_taken_leads_to_open(space):
    """Who wanted to send and created the port instead is told how to send."""
    with Port("x"):
        assert "Port.open(...)" in said(Busy, lambda: Port("x"))


def test_an_endpoint_says_what_is_called_so_instead(space):
    """Another kind of link, a living process, a name that is taken, and one that is none of its."""
    with Mailbox("box") as box, Endpoint("me") as me:
        assert "is not an endpoint" in said(Mismatch, lambda: Endpoint("box"))
        assert "is not an endpoint" in said(Mismatch, lambda: me.send("box", 1))
        assert "is an endpoint, not a mailbox" in said(Mismatch, lambda: Mailbox("me"))
        assert "use that endpoint" in said(Busy, lambda: Endpoint("me"))
        assert "there is a link called box" in said(NameTaken, lambda: me.rename("box"))
        assert "you is none of the names of" in said(NotFound, lambda: me.retire("you"))
        me.destroy()
        box.destroy()


def test_waiting_for_a_link_that_is_in_no_list_takes_nothing_from_it(space):
    """A mailbox can be iterated: as a list of links it would be emptied, and waited on for ever."""
    with Mailbox("x") as box:
        box.send("tea")
        assert "[<Mailbox" in said(TypeError, lambda: wait(box, timeout=0))
        assert box.peek() == ["tea"]
        box.destroy()


def test_a_certificate_that_is_missing_is_named(tmp_path):
    """The FileNotFoundError tells which of the two files it is."""
    certificate = tmp_path / "certificate.pem"
    certificate.touch()

    def call():
        liaison.listen(
            "tls://127.0.0.1:0", token="x" * 32, tls=(str(certificate), str(tmp_path / "key.pem"))
        )

    assert "key.pem" in said(FileNotFoundError, call)


@pytest.mark.parametrize("token", ["", b"", "x", b"x" * 15, "a token I can say"[:15]])
def test_a_token_that_can_be_guessed_is_refused(token):
    """A token of less than 16 bytes is a ValueError that says how to make one."""
    for use in (liaison.listen, liaison.connect):
        text = said(ValueError, lambda use=use: use("tcp://127.0.0.1:0", token=token))
        assert "secrets.token_hex(32)" in text
        assert f"{len(token)} bytes" in text
    liaison.listen("tcp://127.0.0.1:0", token="x" * 16).close()
