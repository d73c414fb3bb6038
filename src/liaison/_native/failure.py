"""What a result of the engine means to a user: which exception, and what to do about it."""

from __future__ import annotations

import os

from liaison import errors

__all__ = ["MAKERS", "RESULTS", "failure"]

# What makes and opens a link of each kind, in words for users.
MAKERS = {
    "mailbox": "Mailbox",
    "queue": "MessageQueue",
    "port": "Port",
    "endpoint": "Endpoint",
    "direct": "Endpoint",
    "pipe": "pipe",
    "named pipe": "NamedPipe",
}

# In the order of `enum liaison_result`; the compiled modules check that it agrees.
RESULTS = tuple(
    word
    for line in (
        "OK EMPTY FULL NO_RECEIVER BUSY NOT_FOUND NAME_TAKEN DENIED MISMATCH NOT_OWNER",
        "CLOSED DESTROYED LEASE_LOST TOO_LARGE NO_SPACE CORRUPT VERSION INTERRUPTED",
        "INVALID EXHAUSTED ORPHANED FOREIGN",
    )
    for word in line.split()
)

_MEANING: dict[str, tuple[type[errors.LiaisonError], str]] = {
    "EMPTY": (errors.Empty, "no message came to {link} in time; wait longer with timeout="),
    "FULL": (
        errors.Full,
        (
            "{link} had no room in time; receive from it, wait longer with timeout=, "
            "drop receipts you no longer need, or create it with a larger {capacity}="
        ),
    ),
    "NO_RECEIVER": (
        errors.NoReceiver,
        (
            "nobody came to receive from {link} in time; it is a rendezvous (capacity=0): "
            "start a receiver or wait longer with timeout="
        ),
    ),
    "BUSY": (
        errors.Busy,
        (
            "{link} is taken by a living process; wait for its turn with timeout=, "
            "or see who it is with `liaison show`"
        ),
    ),
    "NOT_FOUND": (
        errors.NotFound,
        "there is no {link}; create it with {maker}(...), or look with `liaison ls`",
    ),
    "NAME_TAKEN": (
        errors.NameTaken,
        "{link} exists; open it with {maker}(...) or {maker}.open(...), or choose another name",
    ),
    "DENIED": (
        errors.AccessDenied,
        (
            "{link} may not be used: its file, or a directory on the way to it, belongs to "
            "another user, has other rights than 0700 and 0600, or is not what it should be"
        ),
    ),
    "MISMATCH": (
        errors.Mismatch,
        (
            "{link} exists and is different from what was asked for; leave out what does not "
            "matter, or see what it is with `liaison show`"
        ),
    ),
    "NOT_OWNER": (
        errors.NotOwner,
        (
            "{link} was created by another process, which lives; let it destroy the link, "
            "or use force=True"
        ),
    ),
    "CLOSED": (errors.Closed, "this end of {link} was closed; open it again"),
    "DESTROYED": (errors.Destroyed, "{link} was destroyed, or its file was removed"),
    "LEASE_LOST": (
        errors.LeaseLost,
        (
            "this message of {link} is no longer yours: it was settled already, "
            "or belongs to the process that forked this one"
        ),
    ),
    "TOO_LARGE": (
        errors.TooLarge,
        (
            "the message has {size} bytes and can never fit in {link}; "
            "create the link with a larger {size_argument}="
        ),
    ),
    "NO_SPACE": (
        errors.NoSpace,
        (
            "memory for {link} could not be reserved: the memory file system is full; "
            "see what fills it with `df /dev/shm`, and clean up with `liaison clean`"
        ),
    ),
    "CORRUPT": (
        errors.Corrupt,
        (
            "{link} failed its checks: somebody with the right to write it damaged it; "
            "destroy it (`liaison rm --force`) and create it anew"
        ),
    ),
    "FOREIGN": (
        errors.Corrupt,
        (
            "{link} was made when its space had another table of processes: the file `members` "
            "was removed or replaced since, and nobody can tell which of the link's users live; "
            "end those that still have it open, and remove it with `liaison clean`"
        ),
    ),
    "VERSION": (
        errors.VersionMismatch,
        "{link} was made by another version of liaison; let all its users run the same one",
    ),
    "EXHAUSTED": (
        errors.Full,
        (
            "{link} has no place left: every member number or attachment is in use by "
            "a living process; close ends that are no longer needed"
        ),
    ),
}

# Of some kinds there is more to tell.
_OF_A_KIND: dict[tuple[str, str | None], str] = {
    ("BUSY", "port"): (
        "{link} has a receiver, which lives; send to it with Port.open(...), "
        "or see who it is with `liaison show`"
    ),
    ("MISMATCH", "endpoint"): (
        "{link} is another kind of link than an endpoint, or has another capacity; "
        "see what it is with `liaison show`"
    ),
    ("NAME_TAKEN", "endpoint"): "there is a link called {link}; choose another name",
}


def failure(result: int, link: object, size: int = 0, kind: str | None = None) -> Exception:
    """The exception for what the engine answered, about `link`, which is a `kind` of link."""
    if result < 0:
        return OSError(-result, os.strerror(-result), str(link))
    name = RESULTS[result] if result < len(RESULTS) else str(result)
    if name == "INVALID":
        return ValueError(f"an argument for {link} is out of range")
    if name not in _MEANING:
        return RuntimeError(f"the engine answered {name} about {link}")
    error, text = _MEANING[name]
    text = _OF_A_KIND.get((name, kind), text)
    queue = kind == "queue"
    return error(
        text.format(
            link=link,
            size=size,
            maker=MAKERS[kind or "mailbox"],
            capacity="max_messages" if queue else "capacity= or memory",
            size_argument="message_size" if queue else "max_message= or memory",
        )
    )
