"""Errors become exit codes and one or two lines."""

import json

import pytest

import liaison
from liaison import errors
from liaison.cli.failure import Failure

CODES = {
    "InvalidAddress": 2,
    **dict.fromkeys(["Empty", "Full", "NoReceiver", "Busy", "CallTimeout"], 3),
    "NotFound": 4,
    **dict.fromkeys(["AccessDenied", "NotOwner"], 5),
}


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name != "LiaisonError"])
def test_every_error_has_an_exit_code(name):
    """The code is 3 if a retry may help, 4 if a link is missing, 5 if it is denied, or else 1."""
    failure = Failure.of(getattr(errors, name)("something happened"))
    assert failure.code == CODES.get(name, 1)
    assert "something happened" in failure.message
    assert failure.kind == name


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FileNotFoundError(2, "No such file or directory", "x.svg"), 4),
        (PermissionError(13, "Permission denied", "x.svg"), 5),
        (OSError(28, "No space left on device"), 1),
    ],
)
def test_errors_of_files_have_no_number(error, code):
    """They are written as other Unix commands write them."""
    failure = Failure.of(error)
    assert failure.code == code
    assert "Errno" not in failure.message
    assert error.strerror in failure.message


def test_advice_for_python_programs_is_replaced(cli):
    """An error names commands, and not Python's arguments and classes."""
    shown = cli("show", "nowhere", code=4).err
    assert "Mailbox(" not in shown
    assert "liaison ls" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (("show", "nowhere"), 4, "NotFound"),
        (("send", "a/b", "x"), 2, "InvalidAddress"),
        (("show",), 2, "Usage"),
        (("receive", "--count", "x", "box"), 2, "Usage"),
        (("ls", "--nonsense"), 2, "Usage"),
        (("nonsense",), 2, "Usage"),
    ],
)
def test_an_error_is_one_or_two_lines_or_json(cli, arguments, code, kind):
    """An error begins with `error:` and has no usage text or traceback; --json makes it JSON."""
    result = cli(*arguments, code=code)
    assert result.out == ""
    assert result.err.startswith("error: ")
    assert len(result.err.splitlines()) <= 2
    for given in (("--json", *arguments), (*arguments, "--json")):
        error = json.loads(cli(*given, code=code).err)
        assert (error["type"], error["exit_code"]) == (kind, code)
        assert error["error"]


def test_json_as_a_message_is_a_message(cli):
    """After `--` no argument is an option."""
    cli("send", "box", "--", "--json", "--traceback")
    assert cli("peek", "box").lines == ["--json", "--traceback"]
    assert cli("show", "nowhere", "--", "--json", code=2).err.startswith("error: ")


@pytest.mark.parametrize("how", ["option", "variable"])
def test_developers_get_tracebacks(cli, monkeypatch, how):
    """--traceback and LIAISON_DEBUG print a traceback before the usual lines."""
    if how == "variable":
        monkeypatch.setenv("LIAISON_DEBUG", "1")
    shown = cli("show", "nowhere", *(["--traceback"] if how == "option" else []), code=4).err
    assert "Traceback (most recent call last)" in shown
    assert "NotFound" in shown
    assert "error: there is no" in shown


def test_an_unexpected_exception_is_reported(cli, monkeypatch):
    """An unexpected exception is one line, too, and the code is 1."""

    def observe(*_):
        raise RuntimeError("unforeseen")

    monkeypatch.setattr("liaison.cli.sight.look_at", observe)
    monkeypatch.setattr("liaison.cli.show.look_at", observe)
    shown = cli("show", "box", code=1).err
    assert "RuntimeError: unforeseen" in shown
    assert "--traceback" in shown


def test_a_destroyed_link_is_not_taken_for_a_closed_output(cli, monkeypatch):
    """Destroyed, a BrokenPipeError, is reported as an error of the link."""

    def observe(*_):
        raise liaison.Destroyed("shm://default/box was destroyed")

    monkeypatch.setattr("liaison.cli.peek.observed", observe)
    assert "was destroyed" in cli("peek", "box", code=1).err


def test_an_output_that_cannot_be_written_is_an_error(program):
    """A full disk is one line, and the code is 1, also when little was written."""
    with open("/dev/full", "wb") as full:
        result = program("ls", stdout=full).end(1)
    assert result.err == "error: No space left on device\n"
