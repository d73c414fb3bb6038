"""An open link imports nothing: a signal handler, `__del__` and a forked child may use it.

A handler that interrupts an import finds half a module. `__del__` cannot import when Python ends. A
forked child finds the lock of a module held that another thread was importing.
"""

import subprocess
import sys
from textwrap import dedent

import pytest

import liaison

BEGINNING = """
import builtins, datetime, decimal, enum, os, sys, threading, uuid
import liaison

tried = []

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        tried.append(name)
        raise ImportError(f"{name} is imported at first use")

def forbid(real=builtins.__import__):
    def refuse(name, globals=None, locals=None, fromlist=(), level=0):
        who = str((globals or {}).get("__name__"))
        if who.startswith("liaison"):  # also modules that are loaded: an exiting Python has none
            tried.append(f"{name} by {who}")
            raise ImportError(tried[-1])
        return real(name, globals, locals, fromlist, level)
    builtins.__import__ = refuse
    sys.meta_path.insert(0, Finder)

def fails(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except Exception as error:
        return str(error)
    raise AssertionError(f"{call} does not fail")

def at_once(end):
    end.receive(timeout=0)

class Colour(enum.Enum):
    RED = 1

now = datetime.datetime.now(datetime.timezone.utc)
messages = [
    b"bytes", bytearray(b"bytes"), memoryview(b"bytes"), None, True, 1, 1.5, "text", [1, [2]],
    {"a": {"b": 1}}, {2**60 + i: i for i in range(99)}, (1, 2), {3}, Colour.RED, now, now.date(),
    now.time(), now - now, decimal.Decimal("1.5"), uuid.UUID(int=1),
]
"""

MAILBOX = """
for message in messages:
    box.send(message, timeout=1)
    box.receive(timeout=1)
    assert box.try_send(message)
    with box.lease(timeout=1) as delivery:
        delivery.message, delivery.view, delivery.attempt, repr(delivery), repr(delivery.sender)
    box.send_many([message, message])
    box.peek()
    box.receive_many(2, timeout=1)
receipt = box.send("text", receipt=True)
with box.lease() as delivery:
    delivery.release()
box.receive()
receipt.state, receipt.wait_received(), receipt.wait_acknowledged(), repr(receipt)
with box.loan(3) as loan:
    loan[:] = b"abc"
    loan.send()
box.receive()
repr(box), len(box), repr(box.link), hash(box.link), repr(box.statistics()), box.__reduce__()
for several in ([box], [box, other], [box, sys.stderr]):
    liaison.wait(several, timeout=0)
fails(box.send, object)
fails(at_once, box)
fails(box.lease, timeout=0)
fails(box.send, 1, timeout="soon")
other.send(1)
fails(other.send, 1, timeout=0)
fails(liaison.Mailbox.create, "box")
fails(liaison.Mailbox.open, "nowhere")
fails(liaison.Mailbox, "b/d\\n")
fails(liaison.Mailbox, "box", capacity=7)
fails(liaison.Mailbox.observe("box").receive)
with liaison.Mailbox("more") as more:
    more.destroy()
    fails(more.send, 1)
fails(more.send, 1)
box.send({"for": "a child"})
if os.fork() == 0:
    box.receive()
    box.close()
    os._exit(len(tried))
assert os.wait()[1] == 0
other.destroy()
box.destroy()
"""

CONNECTION = """
accepted = []
thread = threading.Thread(target=lambda: accepted.append(listener.accept(timeout=60)))
thread.start()
with liaison.connect(listener.address, **connecting) as client:
    thread.join()
    (server,) = accepted
    for message in messages:
        client.send(message)
        server.send_many([server.receive(), message])
        client.receive_many(2)
    repr(client), repr(listener), client.link, liaison.wait([client, server], timeout=0)
    fails(client.send, object)
    fails(at_once, client)
    fails(listener.accept, timeout=0)
    fails(liaison.listen, listener.address)
    server.close()
    fails(client.receive)
fails(client.send, 1)
listener.close()
fails(liaison.connect, listener.address, **connecting)
"""

