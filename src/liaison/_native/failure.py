"""The exception for each result of the engine, with a text that says what to do."""

from __future__ import annotations

import errno
import os

from liaison import errors
from liaison._native import space  # imports this module too, so it is used only within functions

__all__ = ["MAKERS", "RESULTS", "failure", "held_name", "lack"]

# What users call to create and open a link of each kind.
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
        "INVALID EXHAUSTED ORPHANED UNSUPPORTED FOREIGN",
    )
    for word in line.split()
)

_MEANING: dict[str, tuple[type[errors.LiaisonError], str]] = {
    "EMPTY": (errors.Empty, "no message came to {link} in time; wait longer with timeout="),
    "FULL": (
        errors.Full,
        (
            "{link} had no room in time; receive from it, wait longer with timeout=, "
            "delete receipts that you no longer need, or create it with a larger {capacity}="
        ),
    ),
    "NO_RECEIVER": (
        errors.NoReceiver,
        (
            "no receiver came to {link} in time; it is a rendezvous (capacity=0): "
            "start a receiver or wait longer with timeout="
        ),
    ),
    "BUSY": (
        errors.Busy,
        (
            "a living process has {link}; wait for it with timeout=, "
            "or see which process it is with `liaison show`"
        ),
    ),
    "NOT_FOUND": (
        errors.NotFound,
        "there is no {link}; create it with {maker}(...), or list the links with `liaison ls`",
    ),
    "NAME_TAKEN": (
        errors.NameTaken,
        "{link} exists; open it with {maker}(...) or {maker}.open(...), or choose another name",
    ),
    "DENIED": (
        errors.AccessDenied,
        (
            "{link} may not be used: its file, or a directory above it, belongs to "
            "another user, has other rights than 0700 and 0600, or has a wrong type"
        ),
    ),
    "MISMATCH": (
        errors.Mismatch,
        (
            "{link} exists with another kind or other properties; leave out the arguments that "
            "do not matter, or see its properties with `liaison show`"
        ),
    ),
    "NOT_OWNER": (
        errors.NotOwner,
        ("{link} was created by another living process; let that destroy it, or use force=True"),
    ),
    "CLOSED": (errors.Closed, "this end of {link} was closed; open it again"),
    "DESTROYED": (errors.Destroyed, "{link} was destroyed, or its file was removed"),
    "LEASE_LOST": (
        errors.LeaseLost,
        (
            "this message of {link} is no longer yours: it was acknowledged or released already, "
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
            "see how full it is with `df {place}`, and clean up with `liaison clean`"
        ),
    ),
    "CORRUPT": (
        errors.Corrupt,
        (
            "{link} failed its checks: a process that may write its file has damaged it; "
            "destroy it (`liaison rm --force`) and create it anew"
        ),
    ),
    "FOREIGN": (
        errors.Corrupt,
        (
            "the file `members` of the space was removed or replaced after {link} was created, so "
            "it is unknown which of the link's users live; end those that still have it open, and "
            "remove it with `liaison clean`"
        ),
    ),
    "VERSION": (
        errors.VersionMismatch,
        "{link} was made by another version of liaison; run the same version in all its users",
    ),
    "EXHAUSTED": (
        errors.Full,
        (
            "{link} has no place left: every member number or attachment is in use by "
            "a living process; close ends that are no longer needed"
        ),
    ),
}

# More precise texts for some kinds.
_OF_A_KIND: dict[tuple[str, str | None], str] = {
    ("BUSY", "port"): (
        "{link} has a living receiver; send to it with Port.open(...), "
        "or see which process that is with `liaison show`"
    ),
    ("MISMATCH", "endpoint"): (
        "{link} is not an endpoint, or has another capacity; "
        "see its kind and properties with `liaison show`"
    ),
    ("NAME_TAKEN", "endpoint"): "there is a link called {link}; choose another name",
}


def held_name(link: object) -> errors.Busy:
    """The exception for a name that a destroyed link still has."""
    return errors.Busy(
        f"{link} was destroyed, but another process is still removing its name; "
        "if that is stopped, continue or kill it, or use another name"
    )


