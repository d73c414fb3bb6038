"""Space.remove(): an unused space is removed, and otherwise the error names what uses it."""

import multiprocessing
import os
import shutil
import threading
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest

import liaison
from liaison import (
    AccessDenied,
    Busy,
    Corrupt,
    Destroyed,
    Endpoint,
    Mailbox,
    NotFound,
    NotOwner,
    Space,
    VersionMismatch,
)
from liaison._native.link import end_of
from liaison.address import Address
from liaison.carriers.shm import space as shm
from liaison.carriers.shm import spaces as module
from liaison.links.observer import observed
from liaison.space import remove_space
from liaison.testing import until
from tests.faults.users import GROUP, as_user, needs_root
from tests.links.actor import Actor


def is_gone(space):
    """Nothing of any space of this user's is left."""
    return list(space.path.parent.iterdir()) == []


def refusal(kind, **options):
    with pytest.raises(kind) as raised:
        Space().remove(**options)
    return str(raised.value)


# ---- what nobody uses


def test_an_unused_space_is_removed_whole(space):
    """Closed links, endpoints, doorbells and drafts are removed too; no descriptor stays."""
    with Mailbox("box") as box, Endpoint("me") as me, Endpoint("other") as other:
        box.fileno()
        me.send("other", "tea")
        assert other.receive() == "tea"
    Space().remove()
    assert is_gone(space)
    assert liaison.spaces() == []


def test_a_removed_space_is_not_found(space):
    """Removing it again and opening it raise NotFound, and create nothing."""
    lab = Space()
    lab.remove()
    with pytest.raises(NotFound, match="no space 'default'"):
        lab.remove()
    with pytest.raises(NotFound, match="no space 'default'"):
        Space.open()
    assert is_gone(space)


def test_a_removed_space_has_nothing_and_cannot_be_cleaned(space):
    """It has no links and no members, and asking for them does not create it again."""
    lab = Space()
    lab.remove()
    assert (lab.names(), lab.links(), lab.members()) == ([], [], [])
    with pytest.raises(NotFound, match="no space 'default'; using a space"):
        lab.clean()
    assert is_gone(space)


def test_a_new_space_of_the_same_name_is_another_space(mailbox, space):
    """A Space of the removed one neither shows nor removes the new one's links, even by force."""
    before = Space()
    with Actor(fork=True) as other:
        other.do("liaison.Space().remove()")
    mailbox().send("tea")
    assert (before.names(), before.links()) == ([], [])
    for force in (False, True):
        with pytest.raises(NotFound, match="another was made"):
            before.remove(force=force)
    assert Space.open().names() == ["box"]
    assert Mailbox.open("box").receive(timeout=0) == "tea"


def test_a_space_that_is_removed_while_it_is_cleaned_is_not_created_again(space, monkeypatch):
    """Of two removers one finds nothing, and neither leaves anything behind."""
    clean = module.clean_pairs

    def late(*arguments):
        with Actor(fork=True, overtakes=overtakes) as other:
            other.do("overtakes()")
        return clean(*arguments)

    lab = Space()
    monkeypatch.setattr(module, "clean_pairs", late)
    with pytest.raises(NotFound, match="no space 'default'"):
        lab.remove()
    assert is_gone(space)


def overtakes():
    shm.remove_space(Address.parse_space("default"), force=True)


@pytest.mark.parametrize("end", ["Endpoint('desk')", "observed('desk')"])
def test_an_endpoint_of_a_removed_space_does_not_create_it_again(space, end):
    """Destroying an endpoint, which looks for its links, does not create the space again."""
    desk = Endpoint("desk")
    found = desk if end == "Endpoint('desk')" else observed("desk")
    end_of(desk)._complete = False
    shutil.rmtree(space.path)
    found.destroy(force=True)
    found.close()
    desk.close()
    assert is_gone(space)


def test_the_name_is_free_for_another_space(mailbox, space):
    """A process that used the removed space can use the new one, with links of the same names."""
    with Actor("box = Mailbox('box')", "box.close()") as other:
        with pytest.raises(NotOwner):
            Space().remove()
        other.do("Mailbox('box').destroy()")
        Space().remove()
        mailbox().send("works")
        assert other.do("Mailbox('box').receive(timeout=0)") == "works"
        assert [peer.pid for peer in Space().members()] == [os.getpid(), other.pid]


