# cython: language_level=3, boundscheck=False, auto_pickle=False
"""A space, as the engine has it open."""

from libc.stdlib cimport free, malloc
from libc.stdint cimport int64_t, uint32_t

from liaison._native.engine cimport *

import os

from liaison._native import denial
from liaison._native.failure import RESULTS as _RESULTS, failure
from liaison._native.keeping import keeping
from liaison.errors import InvalidAddress, LiaisonError
from liaison.link import Peer
from liaison.printable import printable

assert len(_RESULTS) == LIAISON_FOREIGN + 1
assert _RESULTS[LIAISON_TOO_LARGE] == "TOO_LARGE"

cdef extern from "<sys/resource.h>" nogil:
    ctypedef unsigned long rlim_t
    struct rlimit:
        rlim_t rlim_cur
    int getrlimit(int, rlimit *)
    int RLIMIT_AS, RLIMIT_FSIZE, RLIMIT_NOFILE
    rlim_t RLIM_INFINITY

cdef dict LIMITS = {"AS": RLIMIT_AS, "FSIZE": RLIMIT_FSIZE, "NOFILE": RLIMIT_NOFILE}
cdef size_t MEMBERS = 4096
cdef tuple PARTS = ("", "links", "names", "bells")
cdef double LATEST = 1e11  # seconds since the epoch: beyond any clock, and few enough to count
cdef object HOST = None


# The record that all this comes from is the process's own, and not to be believed: `Peer` makes the
# texts harmless, and a moment that is none (NaN, say) is one that is not known.
cdef object peer_of(const liaison_peer *peer):
    global HOST
    if HOST is None:
        HOST = os.uname().nodename
    cdef bytes name = peer.name
    cdef bytes command = peer.command
    cdef double started = peer.started if 0 <= peer.started < LATEST else 0
    return Peer(name.decode("utf-8", "replace") or None, peer.pid, HOST, started,
                command.decode("utf-8", "replace"))


def root_of(uint32_t uid, bint shared):
    """The directory under which the spaces of user `uid` lie."""
    cdef char path[4096]
    cdef int r = liaison_root(uid, shared, path, sizeof(path))
    if r == LIAISON_INVALID:
        raise InvalidAddress(
            f"the environment variable LIAISON_ROOT is {os.environ.get('LIAISON_ROOT')!r}: "
            "name a directory by its whole path, of less than 4,000 bytes")
    if r != LIAISON_OK:
        raise failure(r, f"the spaces of user {uid}")
    return (<bytes>path).decode("utf-8", "surrogateescape")


def limit(str what not None):
    """How much of it this process may use, written out; "" where there is no limit.

    Not by Python's `resource`: where descriptors have run out it could not be imported any more.
    """
    cdef rlimit found
    if getrlimit(LIMITS[what], &found) != 0 or found.rlim_cur == RLIM_INFINITY:
        return ""
    return f"{found.rlim_cur:,}"


def missing():
    """What the last `Unsupported` of this thread is about, in a word or two."""
    return (<bytes>liaison_missing()).decode()


cdef object refusal(int r, str root, uint32_t owner, str name, int64_t gid):
    if r == LIAISON_DENIED:
        return denial.denial(root, owner, name, gid)
    if r == LIAISON_NOT_FOUND:
        return denial.absence(root, owner, name)
    if r == LIAISON_FOREIGN:
        return denial.ruin(root, owner, name)
    if r == LIAISON_VERSION:
        return denial.other_version(root, owner, name)
    if r == LIAISON_BUSY:
        return denial.held_space(root, owner, name)
    return failure(r, f"space {name!r}")


def remove_space(str root, uint32_t owner, str name, bint force):
    """Remove a space that no living process uses."""
    cdef liaison_kept kept
    cdef bytes where = root.encode("utf-8", "surrogateescape")
    cdef bytes what = name.encode()
    cdef const char *directory = where
    cdef const char *called = what
    cdef int r
    with nogil:
        r = liaison_space_remove(directory, owner, called, force, &kept)
    if r == LIAISON_OK:
        return
    cdef bytes link = kept.link
    users = []
    if r == LIAISON_BUSY and not kept.messages and not kept.here:
        try:
            users = SpaceHandle(root, owner, name, False).users()
        except (LiaisonError, OSError):
            pass
    raise keeping(
        r, root, owner, name, printable(link.decode("utf-8", "replace")), kept.messages, kept.here,
        peer_of(&kept.creator), users)


cdef class SpaceHandle:
    """A hold on a space: while one exists this process stays its member, once it has become one.

    One that was ``entered`` is in use, until its first `rest`.
    """

    def __init__(self, str root, uint32_t owner, str name, bint create=True, int64_t gid=-1, *,
                 bint entered=False):
        cdef bytes where = root.encode("utf-8", "surrogateescape")
        cdef bytes what = name.encode()
        self.name = name
        self.owner = owner
        cdef int r = liaison_space_enter(where, owner, what, create, gid, &self.space)
        if r != LIAISON_OK:
            raise refusal(r, root, owner, name, gid)
        if not entered:
            liaison_space_rest(self.space)

    def __dealloc__(self):
        liaison_space_close(self.space)

    @property
    def path(self):
        """The space's directory."""
        return (<bytes>liaison_space_path(self.space)).decode("utf-8", "surrogateescape")

    def __enter__(self):
        """Keep in use, for many looks, what each of them would open and close."""
        liaison_space_use(self.space)
        return self

    def __exit__(self, *exception):
        liaison_space_rest(self.space)

    def rest(self):
        """Keep open no longer what was kept for the first look; once, of one that was entered."""
        liaison_space_rest(self.space)

    def directory(self, str part):
        """A descriptor, the caller's to close, of the directory ``"links"``, ``"names"`` or
        ``"bells"``: in a shared space its path may lead elsewhere by now."""
        cdef int fd = -1
        cdef int r = liaison_space_directory(self.space, PARTS.index(part), &fd)
        if r != LIAISON_OK:
            raise self.fail(r)
        return fd

    @property
    def gone(self):
        """Whether it was removed: whoever comes finds another, or none."""
        return bool(liaison_space_gone(self.space))

    def members(self):
        """The living processes of the space."""
        return self.peers(False)

    def users(self):
        """Those that use it at this moment."""
        return self.peers(True)

    cdef object fail(self, int r):
        if r == LIAISON_NOT_FOUND or r == LIAISON_FOREIGN:
            return refusal(r, self.path.rpartition("/")[0], self.owner, self.name, -1)
        return failure(r, f"space {self.name!r}")

    cdef list peers(self, bint using):
        cdef size_t count = 0, i
        cdef int r
        cdef liaison_peer *peers = <liaison_peer *>malloc(MEMBERS * sizeof(liaison_peer))
        if peers == NULL:
            raise MemoryError
        try:
            if using:
                r = liaison_space_users(self.space, peers, MEMBERS, &count)
            else:
                r = liaison_space_members(self.space, peers, MEMBERS, &count)
            if r != LIAISON_OK:
                raise self.fail(r)
            return [peer_of(&peers[i]) for i in range(count)]
        finally:
            free(peers)

    def clean(self, bint links):
        """Remove what is not used; gives counts of links, nameless segments, doorbells, bytes."""
        cdef liaison_cleaned cleaned
        cdef int r
        with nogil:
            r = liaison_space_clean(self.space, links, &cleaned)
        if r != LIAISON_OK:
            raise self.fail(r)
        return cleaned.links, cleaned.nameless, cleaned.doorbells, cleaned.bytes
