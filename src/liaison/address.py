"""Where a link is: a name, or a URL.

================================  ==================================================
``orders``                        in the space that ``LIAISON_SPACE`` names
``shm://lab/orders``              shared memory of this machine, in the space ``lab``
``shm://alice@lab/orders``        the same, in the space ``lab`` that belongs to alice
``memory://test/orders``           this process's memory, for tests, in the world ``test``
``nats://host:4222/orders``       NATS JetStream; ``host1:4222,host2:4222`` for more
``unix:///run/user/1000/orders``  a stream socket of this machine
``tcp://127.0.0.1:5000``          a stream socket; ``tls://`` the same, encrypted
================================  ==================================================

The grammar is narrow on purpose: a name becomes a file name, a NATS subject and a word on a command
line, so it holds only what means itself in all three. Nothing is unescaped (``%2e%2e%2f`` is not a
name), and nothing outside ASCII is taken for what it looks like.
"""

from __future__ import annotations

import os
from functools import cache, lru_cache

from liaison.errors import InvalidAddress
from liaison.facts import Facts

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

__all__ = ["Address", "check_name", "is_name"]

# What an address of each scheme consists of; every other field stays empty. The schemes of other
# packages' carriers are added when they are first met.
_PARTS = {
    "shm": {"space", "name", "owner"},
    "memory": {"space", "name"},
    "nats": {"hosts", "name", "credentials"},
    "unix": {"path"},
    "tcp": {"hosts"},
    "tls": {"hosts"},
}
_MAX_NAME = 100
_MAX_SHOWN = 120  # characters of a bad address that its error repeats
_MAX_SOCKET_PATH = 107  # bytes: sun_path has room for 108, with the NUL at the end


def check_name(name: str) -> str:
    """Return `name` if it is a good name for a link or a space.

    A name is 1 to 100 characters of ``A-Z a-z 0-9 _ - .``, neither starting nor ending with a dot,
    without two dots in a row.

    Raises `InvalidAddress` for any other text, and `TypeError` for what is not a str.

    >>> check_name("orders.eu-1")
    'orders.eu-1'
    >>> check_name("orders/eu")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    liaison.errors.InvalidAddress: bad name 'orders/eu': it holds '/'; use only A-Z a-z 0-9 _ - ...
    """
    return _check_word(name, "name")


def is_name(text: str) -> bool:
    r"""Tell whether `check_name` would return `text`.

    >>> is_name("orders"), is_name("\\x1b[2J")
    (True, False)
    """
    letters = text.replace("_", "a").replace("-", "a").replace(".", "a")
    return (
        len(text) <= _MAX_NAME
        and letters.isascii()
        and letters.isalnum()
        and ".." not in f".{text}."
    )