def test_a_process_that_used_the_old_space_can_take_a_pipe_of_the_new_one(space):
    """A process distinguishes the new space from the removed one of the same path."""
    context = multiprocessing.get_context("spawn")
    orders, answers = context.Queue(), context.Queue()
    process = context.Process(target=use_and_take, args=(orders, answers))
    process.start()
    assert answers.get(timeout=60) == "used"
    Space().remove()
    reader, writer = liaison.pipe()
    with reader, writer:
        orders.put(writer)
        assert reader.receive(timeout=60) == "taken"
    process.join(60)
    for queue in (orders, answers):
        queue.close()
    Space().remove()


def use_and_take(orders, answers):
    with Mailbox("box") as box:
        box.destroy()
    answers.put("used")
    with orders.get() as writer:
        writer.send("taken")


# ---- what keeps it


def test_what_this_process_has_open_is_named(mailbox):
    """The error names this process's open links, also with force."""
    with mailbox("orders"):
        for force in (False, True):
            text = refusal(Busy, force=force)
            assert "in use by this process, which has 'orders' open" in text


def test_a_process_that_uses_it_is_named(mailbox, space):
    """By its name and pid, and only while it uses the space."""
    with Actor("clerk = Endpoint('clerk')") as clerk:
        with Actor("box = Mailbox('box')") as other:
            text = refusal(Busy, force=True)
            assert f"clerk (pid {clerk.pid})" in text
            assert f"pid {other.pid}" in text
            other.do("box.destroy()")
            other.do("box.close()")
            assert f"pid {other.pid}" not in refusal(Busy)
        clerk.do("clerk.destroy()")
        clerk.do("clerk.close()")
        Space().remove()
    assert is_gone(space)


def test_what_the_functions_keep_open_does_not_keep_the_space(mailbox, space):
    """liaison.send and receive keep a mailbox open that they have found by its name."""
    mailbox("orders").close()
    liaison.send("orders", "tea")
    assert liaison.receive("orders") == "tea"
    Space().remove()
    assert is_gone(space)


def test_a_link_whose_creator_lives_needs_force(space):
    """The error names the link and its creator."""
    with Actor("Mailbox('orders').close()") as other:
        assert "'orders'" in refusal(NotOwner)
        assert f"pid {other.pid}" in refusal(NotOwner)
        Space().remove(force=True)
        assert is_gone(space)


def test_messages_need_force(space):
    """The error counts them, also an endpoint's, which lie in links with hidden names."""
    with Actor("Mailbox('orders').send('tea')"):
        pass
    text = refusal(Busy)
    assert "1 message waits in 'orders' in space 'default'" in text
    assert "force=True" in text
    with Mailbox.open("orders") as orders:
        assert orders.receive(timeout=0) == "tea"
    Space().remove()
    with Endpoint("clerk"), Actor("[liaison.send('clerk', n) for n in range(2)]"):
        pass
    assert "2 messages wait for an endpoint" in refusal(Busy)
    Space().remove(force=True)
    assert is_gone(space)


def test_a_dead_ports_messages_are_moved_before(space):
    """Dead letters in another space are safe; in the same space they are waiting messages."""
    line = "port = liaison.Port('port', dead_letters='{}'); port.send('tea')"
    for where, kept in (("shm://other/letters", False), ("letters", True)):
        with Actor(line.replace("{}", where)) as other:
            other.kill()
        if kept:
            assert "1 message waits in 'letters'" in refusal(Busy)
            Space().remove(force=True)
        else:
            Space().remove()
    with Mailbox.open("shm://other/letters") as letters:
        assert letters.receive(timeout=0) == "tea"
        letters.destroy(force=True)


def test_a_damaged_link_needs_force(space):
    """A damaged link, whose users are unknown, needs force."""
    with Actor("Mailbox('box')"):
        pass
    (path,) = (space.path / "links").iterdir()
    with path.open("r+b") as file:
        file.write(bytes(64))
    text = refusal(Corrupt)
    assert str(path) in text
    assert "force=True" in text
    Space().remove(force=True)
    assert is_gone(space)


def test_a_link_of_another_table_needs_force(space):
    """The table was replaced after all links were cleaned: the link's users are unknown."""
    here = Address.parse_space("default")
    with Actor("box = Mailbox('box')"):
        (space.path / "members").unlink()
        with pytest.raises(Corrupt, match=r"links.*`members` was replaced.*force=True"):
            shm.remove_space(here, force=False)
        shm.remove_space(here, force=True)
        assert is_gone(space)


@pytest.mark.parametrize(("at", "kind"), [(0, Corrupt), (8, VersionMismatch)])
def test_a_space_whose_processes_are_unknown_needs_force(space, at, kind):
    """A damaged table, or another version's, needs force; users get Destroyed."""
    box = Mailbox("box")
    with (space.path / "members").open("r+b") as file:
        file.seek(at)
        file.write(b"\x63")
    assert "space 'default'" in refusal_by_name(kind)
    remove_space(Address.parse_space("default"), force=True)
    assert is_gone(space)
    with pytest.raises(Destroyed):
        until(lambda: box.try_receive("nothing") != "nothing", "it is told")
    box.close()