OTHERS = {
    "a queue": (
        "queue = liaison.MessageQueue('queue')",
        """
        for message in messages:
            queue.put(message)
            queue.get()
        repr(queue), queue.link, queue.full(), fails(queue.get, timeout=0)
        queue.destroy()
        """,
    ),
    "a port": (
        "port = liaison.Port('port')",
        """
        sender = liaison.Port.open("port")
        for message in messages:
            sender.send(message)
            port.receive()
        repr(port), port.link, fails(sender.receive), fails(at_once, port)
        port.close()
        fails(sender.send, 1)
        """,
    ),
    "an endpoint": (
        "me = liaison.Endpoint('me')",
        """
        for message in messages:
            me.send("me", message)
            repr(me.receive())
        repr(me), me.link, me.aliases, liaison.wait([me], timeout=0)
        me.rename("you")
        fails(at_once, me), fails(me.send, "nobody", 1)
        me.destroy()
        """,
    ),
    "a pipe": (
        "reader, writer = liaison.pipe()",
        """
        for message in messages:
            writer.send(message)
            reader.receive()
        repr(reader), repr(writer), writer.link, writer.handle, fails(at_once, reader)
        reader.close()
        fails(writer.send, 1)
        """,
    ),
    "a named pipe": (
        "liaison.NamedPipe; pipe = liaison.NamedPipe('pipe')",
        """
        if os.fork() == 0:
            with liaison.NamedPipe("pipe") as other:
                for message in messages:
                    other.send(other.receive())
            os._exit(len(tried))
        for message in messages:
            pipe.send(message)
            pipe.receive()
        repr(pipe), pipe.link, fails(pipe.receive)
        assert os.wait()[1] == 0
        pipe.destroy()
        """,
    ),
}


@pytest.fixture
def run(space):
    """Run a program in which nothing may be imported after its opening."""

    def run(opening, using):
        program = "\n".join([BEGINNING, dedent(opening), "forbid()", dedent(using), "print(tried)"])
        ended = subprocess.run(
            [sys.executable, "-c", program], check=False, capture_output=True, text=True
        )
        assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "[]\n")

    return run


@pytest.mark.parametrize("options", ["", ", type=object"])
def test_a_mailbox_imports_nothing_once_it_is_open(run, options):
    """Messages of any kind, errors and all methods of a mailbox import nothing."""
    opening = "box, other = liaison.Mailbox('box'{}), liaison.Mailbox('other', capacity=1)"
    run(opening.format(options), MAILBOX)


@pytest.mark.parametrize("kind", OTHERS)
def test_other_links_import_nothing_once_they_are_open(run, kind):
    """Messages, errors and all methods of other links import nothing."""
    run(*OTHERS[kind])


@pytest.mark.parametrize("protection", ["none", "a token", "TLS"])
def test_a_connection_imports_nothing_once_its_listener_is_open(run, certificate, protection):
    """The handshake and the protected messages after it import nothing."""
    trusted, issued, key = certificate
    listening, connecting = {
        "none": ({}, {}),
        "a token": ({"token": "a" * 32}, {"token": "a" * 32}),
        "TLS": ({"tls": (issued, key)}, {"tls": trusted}),
    }[protection]
    opening = f"""
    listener = liaison.listen("tcp://127.0.0.1:0", **{listening})
    connecting = {connecting}
    liaison.connect
    """
    run(opening, CONNECTION)


def test_pickle_is_imported_for_the_link_that_asks_for_it(run):
    """Opening the link imports pickle, and its first message does not."""
    using = """
    box.send({1, 2})
    assert box.receive() == {1, 2}
    box.destroy()
    """
    run("box = liaison.Mailbox('box', codec='pickle')", using)


