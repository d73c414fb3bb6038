"""Listing tells of each link what opening it would, and reads no directory twice."""

import os

from liaison import Endpoint, Mailbox, MessageQueue, NamedPipe, Port, Space, VersionMismatch
from liaison.address import Address
from liaison.carriers.contract import Listed
from liaison.carriers.registry import carrier_of
from liaison.links.observer import EndpointObserver, observed
from tests.links.actor import Actor


def opened(name):
    """What is told of a link by one who opens it."""
    with observed(name) as end:
        several = isinstance(end, EndpointObserver)
        return Listed(
            end.address,
            end.link,
            end.statistics(),
            end.aliases if several else [],
            end.known_as() if several else {},
        )


def links(counts=True):
    """What the current space holds."""
    here = Address.current_space()
    return carrier_of(here).space(here, create=False).listed(counts=counts)


def test_listing_tells_what_opening_tells(space):
    """Of every kind of link: its policy, its processes, its counts, its names."""
    with (
        Mailbox("box", capacity=4, max_deliveries=3) as box,
        MessageQueue("queue", max_messages=5) as queue,
        Port("port", dead_letters="letters") as port,
        NamedPipe("pipe") as pipe,
        Endpoint("one") as one,
        Endpoint("two") as two,
        Actor("far = Endpoint('far')", "far.send('one', 'from afar')") as far,
    ):
        box.send_many(["a", "b"])
        lease = box.lease()
        queue.put("c")
        one.send("two", "hello")
        one.rename("first")
        one.rename("second")
        two.send("one", "and back")
        found = links()
        assert [each.link.name for each in found] == [
            *("box", "far", "second", "pipe", "port", "queue", "two")
        ]
        assert [opened(each.link.name) for each in found] == found
        by_name = {each.link.name: each for each in found}
        assert by_name["box"].statistics.leased == 1
        assert by_name["second"].aliases == ["first", "one"]
        assert {peer.name for peer in by_name["second"].link.senders} == {"far", "two"}
        assert by_name["second"].statistics.waiting == 2
        assert Space().links() == [each.link for each in links(counts=False)]
        far.kill()
        assert [opened(each.link.name) for each in links()] == links()
        lease.acknowledge()
        for end in (box, queue, port, pipe, one, two):
            end.destroy()
    with observed("far") as left:
        left.destroy()


def test_listing_leaves_out_what_is_over(space):
    """A port whose receiver is dead and that has no dead letters is no link any more."""
    with Actor("port = Port('port')", "box = Mailbox('box')") as other:
        assert [each.link.name for each in links()] == ["box", "port"]
        other.kill()
    assert [each.link.name for each in links()] == ["box"]
    assert space.files("names") == ["box"]
    Mailbox("box").destroy()


def test_listing_tells_why_a_link_cannot_be_looked_at(space):
    """Instead of a link of another version there is its name, with the error that opening gives."""
    with Mailbox("box") as box, Mailbox("other"):
        path = space.path / "links" / box.link.id
    version = _write_version(path, b"\xff")
    name, error = links()[0]
    assert name == "box"
    assert isinstance(error, VersionMismatch)
    assert links()[1].link.name == "other"
    assert [link.name for link in Space().links()] == ["other"]
    _write_version(path, version)
    Mailbox("box").destroy()
    Mailbox("other").destroy()


def _write_version(path, version):
    """Write another version, and give the one that was there."""
    with open(path, "r+b") as file:
        before = os.pread(file.fileno(), 1, 8)
        os.pwrite(file.fileno(), version, 8)
    return before


def test_listing_reads_the_directory_once(space, monkeypatch):
    """However many endpoints there are, and links between them."""
    ends = [Endpoint(f"end{i}") for i in range(6)]
    for end in ends:
        for other in ends:
            if other is not end:
                end.send(other.name, 1)
    reads = []
    scan, names = os.scandir, os.listdir
    monkeypatch.setattr(os, "scandir", lambda *a: (reads.append(a), scan(*a))[1])
    monkeypatch.setattr(os, "listdir", lambda *a: (reads.append(a), names(*a))[1])
    found = links()
    assert [len(each.link.senders) for each in found] == [5] * 6
    assert [each.statistics.waiting for each in found] == [5] * 6
    assert len(reads) == 1
    for end in ends:
        end.destroy()