class Address(Facts):
    """Where a link (or, without a name, a space) is. Immutable, hashable, and always valid.

    - ``scheme``: ``"shm"``, ``"memory"``, ``"nats"``, ``"unix"``, ``"tcp"`` or ``"tls"``, or that
      of another package's carrier.
    - ``space``: the local space, for shm, or that carrier's; otherwise empty.
    - ``name``: the link's name, where there are spaces, and for nats; empty where the address is
      that of a space.
    - ``owner``: the user whose shared space it is, for shm; None means the caller's own.
    - ``hosts``: pairs of host and port, for nats (any number), tcp and tls (one).
      IPv6 addresses stand here without brackets.
    - ``path``: the absolute path of a unix socket.
    - ``credentials``: ``user:password`` or a token, for nats. Neither `repr` nor `str` shows them,
      but addresses with different ones are different: a connection is never shared by mistake.

    ``str(address)`` is the canonical URL. It parses back to an equal address, credentials apart.

    Raises `InvalidAddress` when a part is not what it should be, `TypeError` when it has the wrong
    type.

    >>> str(Address("shm", space="lab", name="orders"))
    'shm://lab/orders'
    """

    scheme: str
    space: str
    name: str
    owner: str | None
    hosts: tuple[tuple[str, int], ...]
    path: str
    credentials: str | None

    def __init__(
        self,
        scheme: str,
        space: str = "",
        name: str = "",
        owner: str | None = None,
        hosts: tuple[tuple[str, int], ...] = (),
        path: str = "",
        credentials: str | None = None,
    ) -> None:
        """Check every part."""
        super().__init__(scheme, space, name, owner, hosts, path, credentials)
        self._check()

    def called(self, name: str) -> Address:
        """Return the address of what has this name in the same space.

        >>> str(Address("shm", space="lab").called("orders"))
        'shm://lab/orders'
        """
        if "name" not in _PARTS[self.scheme]:
            return self.but(name=name)  # which says so
        if name and not is_name(name):
            check_name(name)  # says what is wrong
        made = object.__new__(Address)
        made.__dict__.update(self.__dict__, name=name)  # the rest was checked
        return made

    def _shown(self) -> list[str]:
        return super()._shown()[:-1]  # not the credentials

    @classmethod
    def parse(cls, text: str, *, environ: Mapping[str, str] = os.environ) -> Address:
        """Read the address of a link: a bare name, or a URL.

        A bare name is in the current space, see `current_space`.

        Raises `InvalidAddress`, saying what is wrong and what to do, and `TypeError` for what is
        not a str.

        >>> Address.parse("orders", environ={})
        Address(scheme='shm', space='default', name='orders', owner=None, hosts=(), path='')
        >>> str(Address.parse("orders", environ={"LIAISON_SPACE": "nats://[::1],b:4333"}))
        'nats://[::1]:4222,b:4333/orders'
        >>> str(Address.parse("tls://Example.org:443"))
        'tls://example.org:443'
        """
        _check_text(text, "an address")
        if "://" not in text:
            return cls.current_space(environ=environ).called(check_name(text))
        address = cls._from_url(text)
        if not address.name and "name" in _PARTS[address.scheme]:
            raise InvalidAddress(
                f"{_shown(text)} is a space, not a link: add a name, as in {address}/orders"
            )
        return address

    @classmethod
    def parse_space(cls, text: str) -> Address:
        """Read the address of a space: ``lab``, ``alice@lab``, or a URL without a name.

        Raises `InvalidAddress`, and `TypeError` for what is not a str.

        >>> Address.parse_space("alice@lab") == Address("shm", space="lab", owner="alice")
        True
        >>> str(Address.parse_space("nats://host"))
        'nats://host:4222'
        """
        _check_text(text, "a space")
        if "://" not in text:
            return cls._in_space(text)
        address = cls._from_url(text)
        if "name" not in _PARTS[address.scheme]:
            raise InvalidAddress(
                f"{_shown(text)} is not a space: only shm:// and nats:// have spaces"
            )
        if address.name:
            raise InvalidAddress(f"{_shown(text)} is a link, not a space: leave out its name")
        return address

    @classmethod
    def current_space(cls, *, environ: Mapping[str, str] = os.environ) -> Address:
        """Return the space in which bare names are: the one that ``LIAISON_SPACE`` names.

        The value is one that `parse_space` reads; unset or empty it is the local space
        ``default``.

        Raises `InvalidAddress` when the value is bad.

        >>> str(Address.current_space(environ={}))
        'shm://default'
        """
        text = environ.get("LIAISON_SPACE", "")
        try:
            return _space(text or "default")
        except InvalidAddress as error:
            raise InvalidAddress(f"the environment variable LIAISON_SPACE: {error}") from None

    @classmethod
    def _in_space(cls, place: str, name: str = "", scheme: str = "shm") -> Address:
        owner, at, space = place.rpartition("@")
        return cls(scheme, space=space, name=name, owner=owner if at else None)

    @classmethod
    def _from_url(cls, text: str) -> Address:
        scheme, _, rest = text.partition("://")
        scheme = scheme.lower()
        if not _is_known(scheme):
            raise InvalidAddress(
                f"{_shown(text)} starts with an unknown scheme: use one of "
                + ", ".join(f"{known}://" for known in _PARTS)
            )
        _check_url_text(text, rest, scheme)
        if scheme == "unix":
            return cls(scheme, path=rest)
        if "space" in _PARTS[scheme]:
            place, _, name = rest.partition("/")
            if not place:
                raise InvalidAddress(
                    f"{_shown(text)} lacks its space: write {scheme}://SPACE/NAME, "
                    "or the name alone"
                )
            return cls._in_space(place, name, scheme)
        # No host and no name holds an "@", so the last one ends the credentials, whatever they
        # hold. Splitting at "/" first would let "host/x@evil/name" mean two things.
        credentials, at, rest = rest.rpartition("@")
        places, _, name = rest.partition("/")
        split = _hosts().split_host
        hosts = tuple(split(place, scheme, _shown(text)) for place in places.split(","))
        return cls(scheme, name=name, hosts=hosts, credentials=credentials if at else None)

    def _check(self) -> None:
        if not _is_known(self.scheme):
            raise InvalidAddress(f"unknown scheme {self.scheme!r}: use one of {', '.join(_PARTS)}")
        for part in self.__match_args__[1:]:
            if part not in _PARTS[self.scheme] and getattr(self, part):
                raise InvalidAddress(f"a {self.scheme}:// address has no {part}: leave it out")
        if "space" in _PARTS[self.scheme]:
            _check_word(self.space, "space")
            if self.owner is not None:
                _check_word(self.owner, "owner")
        elif self.scheme == "unix":
            _check_path(self.path)
        else:
            self._check_network()
        if self.name:
            check_name(self.name)

    def _check_network(self) -> None:
        known = _hosts()
        for host, _ in self.hosts:
            _check_text(host, "a host")
        hosts = tuple((known.canonical_host(host), port) for host, port in self.hosts)
        if not hosts:
            raise InvalidAddress(f"a {self.scheme}:// address needs a host")
        if len(hosts) > 1 and self.scheme != "nats":
            raise InvalidAddress(f"a {self.scheme}:// address has one host, not {len(hosts)}")
        for host, port in hosts:
            known.check_port(host, port, lowest=1 if self.scheme == "nats" else 0)
        if self.credentials is not None and (
            not known.CREDENTIALS.fullmatch(self.credentials)
            or set(self.credentials) & set("/?#%@")
        ):
            raise InvalidAddress(
                "the credentials of the URL are empty or hold a character that a URL cannot "
                "(a space or one of / ? # % @): give them in LIAISON_NATS_CREDS instead"
            )
        object.__setattr__(self, "hosts", hosts)

    def __str__(self) -> str:
        """Return the canonical URL, without credentials."""
        if self.scheme == "unix":
            return f"unix://{self.path}"
        if "space" in _PARTS[self.scheme]:
            place = self.space if self.owner is None else f"{self.owner}@{self.space}"
        else:
            place = ",".join(
                f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts
            )
        return f"{self.scheme}://{place}/{self.name}" if self.name else f"{self.scheme}://{place}"