def test_moving_a_message_to_the_dead_letters_imports_nothing(run):
    """Moving a message, which opens the dead letters, imports nothing."""
    using = """
    def refuse():
        with box.lease(timeout=0):
            raise ValueError("nobody can handle it")

    box.send("bad")
    assert "handle" in fails(refuse)
    assert box.try_receive("none") == "none"
    with liaison.Mailbox("box.dead") as dead:
        assert dead.receive() == "bad"
        dead.destroy()
    box.destroy()
    """
    run("box = liaison.Mailbox('box', max_deliveries=1)", using)


def test_a_type_whose_keys_are_checked_imports_nothing(run):
    """The check of keys, a module of its own, is imported with the type."""
    opening = """
    import dataclasses
    @dataclasses.dataclass
    class Order:
        numbers: dict[int, set[int]]
    box = liaison.Mailbox("box", type=Order)
    """
    using = """
    box.send(Order({2**60 + i: {i} for i in range(9)}))
    assert box.receive().numbers[2**60] == {0}
    box.send([1])
    fails(box.receive)
    box.destroy()
    """
    run(opening, using)


def test_an_error_that_names_a_limit_imports_nothing(run):
    """An error that names a limit imports nothing: no descriptor would be left."""
    opening = """
    import resource
    box = liaison.Mailbox("box")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    """
    using = """
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, hard))
    told = fails(box.fileno)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "ulimit -n" in told, told
    box.destroy()
    """
    run(opening, using)


AT_EXIT = """
import gc
import liaison

class Goodbye:
    def __init__(self, box, other, reader, writer):
        self.me = self  # reference counting does not collect it
        self.box, self.other, self.reader, self.writer = box, other, reader, writer
        self.wait, self.full = liaison.wait, liaison.Full

    def __del__(self):
        self.writer.send({"bye": 1})
        assert self.reader.receive() == {"bye": 1}
        for message in ({"bye": 1}, ["bye"], b"bye"):
            self.box.send(message)
        with self.box.lease(timeout=0) as delivery:
            repr(delivery.message), delivery.sender
        assert self.wait([self.box, self.other], timeout=0) == [self.box]
        try:
            self.box.send_many(map(str, range(9)), timeout=0)
            self.box.send(1, timeout=0)
        except self.full:
            pass
        repr(self.box), self.box.link, self.box.statistics(), len(self.box), self.box.fileno()
        for end in (self.other, self.reader, self.writer):
            end.close()

goodbye = Goodbye(liaison.Mailbox("bye", capacity=3), liaison.Mailbox("other"), *liaison.pipe())
gc.disable()
"""


@pytest.mark.parametrize("kept", ["", "del goodbye"])
def test_del_may_use_links_when_python_ends(space, kept):
    """`__del__` of a cycle that is collected after the modules are gone may use links."""
    program = f"{AT_EXIT}\n{kept}\n"
    ended = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    with liaison.Mailbox("bye") as box, liaison.Mailbox("other") as other:
        assert box.receive_many(3, timeout=0) == [["bye"], b"bye", "0"]
        box.destroy()
        other.destroy()


@pytest.mark.parametrize(
    ("opening", "name"),
    [
        ("liaison.Mailbox('it')", "Mailbox"),
        ("liaison.pipe()", "pipe"),
        ("liaison.Endpoint('it')", "Endpoint"),
        ("liaison.Endpoint.observe('there')", "Endpoint"),
        ("liaison.Space()", "Space"),
        ("liaison.listen('tcp://127.0.0.1:0')", "listen"),
    ],
)
def test_a_carrier_is_imported_with_what_needs_it(space, opening, name):
    """Getting a name of liaison imports the carrier, so opening works without rights to files."""
    program = f"""
import shutil, sys, liaison
with liaison.Endpoint("there") if "there" in {opening!r} else liaison.Mailbox("there") as there:
    names, modules = liaison.{name}, set(sys.modules)
    {opening}
    print([name for name in set(sys.modules) - modules if name.startswith("liaison.carriers")])
shutil.rmtree(liaison.Space().path)
"""
    told = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert told == "[]\n"
