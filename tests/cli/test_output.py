"""Numbers and messages as they are written."""

import base64
import json
from datetime import datetime

import pytest

from liaison.cli import output


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (84 * 1024, "84 KiB"),
        (1023 * 1024, "1 MiB"),
        (1 << 40, "1 TiB"),
        (1 << 50, "1024 TiB"),
    ],
)
def test_amounts_of_memory(count, text):
    """Bytes are shown in the unit that leaves up to three digits."""
    assert output.amount(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.04, "0.0"),
        (9.94, "9.9"),
        (42.4, "42"),
        (999.4, "999"),
        (999.6, "1.00k"),
        (9994, "9.99k"),
        (99940, "99.9k"),
        (999400, "999k"),
        (999600, "1.00M"),
        (2.5e9, "2.50G"),
    ],
)
def test_rates(value, text):
    """Rates have three digits, and never more than five characters up to 999 G."""
    assert output.rate(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3700, "1 h 1 min"), (90000, "1 d 1 h"), (-5, "0 s")],
)
def test_ages(monkeypatch, seconds, text):
    """A moment in the future, by a clock that was set, is now."""
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert output.age(1e9 - seconds) == text


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("tea", b"tea"),
        ("größer", "größer".encode()),
        (b"\xff\x00", b"\xff\x00"),
        ({"a": [1, 2.5, None, True]}, b'{"a":[1,2.5,null,true]}'),
        (7, b"7"),
        (None, b"null"),
        (datetime(2026, 1, 2), b'"2026-01-02T00:00:00"'),
        (memoryview(b"\1\2"), b"[1,2]"),
        ({(1, 2): 3}, b'{"(1, 2)":3}'),
        ({"a": 1j}, b'{"a":"1j"}'),
    ],
)
def test_messages_become_lines(message, line):
    """Text and bytes as they are, what JSON can say as JSON, the rest as Python shows it."""
    assert output.as_line(message) == line


def test_arrays_become_lists():
    """A NumPy array is written with its items."""
    numpy = pytest.importorskip("numpy")
    assert output.as_line(numpy.arange(4).reshape(2, 2)) == b"[[0,1],[2,3]]"


def test_bytes_in_json_are_distinct_from_text():
    """Bytes have a key of their own in JSON, and are base64."""
    shown = json.loads(output.json_line(output.described(b"\xff")))
    assert base64.b64decode(shown["bytes"]) == b"\xff"
    assert "message" not in shown