def _is_known(scheme: str) -> bool:
    """Whether there are addresses of this scheme: ours, or another package's carrier's."""
    if scheme not in _PARTS:
        if scheme not in _others():
            return False
        _PARTS[scheme] = {"space", "name"}
    return True


@cache
def _others() -> frozenset[str]:
    """The schemes of other packages' carriers; to look for them takes a while."""
    from importlib.metadata import entry_points

    return frozenset(entry.name for entry in entry_points(group="liaison.carriers"))


@lru_cache(maxsize=64)
def _space(text: str) -> Address:
    return Address.parse_space(text)


@cache
def _hosts() -> ModuleType:
    """What is known of hosts; a link of this machine needs nothing of it."""
    from liaison import hosts

    return hosts


def _shown(text: str) -> str:
    """Quote `text` for an error message: shortened, and without a password or token."""
    head, at, tail = text.rpartition("@")
    scheme, mark, user = head.partition("://")
    if not scheme.isalnum():
        scheme, mark, user = "", "", head
    # "alice@lab" and "shm://alice@lab" name an owner, which is no secret.
    if at and (":" in user or (mark and scheme.lower() != "shm")):
        text = f"{scheme}{mark}***@{tail}"
    return repr(text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…")


def _check_text(text: object, what: str) -> None:
    if not isinstance(text, str):
        hint = "decode it" if isinstance(text, bytes | bytearray) else "write it as in 'orders'"
        raise TypeError(f"{what} is a str, not {type(text).__name__}: {hint}")


def _check_word(word: str, what: str) -> str:
    _check_text(word, f"a {what}")
    if is_name(word):
        return word
    if not word:
        wrong = "it is empty"
    elif bad := next((c for c in word if not (c.isascii() and (c.isalnum() or c in "_-."))), None):
        wrong = f"it holds {_named(bad)}"
    elif len(word) > _MAX_NAME:
        wrong = f"it has {len(word)} characters, the most is {_MAX_NAME}"
    elif word.startswith("."):
        wrong = "it starts with a dot"
    elif word.endswith("."):
        wrong = "it ends with a dot"
    else:
        wrong = "it holds two dots in a row"
    # With a colon, what stands where an owner would is rather a user and a password.
    shown = "***" if what == "owner" and ":" in word else _shown(word)
    raise InvalidAddress(
        f"bad {what} {shown}: {wrong}; use only A-Z a-z 0-9 _ - and single dots inside"
    )


def _named(character: str) -> str:
    shown = repr(character) if character.isascii() and character.isprintable() else ""
    return shown or f"the character U+{ord(character):04X}"


def _check_url_text(text: str, rest: str, scheme: str) -> None:
    for character in rest:
        # A socket's path is a file's path, and people's names stand in those. Nothing else is free.
        allowed = character.isprintable() and (character.isascii() or scheme == "unix")
        if not allowed:
            raise InvalidAddress(f"{_shown(text)} holds {_named(character)}: remove it")
    for character in "%?#":
        if character in rest:
            raise InvalidAddress(
                f"{_shown(text)} holds {character!r}: remove it, "
                "addresses have no escapes, queries or fragments"
            )


def _check_path(path: str) -> None:
    _check_text(path, "a path")
    if not path.startswith("/") or path.endswith("/"):
        raise InvalidAddress(
            f"the path {path!r} is not an absolute path of a file: write unix:///run/orders"
        )
    if not path.isprintable():
        raise InvalidAddress(f"the path {path!r} holds a control character: remove it")
    size = len(os.fsencode(path))
    if size > _MAX_SOCKET_PATH:
        raise InvalidAddress(
            f"the path {path!r} has {size} bytes, a socket's has at most {_MAX_SOCKET_PATH}: "
            "use a shorter one, such as one in $XDG_RUNTIME_DIR"
        )
