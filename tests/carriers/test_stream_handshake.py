"""The handshake, without any socket: who is admitted, and that nobody else is."""

import secrets
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.carriers.stream.greeting import Greeting
from liaison.carriers.stream.handshake import HELLO, PROOF, Handshake
from liaison.carriers.stream.tls import context_for
from liaison.errors import AccessDenied, Corrupt, VersionMismatch

TOKEN = secrets.token_bytes(32)
REFUSED = (AccessDenied, Corrupt, VersionMismatch)


def met(client, server):
    while not (client.done and server.done):
        server.receive(client.take())
        client.receive(server.take())


@pytest.mark.parametrize("token", [None, TOKEN], ids=["none", "token"])
def test_ends_that_agree_admit_each_other_and_tell_their_sizes(token):
    """Two ends with the same token, or none, are done and know the other's largest message."""
    client, server = Handshake("client", token, largest=7), Handshake("server", token, largest=9)
    met(client, server)
    assert (client.theirs, server.theirs) == (9, 7)


@pytest.mark.parametrize("size", [1, 2, 5, HELLO, 500])
def test_any_cut_of_the_bytes_will_do_and_the_rest_is_kept(size):
    """The handshake takes its bytes in pieces, and leaves what comes after it."""
    client, server = Handshake("client", TOKEN), Handshake("server", TOKEN)
    while not server.done:
        outgoing = client.take()
        if not server.wanted > PROOF and outgoing:
            outgoing += b"the rest"
        for start in range(0, len(outgoing), size):
            server.receive(outgoing[start : start + size])
        client.receive(server.take())
    assert server.rest == b"the rest"


def test_ten_thousand_bad_tokens_are_refused():
    """Of 10,000 clients with another token the server admits none, and proves nothing to them."""
    for number in range(10_000):
        bad = TOKEN[:-2] + number.to_bytes(2, "big") if number % 2 else secrets.token_bytes(32)
        if bad == TOKEN:
            continue
        client, server = Handshake("client", bad), Handshake("server", TOKEN)
        server.receive(client.take())
        client.receive(server.take())
        with pytest.raises(AccessDenied):
            server.receive(client.take())
        assert not server.done
        assert server.take() == b""


def test_a_false_server_is_refused():
    """A client takes no proof but that of the token, nor one of its own making."""
    for proof in (secrets.token_bytes(PROOF), bytes(PROOF), None):
        client, server = Handshake("client", TOKEN), Handshake("server", b"another")
        server.receive(client.take())
        client.receive(server.take())
        own = client.take()
        with pytest.raises(AccessDenied):
            client.receive(own if proof is None else proof)
        assert not client.done


def test_a_recorded_handshake_is_refused_when_replayed():
    """Every byte that a client once sent, sent again to the same server, admits nobody."""
    client, server = Handshake("client", TOKEN), Handshake("server", TOKEN)
    recorded = client.take()
    server.receive(recorded)
    client.receive(server.take())
    recorded += client.take()
    server.receive(recorded[HELLO:])
    assert server.done
    again = Handshake("server", TOKEN)
    with pytest.raises(AccessDenied):
        again.receive(recorded)
    assert not again.done


def test_a_handshake_is_refused_when_reflected():
    """What an end says, sent back to it, or to another like it, is no proof."""
    client = Handshake("client", TOKEN)
    with pytest.raises(AccessDenied, match="own hello"):
        client.receive(client.take())
    # Two servers, or two clients, played against each other.
    for role in ("client", "server"):
        one, two = Handshake(role, TOKEN), Handshake(role, TOKEN)
        hello = Handshake("client", TOKEN).take()
        one.receive(one.take() and hello if role == "server" else hello)
        two.receive(hello)
        with pytest.raises(AccessDenied):
            two.receive((one.take() + bytes(HELLO + PROOF))[-PROOF:])


def test_neither_end_can_be_talked_out_of_its_token():
    """An end with a token refuses one without, also when the flag is changed on the way."""
    for ours, theirs in ((TOKEN, None), (None, TOKEN)):
        client, server = Handshake("client", ours), Handshake("server", theirs)
        with pytest.raises(AccessDenied):
            server.receive(client.take())
        with pytest.raises(AccessDenied):
            client.receive(server.take())
    client, server = Handshake("client", TOKEN), Handshake("server", TOKEN)
    hello = bytearray(client.take())
    hello[8] ^= 1
    with pytest.raises(AccessDenied):
        server.receive(bytes(hello))


@pytest.mark.parametrize("place", range(HELLO))
def test_a_byte_changed_on_the_way_is_noticed(place):
    """Whatever byte of a hello is changed, in whichever direction, the proof fails."""
    for of_client in (True, False):
        client, server = Handshake("client", TOKEN), Handshake("server", TOKEN)
        with pytest.raises(REFUSED):
            hello = bytearray(client.take())
            hello[place] ^= of_client
            server.receive(bytes(hello))
            answer = bytearray(server.take())
            answer[place] ^= not of_client
            client.receive(bytes(answer))
            server.receive(client.take())
        assert not (client.done)
        assert not (server.done)


