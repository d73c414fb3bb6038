"""Text of somebody else's, made harmless."""

import sys

import pytest

from liaison.printable import printable


def test_every_character_becomes_one_that_is_seen():
    """All of Unicode, lone surrogates too; what is printable stays."""
    for number in range(sys.maxunicode + 1):
        shown = printable(chr(number))
        assert shown.isprintable()
        assert (shown == chr(number)) == chr(number).isprintable()


@pytest.mark.parametrize("text", ["", "tea", "größer 日本 \N{GRINNING FACE}", "a" * 100000])
def test_what_is_printable_is_the_same_object(text):
    """Nothing is copied for it."""
    assert printable(text) is text


def test_it_can_be_done_again():
    """Escapes are printable: a text that went through several hands is changed once."""
    once = printable("\x1b[2J\n\u202e")
    assert printable(once) == once == r"\x1b[2J\n\u202e"
