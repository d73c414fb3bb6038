"""Other users of this machine, and whether they have changed anything."""

import os

import pytest

from tests.links.actor import Actor

GROUP, MEMBER, NOBODY = 12345, 12346, 65534  # NOBODY is not of the group

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT CHECKED: becoming others needs root")


def as_user(line, user=MEMBER, group=GROUP):
    """Run a line in a process of that user, and return its value or raise what it raised."""
    # Imported while its files may be read: what is installed may lie where others may not go.
    with Actor("import os", "import liaison.codec") as other:
        other.do(f"os.setgroups([]); os.setgid({group}); os.setuid({user})")
        return other.do(line)


def tree(top):
    """Mode, owner, size, inode and count of names of each file and directory below `top`."""
    return {
        path: (seen.st_mode, seen.st_uid, seen.st_gid, seen.st_size, seen.st_ino, seen.st_nlink)
        for path in sorted(top.rglob("*"))
        for seen in (path.lstat(),)
    }