def test_a_proof_of_one_tls_session_is_none_in_another():
    """Who stands between two TLS sessions and hands everything on is refused."""
    client = Handshake("client", TOKEN, binding=b"session 1")
    server = Handshake("server", TOKEN, binding=b"session 2")
    with pytest.raises(AccessDenied):
        met(client, server)


def test_proofs_that_would_be_bound_to_nothing_are_refused():
    """TLS that tells nothing of its session is AccessDenied for either end."""
    for role in ("client", "server"):
        with pytest.raises(AccessDenied, match="tls-unique"):
            Handshake(role, TOKEN, binding=b"")


def test_a_session_that_cannot_be_told_from_others_is_refused(certificate, monkeypatch):
    """Where Python's TLS gives no channel binding, the handshake over it fails at both ends."""
    monkeypatch.setattr(ssl.SSLObject, "get_channel_binding", lambda *_: None)
    ends = greetings(certificate, *contexts(certificate))
    with pytest.raises(AccessDenied, match="tls-unique"):
        greet(*ends)
    with pytest.raises(AccessDenied, match="tls-unique"):
        greet(*reversed(ends))


def contexts(certificate):
    trusted, *own = certificate
    return context_for(trusted, server=False), context_for(tuple(own), server=True)


def greetings(certificate, client, server):
    return (
        Greeting("client", token=TOKEN, largest=9, context=client, hostname="localhost"),
        Greeting("server", token=TOKEN, largest=9, context=server),
    )


def greet(one, other):
    """Hand on what two ends say until both are done, or one of them is not content."""
    while not (one.done and other.done):
        for source, target in ((one, other), (other, one)):
            if data := source.take():
                target.receive(data)


def test_what_identifies_a_tls_session_is_its_own_and_known_to_both(certificate):
    """Both ends see the same 32 bytes or more, other ones in each session, a resumed one too."""
    client, server = contexts(certificate)
    seen, resumed, previous = set(), [], None
    for _ in range(4):
        ends = []
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        made = (
            client.wrap_bio(incoming, outgoing, server_hostname="localhost", session=previous),
            server.wrap_bio(outgoing, incoming, server_side=True),
        )
        waiting = list(made)
        while waiting:
            for end in list(waiting):
                try:
                    end.do_handshake()
                    waiting.remove(end)
                except ssl.SSLWantReadError:
                    pass
        made[1].write(b"x")
        made[0].read(1)  # the tickets come with it
        previous = made[0].session
        resumed.append(made[0].session_reused)
        ends = [end.get_channel_binding("tls-unique") for end in made]
        assert ends[0] == ends[1]
        assert len(ends[0]) >= 32
        seen.add(ends[0])
    assert len(seen) == 4
    assert resumed == [False, True, True, True]


def test_the_keys_of_records_are_each_connections_and_directions_own():
    """Both ends have the same two keys, crosswise; another connection has others; TLS has none."""
    seen = set()
    for _ in range(3):
        client, server = Handshake("client", TOKEN), Handshake("server", TOKEN)
        met(client, server)
        assert client.keys == server.keys[::-1]
        seen.update(client.keys)
    assert len(seen) == 6
    assert all(len(key) == 32 for key in seen)
    client, server = (Handshake(role, TOKEN, binding=b"one") for role in ("client", "server"))
    met(client, server)
    assert client.keys is None
    assert server.keys is None


def test_another_version_is_named():
    """A peer that speaks another version of the protocol is a VersionMismatch."""
    for change in (-1, 1):
        hello = bytearray(Handshake("client").take())
        hello[7] += change
        with pytest.raises(VersionMismatch):
            Handshake("server").receive(bytes(hello))


@given(st.sampled_from(["client", "server"]), st.lists(st.binary(max_size=100), max_size=8))
def test_any_bytes_are_refused_with_a_typed_error(role, pieces):
    """Random bytes admit nobody, and raise nothing that is not of liaison."""
    end = Handshake(role, TOKEN)
    try:
        for piece in pieces:
            end.receive(piece)
    except REFUSED:
        pass
    assert not end.done


@given(st.data())
def test_changed_bytes_admit_nobody(data):
    """A client's bytes with one changed, wherever, end in a typed error or in waiting."""
    client, server = Handshake("client", TOKEN), Handshake("server", TOKEN)
    try:
        for _ in range(2):
            outgoing = bytearray(client.take())
            place = data.draw(st.integers(0, len(outgoing) - 1))
            outgoing[place] ^= data.draw(st.integers(1, 255))
            server.receive(bytes(outgoing))
            client.receive(server.take())
    except REFUSED:
        pass
    assert not server.done


def test_a_stranger_gets_four_kibibytes():
    """Bytes above 4 KiB from who has not proven anything end the handshake."""
    greeting = Greeting("server", token=TOKEN, largest=100)
    assert greeting.appetite == 4096
    hello = Handshake("client", TOKEN).take()
    greeting.receive(hello)
    assert greeting.appetite == 4096 - HELLO
