"""Listeners: which clients they accept, which they refuse, and what a dead one leaves."""

import contextlib
import os
import secrets
import select
import socket
import ssl
import stat
import subprocess
from collections import deque
from time import sleep

import pytest

from liaison import (
    AccessDenied,
    CallTimeout,
    Closed,
    Empty,
    Ended,
    InvalidAddress,
    NameTaken,
    NotFound,
    connect,
    listen,
)
from liaison.carriers.stream import newcomers
from liaison.carriers.stream.greeting import Greeting
from liaison.carriers.stream.handshake import Handshake
from liaison.testing import Process, point, until
from tests.beside import Beside
from tests.links.test_connection import Interruption
from tests.links.test_connection_relay import dial

TOKEN = "a token that the tests share"


class Accepting:
    """Accepts connections in a thread, as a server does."""

    def __init__(self, listener):
        self.accepted = []
        self._listener = listener
        self._accepting = Beside(self._accept)

    def _accept(self):
        with contextlib.suppress(Closed):
            while True:
                self.accepted.append(self._listener.accept())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
        self._accepting.result()
        for connection in self.accepted:
            connection.close()


# ---- which clients are accepted


def test_the_same_token_opens(address):
    """Ends that share a token exchange messages; str and bytes are the same."""
    with listen(address, token=TOKEN) as listener, Accepting(listener) as server:
        with connect(listener.address, token=TOKEN.encode(), timeout=60) as client:
            client.send("in")
            until(lambda: server.accepted, "it is accepted")
            assert server.accepted[0].receive(timeout=60) == "in"


def test_a_wrong_token_or_none_does_not(address):
    """A client with another token is AccessDenied, one with none at its first receive."""
    with listen(address, token=TOKEN) as listener, Accepting(listener) as server:
        with pytest.raises(AccessDenied, match="same token"):
            connect(listener.address, token="another token for the tests", timeout=60)
        with connect(listener.address, timeout=60) as client, pytest.raises(PermissionError):
            client.receive(timeout=60)
        connect(listener.address, token=TOKEN, timeout=60).close()
        until(lambda: server.accepted, "the good one is accepted")
        assert len(server.accepted) == 1


def test_a_client_with_a_token_refuses_a_server_without(address):
    """A client that was given a token refuses a server that asks for none."""
    with listen(address) as listener, Accepting(listener), pytest.raises(AccessDenied):
        connect(listener.address, token=TOKEN, timeout=60)


@pytest.mark.parametrize("count", [10, 70, 200])
def test_the_silent_keep_nobody_out(address, count):
    """However many strangers send nothing, or half a greeting, good clients are accepted."""
    with listen(address, token=TOKEN) as listener, Accepting(listener) as server:
        strangers = []
        for number in range(count):
            stranger = dial(listener.address)
            if number % 2:
                stranger.send(b"liaison")
            strangers.append(stranger)
        clients = [connect(listener.address, token=TOKEN, timeout=60) for _ in range(5)]
        until(lambda: len(server.accepted) == 5, "the good ones are accepted")
        assert len(listener._end._newcomers) <= 64
        for one in (*strangers, *clients):
            one.close()


def looked(listener):
    """Have a listener handle its newcomers once, none of which is accepted yet; return them."""
    with pytest.raises(Empty):
        listener.accept(timeout=0)
    return list(listener._end._newcomers)


def test_of_too_many_newcomers_from_one_place_the_oldest_is_dropped(address):
    """The 65th newcomer costs the first its place, and nobody else; that is counted."""
    with listen(address) as listener:
        strangers = []
        for number in range(65):
            strangers.append(dial(listener.address))
            strangers[-1].send(b"l")  # over TCP the system keeps back a client that sends nothing
            until(lambda: len(looked(listener)) + listener.dropped > number, "it is there")  # noqa: B023
        assert listener.dropped == 1
        strangers[0].settimeout(60)
        assert strangers[0].recv(1) == b""
        for stranger in strangers[1:]:
            with pytest.raises(BlockingIOError):
                stranger.recv(1, socket.MSG_DONTWAIT)
        for stranger in strangers:
            stranger.close()


