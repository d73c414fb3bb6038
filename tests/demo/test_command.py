"""The command ``liaison demo``."""

import hashlib
import io
import json
import os
import tokenize
import zlib
from xml.etree import ElementTree

import pytest

from tests.demo.stage import report_of, run, running


def tokens_of(contents):
    """Count the tokens as this Python does, and whether they end in an error."""
    count = 0
    try:
        for _ in tokenize.tokenize(io.BytesIO(contents).readline):
            count += 1
    except (tokenize.TokenError, SyntaxError, ValueError, LookupError):
        return count, True
    return count, False


def computed(root):
    """Compute the result here, in another way."""
    paths = sorted(
        os.path.join(folder, name)
        for folder, _, names in os.walk(root)
        for name in names
        if not os.path.islink(os.path.join(folder, name))
    )
    contents = [open(path, "rb").read() for path in paths]  # noqa: SIM115
    digests = b"".join(hashlib.sha256(each).digest() for each in contents)
    tokens = [
        tokens_of(each) for path, each in zip(paths, contents, strict=True) if path.endswith(".py")
    ]
    return {
        "files": len(paths),
        "tokens": sum(count for count, _ in tokens),
        "bytes": sum(map(len, contents)),
        "compressed_bytes": sum(len(zlib.compress(each)) for each in contents),
        "sha256": hashlib.sha256(digests).hexdigest(),
        "not_python": 1,
        "broken_sources": sum(broken for _, broken in tokens),
        "unreadable": 0,
    }


def test_the_result_is_right_though_a_worker_is_killed(space, tree):
    """The result is that of another computation, and the killed worker's file was done again."""
    report = report_of(tree, "--workers", 2)
    assert report["result"] == computed(tree)
    assert report["check"] == {"holds": True, "differences": []}
    files = report["result"]["files"]
    counts = report["counts"]
    assert counts["sent"] == counts["received"] - counts["duplicates_dropped"] == files
    assert counts["lost"] == counts["counted_twice"] == 0
    assert counts["redelivered"] >= 1
    kill = report["kill"]
    victim, successor = (
        next(worker for worker in report["workers"] if worker["pid"] == pid)
        for pid in (kill["pid"], kill["replaced_by"])
    )
    assert victim["killed"]
    assert victim["holding"] == kill["file"]
    assert successor["replaces"] == victim["pid"]
    assert kill["attempt"] == 2
    assert kill["redelivered_to"] != kill["pid"]
    done = sum(worker["files"] for worker in report["workers"])
    assert done == files + counts["duplicates_dropped"]


def test_one_worker_is_enough(space, tree):
    """When the only worker is killed, its successor does the rest."""
    report = report_of(tree, "-w", 1)
    assert report["check"]["holds"]
    assert report["kill"]["redelivered_to"] == report["kill"]["replaced_by"]


def test_a_single_file_will_do(space, tree):
    """PATH can be a file, even through a link."""
    report = report_of(tree / "link.py")
    assert (report["result"]["files"], report["result"]["bytes"]) == (1, 0)


def test_files_that_are_left_out_are_listed(space, tree):
    """Links, pipes and files of more than 64 MiB are left out, and named with the reason."""
    os.mkfifo(tree / "pipe")
    with open(tree / "huge.py", "wb") as huge:
        huge.truncate((64 << 20) + 1)
    skipped = {
        os.path.basename(each["name"]): each["reason"]
        for each in report_of(tree)["input"]["skipped"]
    }
    assert skipped == {
        "huge.py": "larger than 64 MiB",
        "link.py": "not a regular file",
        "pipe": "not a regular file",
    }


def test_a_name_need_not_be_text(space, tree):
    """File names that are not UTF-8, or hold what moves a cursor, do no harm."""
    with open(os.fsencode(tree) + b"/na\xffme\x1b[2J.py", "wb") as file:
        file.write(b"x = 1\n" * 5000)
    done = run(tree)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout


def test_output_into_a_pipe_is_plain(space, tree):
    """Into a pipe the command writes plain lines without escape codes."""
    done = run(tree)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    assert "the same as the result of a single process" in done.stdout
    assert "kill -9 of worker" in done.stdout


def test_an_encoding_without_arrows_is_no_obstacle(space, tree, monkeypatch):
    """Characters that the output's encoding lacks are replaced."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    assert run(tree).returncode == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing", "does not exist"),
        ("empty", "no file to read"),
        ("huge", "larger than 64 MiB"),
        ("pipe", "not a regular file"),
    ],
)
def test_nothing_to_read_is_a_usage_error(space, tmp_path, name, said):
    """A PATH with nothing to read is refused with the reason, before anything is started."""
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "huge", "wb") as huge:
        huge.truncate((64 << 20) + 1)
    done = run(tmp_path / name)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_a_picture_is_written(space, tree, tmp_path):
    """--svg writes a picture of the result."""
    assert run(tree, "--svg", tmp_path / "demo.svg").returncode == 0
    assert ElementTree.parse(tmp_path / "demo.svg").getroot().tag.endswith("svg")


def test_two_can_run_at_once(space, tree):
    """Two demonstrations in one space keep out of each other's way."""
    with running(tree, "--json") as one, running(tree, "--json") as two:
        for process in (one, two):
            said, complaints = process.communicate(timeout=100)
            assert process.returncode == 0, complaints
            assert json.loads(said)["check"]["holds"]


def test_modules_are_not_taken_from_the_current_directory(space, tree, monkeypatch):
    """The workers do not import modules from the current directory."""
    for name in ("queue.py", "tokenize.py", "zlib.py"):
        (tree / name).write_text("raise SystemExit('taken from the current directory')\n")
    monkeypatch.chdir(tree)
    monkeypatch.setenv("PYTHONSAFEPATH", "1")  # for the command itself, as its script does
    assert run(".").returncode == 0