# What the engine may lack: which systems have it, and what to do without it.
_OLD = "Linux has it since {}, so a sandbox (seccomp) forbids it; allow it there"
_ELSEWHERE = (
    "name a directory of your own in a memory file system (`findmnt -t tmpfs`) in the environment "
    "variable LIAISON_ROOT"
)
_LACKING = {
    "/dev/shm": (
        "the directory /dev/shm, in which spaces lie, does not exist here; mount a memory file "
        "system there (as root: `mkdir -m 1777 /dev/shm && mount -t tmpfs -o mode=1777 "
        f"tmpfs /dev/shm`; containers have one by default), or {_ELSEWHERE}"
    ),
    "hard links": f"this file system or sandbox has no hard links; {_ELSEWHERE}",
    "OFD locks": _OLD.format("3.15"),
    "MADV_DONTFORK": _OLD.format("2.6.16"),
    "getrandom()": _OLD.format("3.17") + ", or provide /dev/urandom",
    "flock()": _OLD.format("2.0"),
    "timerfd_create()": _OLD.format("2.6.25"),
    "epoll_create1()": _OLD.format("2.6.27"),
    "shared mappings": f"this file system has none; {_ELSEWHERE}",
    "MADV_POPULATE_WRITE": (
        "Linux has it since 5.14, unless a sandbox (seccomp) forbids it, and this end's "
        "descriptor, the substitute, was closed; reserve the memory with memory="
    ),
    "fallocate()": (
        "Linux has it since 2.6.23, unless a sandbox (seccomp) forbids it, and its substitute "
        "MADV_POPULATE_WRITE since 5.14; reserve the memory with memory="
    ),
}


def lack(missing: str, link: object) -> errors.Unsupported:
    """The exception for what `link` needs and this kernel, file system or sandbox lacks."""
    hint = _LACKING.get(
        missing,
        "liaison needs Linux 3.17 or later, better 5.14; check what the sandbox forbids",
    )
    return errors.Unsupported(f"{link} needs {missing}: {hint}")


def _fault(number: int, link: object) -> Exception:
    """The exception for a system call that failed with this errno."""
    if number == errno.ENOSYS:
        return lack(space.missing(), link)
    if number in (errno.EFBIG, errno.EDQUOT):
        why = (
            f"this process may make no file larger than {space.limit('FSIZE')} bytes; "
            "raise that limit (`ulimit -f`), or create the link with less"
            if number == errno.EFBIG
            else "this user's quota of the memory file system is used up (see `quota`); "
            "clean up with `liaison clean`"
        )
        full = errors.NoSpace(f"memory for {link} could not be reserved: {why}")
        full.errno = number
        return full
    text = os.strerror(number)
    if number == errno.EMFILE:
        text += f" (this process may have {space.limit('NOFILE')}: `ulimit -n`)"
    elif number == errno.ENOMEM and (addresses := space.limit("AS")):
        text += f" (this process may use {addresses} bytes of addresses: `ulimit -v`)"
    return OSError(number, text, str(link))


def failure(result: int, link: object, size: int = 0, kind: str | None = None) -> Exception:
    """The exception for a result of the engine about `link`, which is of this `kind`."""
    if result < 0:
        return _fault(-result, link)
    name = RESULTS[result] if result < len(RESULTS) else str(result)
    if name == "UNSUPPORTED":
        return lack(space.missing(), link)
    if name == "INVALID":
        return ValueError(f"an argument for {link} is out of range")
    if name not in _MEANING:
        return RuntimeError(f"the engine returned {name} for {link}")
    error, text = _MEANING[name]
    text = _OF_A_KIND.get((name, kind), text)
    queue = kind == "queue"
    return error(
        text.format(
            link=link,
            place=os.environ.get("LIAISON_ROOT") or "/dev/shm",
            size=size,
            maker=MAKERS[kind or "mailbox"],
            capacity="max_messages" if queue else "capacity= or memory",
            size_argument="message_size" if queue else "max_message= or memory",
        )
    )
