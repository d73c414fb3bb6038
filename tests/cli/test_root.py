"""The liaison command itself: its help, its commands, the options of all."""

import subprocess
import sys

import click
import pytest

import liaison
from liaison.cli import main
from liaison.cli.root import SECTIONS

COMMANDS = {name: text for section in SECTIONS.values() for name, text in section.items()}


def modules_after(*arguments):
    """Return what a command imports when it runs."""
    program = (
        "import sys\n"
        "from liaison.cli import main\n"
        "try:\n"
        f"    main({list(arguments)!r})\n"
        "except SystemExit:\n"
        "    print(*sys.modules, file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    return set(ran.stderr.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_each_commands_help_begins_with_the_line_of_the_overview(name):
    """The overview repeats the first line of each command's help."""
    command = main.get_command(click.Context(main), name)
    assert command.name == name
    assert command.help.splitlines()[0] == COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_and_the_common_options(cli, name):
    """--help works for each command, and shows --json and --space."""
    shown = cli(name, "--help").out
    assert COMMANDS[name] in " ".join(shown.split())
    assert "--json" in shown
    assert "--space" in shown


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_the_overview_lists_every_command(cli, arguments):
    """Without a command, and with --help, all commands are listed."""
    shown = cli(*arguments)
    assert all(f"  {name} " in shown.out for name in COMMANDS)
    assert shown.err == ""


def test_the_overview_imports_no_command(lab):
    """`liaison --help` loads none of the commands, nor what they draw with."""
    modules = modules_after("--help")
    assert "liaison.cli.root" in modules
    assert not {f"liaison.cli.{name}" for name in COMMANDS} & modules
    assert "rich" not in modules


@pytest.mark.parametrize("command", [("send", "box", "hello"), ("peek", "box"), ("rm", "box")])
def test_a_command_imports_no_other_and_draws_nothing_it_need_not(lab, command):
    """A command that writes plain lines does without rich and without the other commands."""
    with liaison.Mailbox("box"):
        modules = modules_after(*command)
    loaded = {name for name in COMMANDS if f"liaison.cli.{name}" in modules}
    assert loaded == {command[0]}
    assert "rich" not in modules


def test_completing_a_command_line_imports_no_command(lab):
    """The shell's completion of a command's name does not load the commands."""
    program = "import sys, liaison.cli; liaison.cli.main()"
    words = {"_LIAISON_COMPLETE": "bash_complete", "COMP_WORDS": "liaison re", "COMP_CWORD": "1"}
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**words, "LIAISON_ROOT": str(lab.root), "PATH": ""},
    )
    assert "liaison.cli.receive" not in ran.stderr


def test_it_is_a_module_too(program):
    """`python -m liaison` is the same command, and names itself so."""
    assert program("--help").end(0).out.startswith("Usage: python -m liaison")


def test_it_prints_its_version(cli):
    """--version prints the version."""
    assert liaison.__version__ in cli("--version").out


def test_a_misspelt_command_is_a_usage_error(cli):
    """The code is 2, and the error leads to --help."""
    result = cli("shov", code=2)
    assert "shov" in result.err
    assert "--help" in result.err


def test_the_space_can_be_chosen_before_and_after_the_command(cli):
    """--space applies to bare names, before the command and after it."""
    cli("--space", "red", "send", "box", "early")
    cli("send", "-s", "red", "box", "late")
    assert cli("peek", "shm://red/box").lines == ["early", "late"]
    assert cli("ls", "--json").json == []


def test_a_bad_space_is_the_options_fault_or_the_variables(cli, monkeypatch):
    """The error names the variable only where that was used."""
    assert "LIAISON_SPACE" not in cli("-s", "a/b", "ls", code=2).err
    monkeypatch.setenv("LIAISON_SPACE", "a/b")
    assert "LIAISON_SPACE" in cli("ls", code=2).err


def test_the_chosen_space_ends_with_the_command(cli, monkeypatch):
    """A command leaves the caller's environment as it was."""
    monkeypatch.setenv("LIAISON_SPACE", "blue")
    cli("-s", "red", "send", "box", "x")
    cli("send", "box", "y")
    assert cli("peek", "shm://blue/box").lines == ["y"]


def test_json_can_be_asked_for_before_the_command(cli):
    """`liaison --json ls` is `liaison ls --json`."""
    assert cli("--json", "ls").json == []


def test_looking_makes_no_space(cli, lab):
    """A misspelt --space is not created by listing, watching or cleaning it."""
    cli("-s", "typo", "ls")
    cli("-s", "typo", "clean")
    cli("-s", "typo", "top", "--once", "--interval", "0.05")
    assert liaison.spaces() == []
