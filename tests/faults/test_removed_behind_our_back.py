"""Files vanish: a logout or a cleaner of temporary files removes what is in use."""

import shutil
from contextlib import suppress

import pytest

import liaison
from liaison import Destroyed, Empty, Full, Mailbox, Space
from liaison.testing import until
from tests.links.actor import Actor


def test_a_space_that_was_removed_is_made_anew(space):
    """After its directory was removed, old ends are Destroyed and new ones work."""

    old = Mailbox("box")
    shutil.rmtree(space.path)
    with Mailbox("box") as new:
        new.send("hello")
        assert new.receive(timeout=0) == "hello"
        assert old.link.id != new.link.id
        with pytest.raises(liaison.Destroyed):
            old.receive(timeout=60)
        new.destroy()
    old.close()


def _forget(space, parts):
    """Remove the files, as another program would."""
    for part in parts:
        for file in (space.path / part).iterdir():
            file.unlink()


@pytest.mark.parametrize(
    "use",
    [
        lambda box: box.send("into nothing"),
        lambda box: box.try_send("into nothing"),
        lambda box: box.receive(timeout=0.001),
        lambda box: box.try_receive(),
        lambda box: box.loan(5).send(),
    ],
    ids=["send", "try_send", "receive", "try_receive", "loan"],
)
@pytest.mark.parametrize("removed", [("names",), ("names", "links")], ids=["names", "all"])
def test_there_is_no_silent_second_mailbox(mailbox, space, use, removed):
    """Using a removed mailbox is Destroyed, also if another has been made under its name."""
    box = Mailbox("box", capacity=4096)
    _forget(space, removed)
    with mailbox() as second:
        assert second.link.id != box.link.id
        with pytest.raises(Destroyed):
            until(lambda: _uses(use, box), "the end notices that its mailbox is gone", patience=20)
        second.send("works")
        assert second.receive(timeout=0) == "works"
    box.close()
    Space().clean()


def _uses(use, box):
    """Use the mailbox; never done, so that only an error ends the wait."""
    with suppress(Empty, Full):
        use(box)


@pytest.mark.parametrize("part", ["links", "bells"])
def test_a_mailbox_without_its_other_files_works(mailbox, space, part):
    """A mailbox is found by its name alone; its other files are made again."""
    box = mailbox()
    box.fileno()
    _forget(space, [part])
    with Actor("box = Mailbox('box')", "box.send('found')") as other:
        assert box.receive(timeout=60) == "found"
        box.send("there too")
        assert other.do("box.receive()") == "there too"
    box.close()
    _forget(space, ["bells"])
