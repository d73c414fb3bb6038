"""Files that vanish: a logout or a cleaner of temporary files removes what is in use."""

import shutil

import pytest

import liaison
from liaison import Destroyed, Mailbox
from liaison.testing import until
from tests.links.actor import Actor


def test_a_space_that_was_removed_is_made_anew(space):
    """After the directory is gone, as a logout does, old ends are Destroyed and new ones work."""

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


def test_a_removed_file_is_a_destroyed_mailbox(mailbox, space):
    """Who waits in a mailbox whose files somebody removed gets Destroyed, not silence for ever."""
    box = mailbox()
    with Actor("box = Mailbox('box')") as other:
        other.start("box.receive()")
        until(lambda: box.statistics().receivers_waiting, "the other one waits")
        for part in ("names", "links"):
            for file in (space.path / part).iterdir():
                file.unlink()
        with pytest.raises(Destroyed):
            other.answer()
