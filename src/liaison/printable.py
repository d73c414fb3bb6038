"""Text of somebody else's, made harmless where people read it.

A process chooses its own command line, a member of a shared space writes its own record, and a
sender chooses every character of a message. On a terminal some characters are not shown but
obeyed: escape sequences (C0 and C1) that clear the screen, name its window or answer as if somebody
typed; marks that have text read backwards or not be seen at all; ends of lines that begin one which
the program never wrote.
"""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str, *, keep: str = "") -> str:
    r"""Write every character that is not itself seen as the escape that `repr` shows for it.

    That is whatever `str.isprintable` says no to: controls, ends of lines, formatting and
    bidirectional marks, surrogates, spaces other than the plain one. Those in `keep` stay.

    >>> printable("tea"), printable("\x1b[2J\u202e"), printable("a\tb\n", keep="\n")
    ('tea', '\\x1b[2J\\u202e', 'a\\tb\n')
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)
