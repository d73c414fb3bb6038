"""Removing names and ending links fails halfway, because the process may open no further file.

Each operation is done with no descriptor free, then with one, and so on, until it succeeds. When it
fails, the errno is EMFILE and nothing has changed; with descriptors free again it then succeeds.
"""

import contextlib
import errno
import os
import resource
from pathlib import Path

import pytest

from liaison import Endpoint, Mailbox, NamedPipe, Port, Space
from liaison.testing import Process

OPEN = 256  # files that a process may have open here


@contextlib.contextmanager
def free(number):
    """Let this process open so many files, and no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN, hard))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        for _ in range(number):
            os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in taken:
            os.close(one)


def names():
    """List the files of links and their names."""
    found = Path(os.environ["LIAISON_ROOT"]).glob("*/*/*/*")
    return sorted(path.name for path in found if path.parent.name in ("links", "names"))


def spaces():
    """List the directories of spaces, also of those that are being removed."""
    return sorted(path.name for path in Path(os.environ["LIAISON_ROOT"]).glob("*/*"))


# ---- operations


def with_many_aliases():
    endpoint = Endpoint("it")
    for number in range(20):  # more than are written down in the link
        endpoint.rename(f"it{number}")
    return endpoint


def called_twice():
    endpoint = Endpoint("older")
    endpoint.rename("it")
    return endpoint


def make(name):
    Mailbox(name).close()


def of_the_dead():
    for name in ("one", "other"):
        with Process(make, name, fork=True) as maker:
            maker.wait()
    return Space()


def without_links():
    return Space("another")


def with_a_dead_ones():
    with Process(make, "shm://another/it", fork=True) as maker:
        maker.wait()
    return Space("another")


def nothing_left(it):
    return names() == []


def renamed(it):
    return "newer" in names() and [peer.name for peer in Space().members()] == ["newer"]


def removed(it):
    return "another" not in "".join(spaces()) and not any(".liaison" in one for one in spaces())


# name: (what is made, what is done, whether it is done)
OPERATIONS = {
    "destroy": (lambda: Mailbox("it"), lambda it: it.destroy(), nothing_left),
    "destroy a port": (lambda: Port("it"), lambda it: it.destroy(), nothing_left),
    "destroy a named pipe": (lambda: NamedPipe("it"), lambda it: it.destroy(), nothing_left),
    "destroy an endpoint": (lambda: Endpoint("it"), lambda it: it.destroy(), nothing_left),
    "destroy one of many names": (with_many_aliases, lambda it: it.destroy(), nothing_left),
    "rename": (lambda: Endpoint("it"), lambda it: it.rename("newer"), renamed),
    "retire": (called_twice, lambda it: it.retire("older"), lambda it: "older" not in names()),
    "clean": (of_the_dead, lambda it: it.clean(links=True), nothing_left),
    "remove": (with_a_dead_ones, lambda it: it.remove(), removed),
    "remove an empty one": (without_links, lambda it: it.remove(), removed),
    "remove by force": (with_a_dead_ones, lambda it: it.remove(force=True), removed),
}


def done(name, number):
    """Do it with so many descriptors free; return whether it succeeded."""
    begin, act, is_done = OPERATIONS[name]
    it = begin()
    before = names(), spaces()
    error = None
    try:
        with free(number):
            act(it)
    except OSError as raised:
        error = raised
    if error is not None:
        assert error.errno == errno.EMFILE, error
        assert (names(), spaces()) == before, f"{number} free: half of it is done"
        act(it)
    assert is_done(it), f"{number} free: {names()}, {spaces()} after {error!r}"
    if isinstance(it, Endpoint) and not it.closed:
        it.destroy()
    return error is None


def until_done(done, *arguments):
    done(*arguments, 100)  # imports what it needs
    number = 0
    while not done(*arguments, number):
        number += 1
    return number


@pytest.mark.parametrize("name", OPERATIONS)
def test_without_a_descriptor_all_stays_as_it_was(space, name):
    """It fails with EMFILE and has changed nothing, and then succeeds with descriptors free."""
    with Process(until_done, done, name) as process:
        assert process.result() > 0


def destroyed_with_its_links(number):
    with Endpoint("it") as it, Endpoint("other") as other:
        it.send("other", b"there")
        other.send("it", b"back")
        assert other.receive() == b"there"
    it = Endpoint("it")  # which does not know who has sent to whom, and looks for it
    error = None
    try:
        with free(number):
            it.destroy()
    except OSError as raised:
        error = raised
    if error is not None:
        assert error.errno == errno.EMFILE
        assert ("destroy() it again" in str(error)) == ("it" not in names()), error
        it.destroy()
    with Endpoint("other") as other:
        other.destroy()
    assert names() == [], f"{number} free"
    return error is None


def test_an_endpoint_is_destroyed_once_more_with_what_was_sent_to_it(space):
    """Links of the endpoint that could not be removed are removed by the next destroy()."""
    with Process(until_done, destroyed_with_its_links) as process:
        assert process.result() > 0
