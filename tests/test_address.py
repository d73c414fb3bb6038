import pickle
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from liaison.address import Address, check_name
from liaison.errors import InvalidAddress

words = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=20)
names = st.lists(words, min_size=1, max_size=4).map(".".join)
ports = st.integers(1, 65535)
hosts = st.one_of(
    st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,5})?", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
)
places = st.tuples(hosts, ports)
addresses = st.one_of(
    st.builds(Address, st.just("shm"), space=names, name=names, owner=st.none() | names),
    st.builds(
        Address,
        st.just("nats"),
        name=names,
        hosts=st.lists(places, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(Address, st.sampled_from(["tcp", "tls"]), hosts=places.map(lambda one: (one,))),
    st.builds(Address, st.just("unix"), path=names.map(lambda name: f"/run/{name}/socket")),
)


def parse(text, space=None):
    return Address.parse(text, environ={} if space is None else {"LIAISON_SPACE": space})


@given(names)
@example("x" * 100)
def test_names_within_the_grammar_are_good(name):
    """A name of letters, digits, underscores, hyphens and single inner dots is returned."""
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        (".", "starts with a dot"),
        (".hidden", "starts with a dot"),
        ("..", "starts with a dot"),
        ("end.", "ends with a dot"),
        ("a..b", "two dots"),
        ("a/b", "holds '/'"),
        ("../a", "holds '/'"),
        ("a b", "holds ' '"),
        (" a", "holds ' '"),
        ("a\n", r"U\+000A"),
        ("a\0", r"U\+0000"),
        ("a%2e", "holds '%'"),
        ("a*", "holds '*'"),
        ("a>", "holds '>'"),
        ("а", r"U\+0430"),  # a Cyrillic letter
        ("ａ", r"U\+FF41"),  # a full-width letter
        ("a\u200b", r"U\+200B"),
        ("٣", r"U\+0663"),  # a digit, to str.isdigit()
        ("x" * 101, "101 characters"),
        ("\ud800", r"U\+D800"),
    ],
)
def test_other_names_are_refused_with_the_reason(name, reason):
    """Another name is an InvalidAddress that says what is wrong and what is allowed."""
    with pytest.raises(InvalidAddress, match=reason) as caught:
        check_name(name)
    assert "use only" in str(caught.value)
    with pytest.raises(InvalidAddress):
        parse(name)


@given(st.text())
def test_a_name_is_refused_or_harmless_as_a_file_name(text):
    """Whatever check_name accepts is one plain component of a path in ASCII."""
    try:
        name = check_name(text)
    except InvalidAddress:
        return
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set("/\\%*> ")
    assert name not in (".", "..")


@pytest.mark.parametrize("value", [None, 1, b"orders", bytearray(b"x"), ["a"], 1.5])
@pytest.mark.parametrize("call", [check_name, Address.parse, Address.parse_space])
def test_what_is_no_str_is_a_type_error(call, value):
    """An address or a name of another type than str is a TypeError."""
    with pytest.raises(TypeError, match="is a str, not"):
        call(value)


@pytest.mark.parametrize(
    ("space", "url"),
    [
        (None, "shm://default/orders"),
        ("", "shm://default/orders"),
        ("lab", "shm://lab/orders"),
        ("alice@lab", "shm://alice@lab/orders"),
        ("shm://lab", "shm://lab/orders"),
        ("shm://alice@lab/", "shm://alice@lab/orders"),
        ("nats://host", "nats://host:4222/orders"),
        ("nats://host:4333/", "nats://host:4333/orders"),
        ("nats://a,b:1,[::1]", "nats://a:4222,b:1,[::1]:4222/orders"),
    ],
)
def test_bare_names_are_in_the_current_space(space, url):
    """A bare name is in the space that LIAISON_SPACE names, and in "default" without it."""
    assert str(parse("orders", space)) == url


def test_environment_is_that_of_the_process(monkeypatch):
    """Unless told otherwise, LIAISON_SPACE is read from the process's environment at each call."""
    monkeypatch.setenv("LIAISON_SPACE", "lab")
    assert Address.parse("orders").space == "lab"
    monkeypatch.delenv("LIAISON_SPACE")
    assert Address.parse("orders").space == "default"


@pytest.mark.parametrize(
    "space",
    ["a b", "..", "http://x", "unix:///a", "tcp://h:1", "shm://lab/name", "nats://", "@lab"],
)
def test_bad_current_space_names_the_variable(space):
    """A bad LIAISON_SPACE is an InvalidAddress that names the variable, not the link's name."""
    with pytest.raises(InvalidAddress, match="LIAISON_SPACE"):
        parse("orders", space)


