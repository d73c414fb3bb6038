"""Why a space was not removed: who keeps it, or what is in it, and the way out."""

from __future__ import annotations

import errno
import os

from liaison import errors
from liaison._native.denial import absence, denial, full_name, other_version, ruin
from liaison._native.failure import RESULTS, failure

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from liaison.link import Peer

__all__ = ["keeping"]

_NAMED = 3  # users, before the rest of them is a number


def keeping(
    result: int,
    root: str,
    owner: int,
    name: str,
    link: str,
    messages: int,
    here: bool,
    creator: Peer,
    users: list[Peer],
) -> Exception:
    """The exception for the engine's answer about a space that was to be removed.

    `here`: this process uses it; else these `users` do, as far as they are still there.
    """
    called = full_name(root, owner, name)
    space = f"space {called!r}"
    answer = RESULTS[result] if 0 <= result < len(RESULTS) else ""
    # What one endpoint sends another lies in a link whose name nobody knows.
    what = "an endpoint" if link.startswith("~") else repr(link) if link else "a link"
    if answer == "BUSY":
        return errors.Busy(_use(space, what, messages, here, users))
    if answer == "NOT_OWNER":
        return errors.NotOwner(
            f"{what} in {space} was created by another living process ({creator}); "
            "let that destroy it, or use force=True to lose it"
        )
    if answer == "NOT_FOUND":
        return absence(root, owner, name)
    if answer == "DENIED" and os.geteuid() not in (0, owner):
        return errors.AccessDenied(f"only its owner can remove {space}; ask that user")
    if answer == "DENIED" and not link:
        return denial(root, owner, name)
    if answer == "FOREIGN" and not link:
        return ruin(root, owner, name)
    if answer == "VERSION" and not link:
        return other_version(root, owner, name)
    if answer in ("CORRUPT", "VERSION", "DENIED", "FOREIGN"):
        return _doubt(answer, os.path.join(root, name, "links", link))
    if result == -errno.ENOTEMPTY:
        return OSError(
            f"{space} was removed, but directories that are not its own are left: see "
            f"{os.path.join(root, '.liaison-old-*')}"
        )
    return failure(result, space)


def _use(space: str, what: str, messages: int, here: bool, users: list[Peer]) -> str:
    if messages:
        one = messages == 1
        wait, them = ("1 message waits", "it") if one else (f"{messages:,} messages wait", "them")
        for_it = "for" if what == "an endpoint" else "in"
        return (
            f"{wait} {for_it} {what} in {space}; receive {them}, or use force=True to lose {them}"
        )
    if here:
        return f"{space} is in use by this process, which has {what} open; close that first"
    if not users:
        return f"other processes began to use {space} meanwhile; try again"
    who = [str(user) for user in users[:_NAMED]]
    if more := len(users) - len(who):
        who.append(f"{more:,} more")
    named = " and ".join(filter(None, (", ".join(who[:-1]), who[-1])))
    return f"{space} is in use by {named}; close what they have open in it, or end them"


def _doubt(answer: str, link: str) -> errors.LiaisonError:
    """Say that it is unknown whether something in the space is needed."""
    kind, what = {
        "CORRUPT": (errors.Corrupt, "is damaged"),
        "VERSION": (errors.VersionMismatch, "was made by another version of liaison"),
        "DENIED": (errors.AccessDenied, "is no file of the space's"),
        "FOREIGN": (errors.Corrupt, "was made before the space's file `members` was replaced"),
    }[answer]
    return kind(f"{link} {what}, so its users are unknown; use force=True to remove it")
