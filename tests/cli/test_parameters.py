"""Sizes, and names that the shell completes."""

import subprocess
import sys

import pytest

import liaison
from liaison.cli.parameters import size


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("4096", 4096),
        ("64K", 65536),
        ("64k", 65536),
        ("1M", 1 << 20),
        ("1.5M", 3 << 19),
        ("2G", 2 << 30),
        ("2GiB", 2 << 30),
        ("2 GB", 2 << 30),
        ("1T", 1 << 40),
        ("12B", 12),
    ],
)
def test_sizes_have_units(text, count):
    """K, M, G and T are powers of 1024, with or without B or iB."""
    assert size(text) == count


@pytest.mark.parametrize("text", ["", "K", "-1", "1X", "1e3", "1,5M", "0x10", "١", "nan"])
def test_what_is_no_size_is_refused(text):
    """The error says how sizes are written."""
    with pytest.raises(ValueError, match="64K"):
        size(text)


def complete(lab, line, shell="bash"):
    """Return what a shell is offered at the end of a line."""
    words = line.split(" ")
    environ = {
        "_LIAISON_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": words[-1] if shell == "fish" else str(len(words) - 1),
        "LIAISON_ROOT": str(lab.root),
        "PATH": "",
    }
    program = "import liaison.cli; liaison.cli.main(prog_name='liaison')"
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    assert ran.stderr == ""
    if shell == "zsh":
        return ran.stdout.split("\n")[1::3]
    return [line.split(",", 1)[1].split("\t")[0] for line in ran.stdout.split("\n") if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands(lab, shell):
    """The shell completes the name of a command."""
    assert complete(lab, "liaison s", shell) == ["show", "send"]


@pytest.mark.parametrize("command", ["send", "receive", "peek", "show", "rm", "top"])
def test_the_shell_completes_names_of_links(cli, lab, command):
    """The shell completes the names of links in the current space."""
    for name in ("jobs", "joker", "orders"):
        cli("create", name)
    assert complete(lab, f"liaison {command} jo") == ["jobs", "joker"]


def test_the_shell_completes_in_the_chosen_space(cli, lab):
    """Completion uses --space, and completes the space's name."""
    cli("create", "-s", "red", "jobs")
    assert complete(lab, "liaison -s red show j") == ["jobs"]
    assert complete(lab, "liaison show -s red j") == ["jobs"]
    assert complete(lab, "liaison show j") == []
    assert complete(lab, "liaison -s r") == ["red"]


def test_nothing_is_made_or_said_by_completing(lab):
    """In a space that does not exist, or has a bad name, completion offers and creates nothing."""
    assert complete(lab, "liaison -s nowhere show j") == []
    assert complete(lab, "liaison -s a/b show j") == []
    assert liaison.spaces() == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_each_shell_is_printed(cli, shell):
    """`completion` prints what the shell evaluates, or that as JSON."""
    script = cli("completion", shell).out
    assert f"_LIAISON_COMPLETE={shell}_complete" in script
    shown = cli("completion", shell, "--json").json
    assert (shown["shell"], shown["script"] + "\n") == (shell, script)


def test_the_users_shell_is_found_out(cli, monkeypatch):
    """Without a name the script is for $SHELL; an unknown shell is an error."""
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert cli("completion").out == cli("completion", "fish").out
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert "bash, zsh or fish" in cli("completion", code=2).err


def test_bash_completes_with_the_script(cli, tmp_path):
    """In a real bash, the script offers names of links."""
    cli("create", "jobs")
    script = cli("completion", "bash").out
    command = tmp_path / "liaison"
    run = "import liaison.cli; liaison.cli.main(prog_name='liaison')"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{run}" "$@"\n')
    command.chmod(0o755)
    session = f"""
        {script}
        COMP_WORDS=(liaison show jo) COMP_CWORD=2
        _liaison_completion {command}
        echo "${{COMPREPLY[@]}}"
    """
    ran = subprocess.run(["bash", "-c", session], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["jobs"]
