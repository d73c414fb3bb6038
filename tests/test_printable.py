"""Text of other processes, made printable."""

import sys

import pytest

from liaison.printable import printable


def test_every_character_becomes_printable():
    """Every character of Unicode becomes printable, and printable ones stay."""
    for number in range(sys.maxunicode + 1):
        shown = printable(chr(number))
        assert shown.isprintable()
        assert (shown == chr(number)) == chr(number).isprintable()


@pytest.mark.parametrize("text", ["", "tea", "größer 日本 \N{GRINNING FACE}", "a" * 100000])
def test_what_is_printable_is_the_same_object(text):
    """Printable text is not copied."""
    assert printable(text) is text


def test_escaping_twice_changes_nothing():
    """Escapes are printable, so text is changed only once."""
    once = printable("\x1b[2J\n\u202e")
    assert printable(once) == once == r"\x1b[2J\n\u202e"