def test_urls_do_not_depend_on_the_current_space():
    """A URL means the same whatever LIAISON_SPACE is."""
    assert parse("shm://lab/orders", "nats://host") == parse("shm://lab/orders")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("shm://lab/orders", {"space": "lab", "name": "orders"}),
        ("SHM://lab/orders", {"space": "lab", "name": "orders"}),
        ("shm://alice@lab/a.b", {"space": "lab", "name": "a.b", "owner": "alice"}),
        ("nats://h/orders", {"hosts": (("h", 4222),), "name": "orders"}),
        ("nats://H.Example:1/o", {"hosts": (("h.example", 1),), "name": "o"}),
        (
            "nats://me:secret@h/o",
            {"hosts": (("h", 4222),), "credentials": "me:secret", "name": "o"},
        ),
        ("nats://[0:0::1],10.0.0.1/o", {"hosts": (("::1", 4222), ("10.0.0.1", 4222)), "name": "o"}),
        ("unix:///run/x y/s", {"path": "/run/x y/s"}),
        ("unix:///home/josé/s", {"path": "/home/josé/s"}),
        ("tcp://127.0.0.1:0", {"hosts": (("127.0.0.1", 0),)}),
        ("tls://[::1]:443/", {"hosts": (("::1", 443),)}),
        ("tcp://my_service:80", {"hosts": (("my_service", 80),)}),
    ],
)
def test_urls_have_the_parts_they_show(text, parts):
    """A URL is read into the parts of its scheme, with the others left empty."""
    scheme = text.partition(":")[0].lower()
    assert parse(text) == Address(scheme, **parts)


@given(addresses)
def test_an_address_survives_its_str_and_pickling(address):
    """An address comes back equal, with the same hash, from its str and from a pickle."""
    again = parse(str(address))
    assert again == address
    assert hash(again) == hash(address)
    assert str(again) == str(address)
    assert pickle.loads(pickle.dumps(address)) == address


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("http://h/x", "unknown scheme"),
        ("://x", "unknown scheme"),
        ("shm://", "lacks its space"),
        ("shm:///orders", "lacks its space"),
        ("shm://lab", "add a name"),
        ("shm://lab/", "add a name"),
        ("shm://lab/a/b", "holds '/'"),
        ("shm://lab//a", "holds '/'"),
        ("shm://lab/..", "starts with a dot"),
        ("shm://../a", "starts with a dot"),
        ("shm://@lab/a", "bad owner"),
        ("shm://a@b@lab/a", "bad owner"),
        ("shm://lab/a%2fb", "holds '%'"),
        ("shm://lab/a?x=1", r"holds '\?'"),
        ("shm://lab/a#x", "holds '#'"),
        ("shm://lab/a\n", r"U\+000A"),
        ("shm://lab/\0", r"U\+0000"),
        ("shm://läb/a", r"U\+00E4"),
        ("nats://h", "add a name"),
        ("nats:///o", "bad host"),
        ("nats://h:0/o", "bad port"),
        ("nats://h:65536/o", "bad port"),
        ("nats://h:x/o", "HOST:PORT"),
        ("nats://h:/o", "HOST:PORT"),
        ("nats://h:+1/o", "HOST:PORT"),
        ("nats://a,,b/o", "bad host"),
        ("nats://::1/o", "brackets"),
        ("nats://[h]/o", "brackets"),
        ("nats://[::1/o", "brackets"),
        ("nats://[::g]/o", "bad host"),
        ("nats://@h/o", "credentials"),
        ("nats://127.1/o", "bad host"),
        ("nats://2130706433/o", "bad host"),
        ("nats://0x7f000001/o", "bad host"),
        ("nats://127.0.0.01/o", "bad host"),
        ("nats://-h/o", "bad host"),
        ("nats://h./o", "bad host"),
        ("nats://h o/o", "bad host"),
        ("nats://h/o/p", "holds '/'"),
        ("nats://host/x@evil/o", "credentials"),
        ("unix://relative", "absolute path"),
        ("unix:///", "absolute path"),
        ("unix:///dir/", "absolute path"),
        ("unix://", "absolute path"),
        ("unix:///a%20b", "holds '%'"),
        ("unix:///a\x1b[m", r"U\+001B"),
        ("unix:///" + "x" * 107, "108 bytes"),
        ("unix:///" + "é" * 60, "121 bytes"),
        ("tcp://h", "lacks its port"),
        ("tcp://:1", "bad host"),
        ("tcp://*:1", "bad host"),
        ("tcp://a:1,b:2", "one host"),
        ("tcp://me@h:1", "no credentials"),
        ("tcp://h:1/name", "no name"),
        ("shm:orders", "holds ':'"),
        ("alice@lab/orders", "holds '@'"),
    ],
)
def test_bad_addresses_are_refused_with_a_hint(text, hint):
    """What is not an address is an InvalidAddress that says what is wrong."""
    with pytest.raises(InvalidAddress, match=hint):
        parse(text)