def test_silent_newcomers_are_dropped_first(tmp_path):
    """64 silent connections of a user do not cost its place another one that has sent."""
    with listen(f"unix://{tmp_path}/it", token=TOKEN) as listener:
        with dial(listener.address) as speaking:
            speaking.send(b"l")
            until(lambda: looked(listener), "it is there")
            silent = [dial(listener.address) for _ in range(100)]
            until(lambda: looked(listener) and listener.dropped == 37, "the others are dropped")
            with pytest.raises(BlockingIOError):
                speaking.recv(1, socket.MSG_DONTWAIT)
            for stranger in silent:
                stranger.close()


def test_dropped_newcomers_are_logged_once_a_second_at_most(tmp_path, caplog):
    """One warning states how many lost their place, and whose they were."""
    with listen(f"unix://{tmp_path}/it", token=TOKEN) as listener:
        strangers = [dial(listener.address) for _ in range(200)]
        until(lambda: looked(listener) and listener.dropped == 136, "the others are dropped")
        messages = [record.getMessage() for record in caplog.records]
        assert 1 <= len(messages) <= 3
        assert f"user {os.geteuid()}" in messages[0]
        assert messages[0].isprintable()
        for stranger in strangers:
            stranger.close()


def test_a_wrong_token_gets_no_answer_at_once(address, monkeypatch):
    """A client whose proof is wrong is kept waiting without an answer, and then dropped."""
    monkeypatch.setattr(newcomers, "PAUSE", 1e6)
    with listen(address, token=TOKEN) as listener, Accepting(listener) as server:
        with dial(listener.address) as stranger:
            guess(stranger)
            waiting = listener._end._newcomers
            until(lambda: [one for one in waiting if one.until > 1e5], "its proof was checked")
            with pytest.raises(BlockingIOError):
                stranger.recv(1, socket.MSG_DONTWAIT)
            connect(listener.address, token=TOKEN, timeout=60).close()  # others are accepted
            for one in list(listener._end._newcomers):
                one.until = 0.0
            connect(listener.address, token=TOKEN, timeout=60).close()
            stranger.settimeout(60)
            assert stranger.recv(1) == b""
            until(lambda: len(server.accepted) == 2, "both are accepted")


def guess(stranger):
    """Perform the handshake with another token, up to the proof."""
    handshake = Handshake("client", secrets.token_bytes(32))
    stranger.sendall(handshake.take())
    stranger.settimeout(60)
    while handshake.wanted and not handshake.greeted:
        handshake.receive(stranger.recv(handshake.wanted))
    stranger.sendall(handshake.take())
    stranger.settimeout(None)


def test_guesses_of_one_address_are_looked_at_four_times_a_second(address, monkeypatch):
    """Of any number of proofs at once 4 are checked, and no more when their clients leave."""
    monkeypatch.setattr(newcomers, "PAUSE", 1e6)
    looked_at = []
    check = Handshake._check_proof
    monkeypatch.setattr(
        Handshake, "_check_proof", lambda *given: looked_at.append(1) or check(*given)
    )
    with listen(address, token=TOKEN) as listener, Accepting(listener):
        strangers = [dial(listener.address) for _ in range(20)]
        for stranger in strangers:
            guess(stranger)
        until(lambda: len(listener._end._newcomers._held) == 16, "the others are held back")
        assert len(looked_at) == 4
        for stranger in strangers[:10]:
            stranger.close()  # giving up a place gives no further guess
        more = [dial(listener.address) for _ in range(20)]
        for stranger in more:
            guess(stranger)
        until(lambda: len(listener._end._newcomers._held) == 36, "they are held back, too")
        assert len(looked_at) == 4
        for stranger in strangers + more:
            stranger.close()


def floods(address):
    """Connect as often as possible, and keep the last 200 connections open."""
    host, port = address.removeprefix("tcp://").split(":")
    held = deque()
    point("begins")
    while True:
        stranger = socket.socket()
        stranger.setblocking(False)
        with contextlib.suppress(OSError):
            stranger.connect((host, int(port)))
        held.append(stranger)
        if len(held) > 200:
            held.popleft().close()


def from_afar(address):
    """Whether a client is accepted that is 40 ms away."""
    host, port = address.removeprefix("tcp://").split(":")
    greeting = Greeting("client", token=TOKEN.encode(), largest=1)
    try:
        with socket.create_connection((host, int(port)), timeout=60) as friend:
            while not greeting.done:
                sleep(0.04)  # the way there
                friend.sendall(greeting.take())
                greeting.receive(friend.recv(greeting.appetite))
            friend.sendall(greeting.take())
    except (OSError, AccessDenied):
        return False
    return True


