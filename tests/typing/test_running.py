"""What stands in brackets is for checkers: when a program runs, a class does what it did before."""

import ast
import inspect
import pickle
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import pytest

import liaison
from liaison import aio
from tests.typing import users

SOURCE = Path(liaison.__file__).parent
GENERIC = [
    *(liaison.Connection, liaison.Listener, aio.Connection, aio.Listener),
    *(liaison.Delivery, liaison.Endpoint, liaison.Loan, liaison.Mailbox, liaison.MessageQueue),
    *(liaison.NamedPipe, liaison.PipeReader, liaison.PipeWriter, liaison.Port, liaison.Receipt),
    *(aio.Endpoint, aio.Loan, aio.Mailbox, aio.MessageQueue),
    *(aio.NamedPipe, aio.PipeReader, aio.PipeWriter, aio.Port, aio.Receipt),
]


@dataclass
class Order:
    item: str


@pytest.mark.parametrize("generic", GENERIC, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_a_class_takes_a_type_in_brackets(generic):
    """It stays the class, and remembers what was said."""
    assert generic[Order].__origin__ is generic
    assert generic[Order].__args__ == (Order,)


def test_a_link_of_a_type_is_the_link(space):
    """It is opened as ever, sends, receives, and travels by address."""
    with liaison.Mailbox[Order]("orders", type=Order) as box:
        assert type(box) is liaison.Mailbox
        box.send(Order("tea"))
        with pickle.loads(pickle.dumps(box)) as copy:
            assert copy.receive() == Order("tea")
        with liaison.Mailbox[Order].open("orders", type=Order) as other:
            assert type(other) is liaison.Mailbox
        box.destroy()


def test_subclasses_say_what_their_messages_are(space):
    """Also those that leave it open, and are told later."""
    with users.Orders() as box, users.Journal[users.Order]("orders", type=users.Order) as journal:
        box.send(users.Order("tea", 2))
        assert journal.newest() == users.Order("tea", 2)
        box.destroy()


@pytest.mark.parametrize(
    ("call", "constructor"),
    [
        (liaison.Mailbox, "Mailbox.__init__()"),
        (liaison.Mailbox.create, "Mailbox.__init__()"),
        (liaison.MessageQueue, "MessageQueue.__init__()"),
        (liaison.MessageQueue.create, "MessageQueue.__init__()"),
        (liaison.Port, "Port.__init__()"),
        (liaison.Endpoint, "Endpoint.__init__()"),
        (liaison.NamedPipe, "NamedPipe.__init__()"),
        (aio.Mailbox, "Mailbox.__init__()"),
        (aio.Mailbox.create, "Mailbox.__init__()"),
        (aio.MessageQueue, "MessageQueue.__init__()"),
        (aio.MessageQueue.create, "MessageQueue.__init__()"),
        (aio.Port, "Port.__init__()"),
        (aio.Endpoint, "Endpoint.__init__()"),
        (aio.NamedPipe, "NamedPipe.__init__()"),
        (liaison.listen, "listen()"),
        (lambda *one, **some: anyio.run(partial(aio.listen, *one, **some)), "listen()"),
        (lambda *one, **some: anyio.run(partial(aio.connect, *one, **some)), "connect()"),
    ],
)
def test_an_unknown_option_is_named(space, call, constructor):
    """The TypeError says which option it is, and whose."""
    with pytest.raises(TypeError) as raised:
        call("x", capcity=3)
    assert str(raised.value).startswith(
        f"{constructor} got an unexpected keyword argument 'capcity'"
    )


@pytest.mark.parametrize(
    "name",
    ["Endpoint", "Mailbox", "MessageQueue", "NamedPipe", "Port", "connect", "listen", "pipe"],
)
def test_help_shows_each_option_for_tasks_too(name):
    """What passes its options on has the signature of what takes them."""
    assert inspect.signature(getattr(aio, name)) == inspect.signature(getattr(liaison, name))


@pytest.mark.parametrize(
    ("options", "constructor"),
    [
        ("MailboxOptions", liaison.Mailbox),
        ("QueueOptions", liaison.MessageQueue),
        ("PortOptions", liaison.Port),
        ("EndpointOptions", liaison.Endpoint),
        ("Options", liaison.NamedPipe),
        ("Options", liaison.pipe),
        ("SocketOptions", liaison.listen),
    ],
)
def test_checkers_know_each_option(options, constructor):
    """What they read of the options is what the constructor takes, and the same of each."""
    classes = {
        node.name: node
        for path in (SOURCE / "links").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }

    def said(name):
        if name == "TypedDict":
            return {}
        own = (node for node in classes[name].body if isinstance(node, ast.AnnAssign))
        return said(classes[name].bases[0].id) | {
            node.target.id: ast.unparse(node.annotation) for node in own
        }

    taken = {
        name: parameter.annotation
        for name, parameter in inspect.signature(constructor).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name != "type"
    }
    assert said(options) == taken


@pytest.mark.parametrize(
    ("cls", "thing"),
    [
        (liaison.Address, liaison.Address.parse("x")),
        (liaison.Codec, users.Json()),
        (liaison.Codec, pytest),
    ],
)
def test_what_signatures_name_can_be_asked_for(cls, thing):
    """An address and a codec are told from what is none."""
    assert isinstance(thing, cls) is (thing is not pytest)
    assert not isinstance("pickle", cls)


def test_what_a_link_gives_can_be_asked_for(space):
    """A delivery, a loan and a receipt are told from one another."""
    kinds = {liaison.Delivery, liaison.Loan, liaison.Receipt}
    with liaison.Mailbox("x") as box:
        receipt = box.send(b"tea", receipt=True)
        with box.lease() as delivery, box.loan(3) as loan:
            for thing, kind in (
                (receipt, liaison.Receipt),
                (delivery, liaison.Delivery),
                (loan, liaison.Loan),
            ):
                assert {one for one in kinds if isinstance(thing, one)} == {kind}
        del receipt, thing
        box.destroy()
