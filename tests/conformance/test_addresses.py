"""Addresses: names and URLs, what they may be, and opening and creating by them."""

import pytest

from liaison import InvalidAddress, Mismatch, NameTaken, NotFound
from tests.conformance.kinds import on

BAD = ["", ".", "..", ".a", "a.", "a..b", "a/b", "a b", "ä", "a" * 101, "a\0", "\n", "a:b", "*"]
GOOD = ["a", "A-Z_0.9", "a" * 100, "0", "-", "_", "a.b-c_d"]


def takes_names(stage):
    return stage.carrier.names[stage.kind.maker]


def ways_in(stage):
    """All that is given a name, to find or to make a link."""
    make = takes_names(stage)
    ways = (make, make.open, make.observe) if "open" in stage.has else (make,)
    return (*ways, make.create) if hasattr(make, "create") else ways


@pytest.mark.parametrize("name", GOOD)
@on("named")
def test_what_a_name_may_be(stage, name):
    """A name is 1 to 100 characters of A-Z a-z 0-9 _ - . with no . at an end and no .. within."""
    if stage.kind.connect is None:
        assert stage.make(name).link.name == name
        return
    with takes_names(stage)(name) as end:
        assert end.link.name == name
        end.destroy()


@pytest.mark.parametrize("name", BAD)
@on("named")
def test_anything_else_is_an_invalid_address(stage, name, space):
    """Any other name is InvalidAddress, a ValueError, and nothing is created."""
    for use in ways_in(stage):
        with pytest.raises(InvalidAddress) as raised:
            use(name)
        assert isinstance(raised.value, ValueError)
    assert space.files("names") == []


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "unix:///it", "http://x/y", "shm://a"])
@on("named")
def test_another_carriers_address_is_refused(stage, address):
    """An address that no link of this kind can have is InvalidAddress."""
    with pytest.raises(InvalidAddress):
        takes_names(stage)(address)


@on("open", "buffered", "many")
def test_a_bare_name_is_in_the_current_space(stage, monkeypatch):
    """A bare name is in the space that LIAISON_SPACE names, `default` when it is unset."""
    make = takes_names(stage)
    receiver = stage.make("orders")
    here = stage.carrier.space or "shm://default"
    assert receiver.address == f"{here}/orders"
    with make.open(f"{here}/orders") as same:
        same.send("by its URL")
    assert receiver.receive(timeout=0) == "by its URL"
    elsewhere = f"{here.partition('://')[0]}://another"
    monkeypatch.setenv("LIAISON_SPACE", elsewhere)
    with pytest.raises(NotFound):
        make.open("orders")
    with make("orders") as other:
        assert other.address == f"{elsewhere}/orders"
        assert other.link.id != receiver.link.id
        other.destroy()
    monkeypatch.setenv("LIAISON_SPACE", stage.carrier.space)


@on("open")
def test_open_of_what_is_missing_is_not_found(stage):
    """Opening what does not exist is NotFound, a FileNotFoundError; nothing is created."""
    make = takes_names(stage)
    for use in (make.open, make.observe):
        with pytest.raises(NotFound) as raised:
            use("missing")
        assert isinstance(raised.value, FileNotFoundError)
        with pytest.raises(NotFound):
            use("missing")


@on("open", "receivers")
def test_create_makes_what_does_not_exist(stage):
    """`create` makes a link; of one that exists it is NameTaken, a FileExistsError."""
    create = takes_names(stage).create
    with create("fresh") as fresh:
        with pytest.raises(NameTaken) as raised:
            create("fresh")
        assert isinstance(raised.value, FileExistsError)
        assert len(fresh) == 0
        fresh.destroy()


@on("open", "receivers", "bounded", "buffered")
def test_another_geometry_is_a_mismatch(stage):
    """Opening a link with a geometry other than its own is Mismatch, a ValueError."""
    capacity = stage.kind.arguments.get("capacity", "capacity")
    stage.make("geometry", capacity=3)
    make = takes_names(stage)
    with pytest.raises(Mismatch) as raised:
        make("geometry", **{capacity: 4})
    assert isinstance(raised.value, ValueError)
    assert f"exists, and its {capacity} is 3, not 4" in str(raised.value)
    with make("geometry", **{capacity: 3}) as same:
        assert same.link.capacity == 3
    with make("geometry") as same:  # what is left out is not compared
        assert same.link.capacity == 3


@on("open", "access", "many")
def test_another_policy_is_a_mismatch(stage):
    """Opening a link with another policy than its own is Mismatch."""
    stage.make("policy", access="exclusive", max_deliveries=3)
    make = takes_names(stage)
    for wrong in ({"access": "any"}, {"max_deliveries": 4}, {"max_message": 10}):
        with pytest.raises(Mismatch):
            make("policy", **wrong)


@on("named")
def test_another_kind_is_a_mismatch(stage):
    """Opening a link as another kind of link is Mismatch, which names both kinds."""
    if stage.kind.connect is None:
        stage.make()
    else:
        stage.ends()
    for name in ("Mailbox", "MessageQueue", "Port", "Endpoint", "NamedPipe"):
        if name == stage.kind.maker:
            continue
        other = stage.carrier.names[name]
        for use in (other, other.open, other.observe) if hasattr(other, "open") else (other,):
            with pytest.raises(Mismatch) as raised:
                use(stage.address)
            assert use == getattr(other, "observe", None) or "exists, and is a" in str(raised.value)


@pytest.mark.parametrize(
    "wrong", [{"capacity": -1}, {"capacity": 1 << 40}, {"max_message": 0}], ids=str
)
@on("open", "bounded", "max_message")
def test_sizes_that_cannot_be_are_refused(stage, wrong):
    """A size that cannot be is a ValueError, and nothing is created."""
    with pytest.raises(ValueError, match="range"):
        stage.make("sizes", **wrong)
    with pytest.raises(NotFound):
        takes_names(stage).open("sizes")