def test_friends_far_away_get_in_beside_a_flood_of_silent_strangers():
    """12 or more of 15 clients 40 ms away are accepted, though strangers share their address."""
    with listen("tcp://127.0.0.1:0", token=TOKEN) as listener, Accepting(listener):
        with Process(floods, listener.address) as one, Process(floods, listener.address) as two:
            one.reach("begins")
            two.reach("begins")
            until(lambda: listener.dropped > 1000, "it is a flood")
            assert sum(from_afar(listener.address) for _ in range(15)) >= 12


def test_the_slow_are_dropped(address, monkeypatch):
    """A newcomer that has not finished its handshake in time is dropped while accept waits."""
    monkeypatch.setattr(newcomers, "PATIENCE", 0.05)
    with listen(address) as listener, Accepting(listener), dial(listener.address) as stranger:
        stranger.settimeout(60)
        assert stranger.recv(1) == b""


def test_who_talks_too_much_is_dropped(address):
    """A stranger that sends more than 4 KiB, or another protocol, is dropped."""
    with listen(address, token=TOKEN) as listener, Accepting(listener) as server:
        for sent in (b"GET / HTTP/1.1\r\n\r\n" * 20, bytes(5000), b"liaison\x01" + bytes(5000)):
            with dial(listener.address) as stranger:
                stranger.settimeout(60)
                try:
                    stranger.sendall(sent)
                    while stranger.recv(1000):
                        pass
                except ConnectionError:
                    pass
        assert not server.accepted


def test_what_follows_the_handshake_at_once_is_not_lost(address):
    """Messages that are sent right behind the greeting, and before accept is called, arrive."""
    with listen(address) as listener, connect(listener.address) as client:
        client.send_many(range(100))
        client.send(b"x" * 20_000)
        with listener.accept(timeout=60) as server:
            assert [server.receive(timeout=60) for _ in range(100)] == list(range(100))
            assert server.receive(timeout=60) == b"x" * 20_000


def test_waiting_for_nobody_is_empty(address):
    """accept with a timeout raises Empty; the descriptor is readable when a client comes."""
    with listen(address) as listener:
        for timeout in (0, 0.01):
            with pytest.raises(Empty):
                listener.accept(timeout=timeout)
        assert not select.select([listener], [], [], 0)[0]
        with connect(listener.address):
            assert select.select([listener], [], [], 60)[0]
            listener.accept(timeout=60).close()


def test_a_server_that_does_not_answer_is_a_timeout(address):
    """connect with a token to a listener that accepts nobody is a TimeoutError in time."""
    with listen(address, token=TOKEN) as listener, pytest.raises(TimeoutError) as raised:
        connect(listener.address, token=TOKEN, timeout=0.05)
    assert isinstance(raised.value, CallTimeout)