def refusal_by_name(kind):
    with pytest.raises(kind) as raised:
        remove_space(Address.parse_space("default"), force=False)
    return str(raised.value)


def test_a_foreign_directory_in_a_space_stays(space):
    """A directory that another program made there is not removed, and the error names its path."""
    Space()
    (space.path / "links" / "thesis").mkdir()
    (space.path / "links" / "thesis" / "text").write_text("years of work")
    assert "thesis" in refusal(AccessDenied)
    assert ".liaison-old-" in refusal(OSError, force=True)
    (aside,) = space.path.parent.iterdir()
    assert (aside / "links" / "thesis" / "text").read_text() == "years of work"
    with Mailbox("box") as box:
        box.destroy()
    Space().remove()
    shutil.rmtree(aside)


# ---- whose it is


@needs_root
def test_only_its_owner_removes_a_shared_space(space):
    """Its owner and root remove it; a member of the group may not."""
    space.root.chmod(0o755)
    lab = Space.create("lab", group=GROUP)
    with Mailbox(lab.address("box")) as box:
        box.send("x")
        box.fileno()
    with pytest.raises(AccessDenied, match="only its owner can remove"):
        as_user("Space('root@lab').remove(force=True)")
    lab.remove(force=True)
    assert list((space.root / f"{os.geteuid()}.shared").iterdir()) == []


# ---- meanwhile


@pytest.fixture
def overtaken(monkeypatch):
    """Let another process remove the space that is opened next, before it is used."""
    opened = shm.open_space
    removed = []

    def open_space(address, **how):
        found = opened(address, **how)
        if not removed:
            removed.append(found.path)
            with Actor("Space().remove(force=True)", fork=True):
                pass
        return found

    monkeypatch.setattr(shm, "open_space", open_space)
    return removed


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mailbox("box"),
        lambda: Mailbox.create("box"),
        lambda: liaison.MessageQueue("queue"),
        lambda: liaison.Port("port"),
        lambda: Endpoint("me"),
        lambda: liaison.NamedPipe("pipe"),
        lambda: closing_both(*liaison.pipe()),
    ],
    ids=["open or create", "create", "queue", "port", "endpoint", "named pipe", "pipe"],
)
def test_a_link_that_is_created_while_its_space_is_removed_is_in_a_new_one(space, overtaken, make):
    """No link is created in a directory that is being removed."""
    with make():
        assert overtaken == [str(space.path)]
        assert "in use by this process" in refusal(Busy)
    Space().remove()
    assert is_gone(space)


def test_a_space_that_is_removed_again_and_again_is_given_up(monkeypatch):
    """After some attempts an error is raised."""
    here, tried = Address.parse_space("default"), []

    def make(handle):
        assert len(tried) < 1000, "it does not end"
        tried.append(handle)
        raise NotFound("it was removed")

    removed = SimpleNamespace(gone=True, rest=lambda: None)
    monkeypatch.setattr(shm, "open_space", lambda address, create, entered: removed)
    with pytest.raises(NotFound):
        shm.in_space(here, make, create=True)


@contextmanager
def closing_both(reader, writer):
    with reader, writer:
        yield


def test_a_link_that_is_opened_while_its_space_is_removed_is_not_found(space, request):
    """Opening is NotFound, and creates nothing."""
    Mailbox("box").close()
    request.getfixturevalue("overtaken")
    with pytest.raises(NotFound, match="no shm://default/box"):
        Mailbox.open("box")
    assert is_gone(space)


def test_a_newcomer_has_this_space_or_a_new_one(space):
    """No newcomer gets an error, and a used space stays, while another process removes it."""
    over = threading.Event()
    with Actor(fork=True, remove=remove_several_times) as other:
        other.start("remove(5)")
        waiting = threading.Thread(target=lambda: (other.answer(), over.set()))
        waiting.start()
        while not over.is_set():
            with Mailbox("box") as box, Endpoint("me") as me:
                box.send("tea")
                assert box.receive(timeout=0) == "tea"
                me.destroy()
            reader, writer = liaison.pipe()
            with closing_both(reader, writer):
                writer.send("tea")
                assert reader.receive(timeout=0) == "tea"
        waiting.join()
    with suppress(NotFound):
        Space.open().remove(force=True)


def remove_several_times(times):
    while times:
        with suppress(Busy, NotFound):
            Space.open().remove(force=True)
            times -= 1