@given(st.text() | st.text("shmnatucpl:/@[]%.,-09\n\0 ", max_size=40))
@example("shm://" + "a" * 10_000)
@example("nats://[" + ":" * 10_000)
def test_any_text_is_an_address_or_invalid(text):
    """Whatever the text, parsing it gives an address or InvalidAddress, and nothing else."""
    try:
        address = parse(text)
    except InvalidAddress as error:
        shown = str(error)
    else:
        assert parse(str(address)) == address or address.credentials
        shown = str(address)
    assert shown.isprintable()
    assert len(shown) < 1500


SECRET = "hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"nats://me:{SECRET}@h/o",
        f"nats://{SECRET}@h/o",
        f"nats://me:{SECRET}@h",
        f"nats://me:{SECRET}@h:x/o",
        f"nats://me:{SECRET}@h/bad name",
        f"nats://me:{SECRET}@/o",
        f"nats://me:{SECRET}%@h/o",
        f"nats://me:{SECRET}/@h/o",
        f"nats://me:{SECRET}@x@h/o",
        f"nats://a://{SECRET}@h/o",
        f"nats://me:{SECRET}\n@h/o",
        f"http://me:{SECRET}@h/o",
        f"tcp://me:{SECRET}@h:1",
        f"shm://me:{SECRET}@lab/o",
        f"shm://me:{SECRET}@lab/o/p",
        f"me:a://{SECRET}@h/o",
        f"me:{SECRET}@h/o",
        f"me:{SECRET}@h",
    ],
)
@pytest.mark.parametrize("as_space", [False, True])
def test_credentials_are_never_shown(text, as_space):
    """Neither the repr and str of an address nor the text of an error shows a password or token."""
    try:
        address = parse("o", text) if as_space else parse(text)
    except InvalidAddress as error:
        shown = str(error)
    else:
        assert SECRET in address.credentials
        shown = repr(address) + str(address)
    assert SECRET not in shown


def test_credentials_tell_addresses_apart():
    """Addresses with different credentials differ, so no connection is shared between them."""
    assert parse("nats://me:one@h/o") != parse("nats://me:two@h/o")
    assert str(parse("nats://me:one@h/o")) == str(parse("nats://me:two@h/o")) == "nats://h:4222/o"


def test_addresses_are_frozen():
    """An address cannot be changed, and takes no new attributes."""
    address = parse("orders")
    with pytest.raises(AttributeError):
        address.name = "other"
    with pytest.raises((AttributeError, TypeError)):
        address.colour = "red"


@pytest.mark.parametrize(
    "parts",
    [
        {"scheme": "http"},
        {"scheme": "shm"},
        {"scheme": "shm", "space": "..", "name": "a"},
        {"scheme": "shm", "space": "lab", "name": "a/b"},
        {"scheme": "shm", "space": "lab", "path": "/x"},
        {"scheme": "nats", "name": "a"},
        {"scheme": "nats", "space": "lab", "hosts": (("h", 1),)},
        {"scheme": "unix", "path": "x"},
        {"scheme": "unix", "path": "/a\0b"},
        {"scheme": "tcp", "hosts": (("h", 70000),)},
        {"scheme": "tcp", "hosts": (("h", 1),), "credentials": "x"},
    ],
)
def test_an_address_is_valid_however_it_is_made(parts):
    """An address made part by part is checked as one that is parsed."""
    with pytest.raises(InvalidAddress):
        Address(**parts)


@pytest.mark.parametrize("port", ["80", 80.0, True, None])
def test_a_port_is_an_int(port):
    """A port of another type than int is a TypeError."""
    with pytest.raises(TypeError, match="port"):
        Address("tcp", hosts=(("h", port),))


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("lab", "shm://lab"),
        ("alice@lab", "shm://alice@lab"),
        ("shm://lab/", "shm://lab"),
        ("nats://h", "nats://h:4222"),
    ],
)
def test_a_space_has_an_address_without_a_name(text, url):
    """The address of a space has no name, and its str reads back as a space."""
    space = Address.parse_space(text)
    assert space.name == ""
    assert str(space) == url
    assert Address.parse_space(url) == space


@pytest.mark.parametrize("text", ["", "shm://lab/orders", "unix:///x", "tcp://h:1", "a/b", "../x"])
def test_other_text_is_no_space(text):
    """A link's address, a socket's, or a bad name is no space."""
    with pytest.raises(InvalidAddress):
        Address.parse_space(text)