def test_nobody_there_is_not_found(tmp_path):
    """Connecting where nobody listens is NotFound, on Unix sockets and over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for address in (f"unix://{tmp_path}/nothing", f"tcp://127.0.0.1:{port}"):
        with pytest.raises(NotFound):
            connect(address)


def test_closing_wakes_who_accepts_and_keeps_connections(address):
    """Closing a listener ends accept with Closed; accepted connections go on."""
    listener = listen(address)
    with Accepting(listener) as server, connect(listener.address) as client:
        until(lambda: server.accepted, "it is accepted")
        listener.close()
        listener.close()
        client.send("still")
        assert server.accepted[0].receive(timeout=60) == "still"
        with pytest.raises(Closed):
            listener.accept()


# ---- where


@pytest.mark.parametrize("address", ["orders", "shm://a/b", "nats://host/orders"])
def test_what_is_no_socket_is_refused(address):
    """Addresses of other carriers are InvalidAddress."""
    for use in (listen, connect):
        with pytest.raises(InvalidAddress):
            use(address)


def test_the_network_needs_tls_and_a_token():
    """An address beyond this machine is refused without both, or insecure=True."""
    for options in ({}, {"token": TOKEN}):
        with pytest.raises(ValueError, match="insecure"):
            listen("tcp://0.0.0.0:0", **options)
        with pytest.raises(ValueError, match="insecure"):
            connect("tcp://192.0.2.1:1", timeout=0, **options)
    listen("tcp://0.0.0.0:0", insecure=True).close()


def test_a_port_that_is_taken_is_name_taken():
    """The second listener at a port is NameTaken; localhost needs neither TLS nor a token."""
    with listen("tcp://localhost:0") as listener, pytest.raises(NameTaken):
        listen(listener.address)


def test_a_socket_file_is_its_users_alone_and_goes_with_its_listener(tmp_path):
    """The file has mode 0600 whatever the umask, nothing lies beside it, and close removes it."""
    old = os.umask(0)
    try:
        listener = listen(f"unix://{tmp_path}/it")
    finally:
        os.umask(old)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.lstat().st_mode) == 0o600
    with pytest.raises(NameTaken):
        listen(f"unix://{tmp_path}/it")
    listener.close()
    assert not list(tmp_path.iterdir())


def listens(address):
    with listen(address):
        point("listening", wait=True)


def test_a_dead_listeners_file_is_replaced(tmp_path):
    """The socket of a killed listener gives way to a new one."""
    address = f"unix://{tmp_path}/it"
    with Process(listens, address) as first:
        first.reach("listening")
        with pytest.raises(NameTaken):
            listen(address)
        first.kill()
    assert list(tmp_path.iterdir())
    with listen(address) as listener, connect(address) as client:
        client.send(1)
        with listener.accept(timeout=60) as server:
            assert server.receive(timeout=60) == 1
    assert not list(tmp_path.iterdir())


def races(address):
    point("ready", wait=True)
    try:
        listener = listen(address)
    except NameTaken:
        point("outcome", False)
        return
    point("outcome", True)
    point("wait", wait=True)
    listener.close()


def test_one_of_many_replaces_a_dead_listener(tmp_path):
    """Of processes that race for the place of a dead listener, one gets it and can be reached."""
    address = f"unix://{tmp_path}/it"
    for _ in range(5):
        with Process(listens, address, fork=True) as dead:
            dead.reach("listening")
            dead.kill()
        racers = [Process(races, address, fork=True) for _ in range(6)]
        try:
            for racer in racers:
                racer.reach("ready")
            for racer in racers:
                racer.go_on()
            assert sum(racer.reach("outcome") for racer in racers) == 1
            connect(address).close()
            assert len(list(tmp_path.iterdir())) == 1
        finally:
            for racer in racers:
                racer.__exit__(None, None, None)


@pytest.mark.parametrize("what", ["file", "directory", "symlink", "fifo", "datagram"])
def test_what_is_not_a_socket_of_ours_is_left_alone(tmp_path, what):
    """A file, directory, link, FIFO or other socket in the place is NameTaken, and untouched."""
    path = tmp_path / "it"
    if what == "file":
        path.write_text("precious")
    elif what == "directory":
        path.mkdir()
    elif what == "symlink":
        path.symlink_to(tmp_path / "elsewhere")
    elif what == "fifo":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.bind(str(path))
    before = path.lstat()
    if what == "datagram":  # dead, and a socket: it may be replaced
        listen(f"unix://{path}").close()
        return
    with pytest.raises(NameTaken):
        listen(f"unix://{path}")
    assert path.lstat() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT CHECKED: becoming another user needs root")
def test_another_users_listener_needs_a_token(space):
    """Connecting to another user's socket is AccessDenied before anything is sent."""
    os.chmod(space.root, 0o777)
    path = space.root / "it"
    program = (
        "import os, socket, sys\n"
        "os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n"
        "print('ready', flush=True); c, _ = s.accept(); print(c.recv(100))\n"
    )
    command = ["python3", "-c", program, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as squatter:
        assert squatter.stdout.readline() == "ready\n"
        with pytest.raises(AccessDenied):
            connect(f"unix://{path}")
        assert squatter.stdout.readline() == "b''\n"


# ---- TLS


@pytest.mark.parametrize("token", [None, TOKEN])
def test_tls_carries_messages(certificate, token):
    """Over TLS messages of all sizes arrive both ways, then the end."""
    trusted, *own = certificate
    with listen("tls://127.0.0.1:0", tls=tuple(own), token=token) as listener:
        with Accepting(listener) as accepting:
            client = connect(listener.address, tls=trusted, token=token, timeout=60)
            until(lambda: accepting.accepted, "it is accepted")
            server = accepting.accepted[0]
            assert client.encrypted
            assert server.encrypted
            for one, other in ((client, server), (server, client)):
                for size in (0, 10, 20_000, 3_000_000):
                    sender = Beside(one.send, b"x" * size)
                    assert other.receive(timeout=60) == b"x" * size
                    sender.result()
            assert client.send_many(range(1000)) == 1000
            assert [server.receive(timeout=60) for _ in range(1000)] == list(range(1000))
            while client.try_send(b"y" * 100_000):
                pass
            sender = Beside(lambda: (client.flush(), client.send("end")))
            while server.receive(timeout=60) != "end":
                pass
            sender.result()
            client.close()
            with pytest.raises(Ended) as raised:
                server.receive(timeout=60)
            assert raised.value.clean


def interrupted_over_tls(address, trusted):
    interruption = Interruption()
    received = []
    ended = ""
    connection = connect(address, tls=trusted, token=TOKEN)
    connection.send("here")
    while not ended and received[-1:] != ["end"]:
        try:
            interruption.armed = True
            try:
                received.append(connection.receive())
            except Ended as error:
                interruption.armed = False
                ended = str(error)
            interruption.armed = False
        except KeyboardInterrupt:
            pass
    connection.close()
    return ended, received


def test_an_interrupted_receiver_over_tls_receives_whole_messages_only(certificate):
    """However often Ctrl-C interrupts receiving, at worst the session ends, with the reason."""
    trusted, *own = certificate
    with listen("tls://127.0.0.1:0", tls=tuple(own), token=TOKEN) as listener:
        with Process(interrupted_over_tls, listener.address, trusted) as receiver:
            with listener.accept(timeout=60) as server:
                server.receive(timeout=60)
                with contextlib.suppress(BrokenPipeError):
                    for number in range(300):
                        server.send([number] * (number * 20))
                        receiver.interrupt()
                    server.send_many(["end"] * 5)
                ended, received = receiver.result()
    assert not ended or "interruption" in ended
    numbers = [message[0] for message in received if message and message != "end"]
    assert numbers == sorted(set(numbers))
    assert all(message == [message[0]] * (20 * message[0]) for message in received[1:-1])


def test_tls_refuses_who_cannot_be_trusted(certificate, tmp_path):
    """A certificate of an unknown authority, a wrong token and a wrong name are AccessDenied."""
    import trustme

    trusted, *own = certificate
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    with listen("tls://127.0.0.1:0", tls=tuple(own), token=TOKEN) as listener:
        with Accepting(listener) as accepting:
            with pytest.raises(AccessDenied, match="certificate"):
                connect(listener.address, tls=str(other), token=TOKEN, timeout=60)
            with pytest.raises(AccessDenied):
                connect(
                    listener.address, tls=trusted, token="another token for the tests", timeout=60
                )
            assert not accepting.accepted


def test_tls_is_not_downgraded(certificate):
    """A client that offers TLS 1.2 at most is refused, by its own side and by the server."""
    trusted, *own = certificate
    context = ssl.create_default_context(cafile=trusted)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.load_cert_chain(*own)
    for server in (tuple(own), old):
        with listen("tls://127.0.0.1:0", tls=server, token=TOKEN) as listener:
            with Accepting(listener) as accepting, pytest.raises(AccessDenied):
                connect(listener.address, tls=context, token=TOKEN, timeout=60)
            assert not accepting.accepted


def test_a_man_in_the_middle_is_noticed(certificate):
    """The token stops a man in the middle whose certificate the client trusts by mistake."""
    _trusted, *own = certificate
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(*own)
    with listen("tls://127.0.0.1:0", tls=tuple(own), token=TOKEN) as listener:
        with socket.create_server(("127.0.0.1", 0)) as middle, Accepting(listener) as accepting:

            def relay():
                victim, _ = middle.accept()
                with serving.wrap_socket(victim, server_side=True) as one:
                    with unchecked.wrap_socket(dial(listener.address)) as two:
                        with contextlib.suppress(OSError):
                            for source, target in ((one, two), (two, one)) * 2:
                                target.sendall(source.recv(4096))

            relaying = Beside(relay)
            address = f"tls://127.0.0.1:{middle.getsockname()[1]}"
            with pytest.raises(AccessDenied):
                connect(address, tls=unchecked, token=TOKEN, timeout=60)
            relaying.result()
            assert not accepting.accepted


def test_tls_needs_a_certificate():
    """Listening at tls:// without a certificate is a TypeError that names the argument."""
    with pytest.raises(TypeError, match="tls="):
        listen("tls://127.0.0.1:0")
