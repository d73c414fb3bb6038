"""The command top: what it measures, how it is drawn, and how it uses a terminal."""

import io
import json
import os
import signal

import pytest
from rich.cells import cell_len
from rich.console import Console

from liaison.cli.top.rates import Moment, Row, Watch
from liaison.cli.top.screen import _View as View

# ---- rates


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [100.0]
    monkeypatch.setattr("liaison.cli.top.rates.monotonic", lambda: now[0])

    def advance(seconds):
        now[0] += seconds

    return advance


def test_rates_are_of_the_time_between_two_looks(mailbox, clock):
    """The rate in counts accepted messages, the rate out acknowledged ones."""
    with mailbox("jobs", capacity=100) as box:
        watch = Watch()
        assert [row.rate for row in watch.sample().rows] == [0]
        box.send_many(["x"] * 30)
        box.receive_many(10)
        with box.lease():
            clock(2)
            (row,) = watch.sample().rows
    assert (row.rate_in, row.rate_out) == (15, 5)
    assert (row.waiting, row.leased, row.free) == (19, 1, 80)
    assert row.depth == pytest.approx(0.2)
    assert row.history == (15,)


def test_earlier_messages_count_for_nothing(mailbox, clock):
    """The first sample of a link has no rate."""
    with mailbox("early") as early:
        early.send_many(["x"] * 50)
        watch = Watch()
        watch.sample()
        with mailbox("late") as late:
            late.send_many(["x"] * 50)
            clock(1)
            assert [row.rate for row in watch.sample().rows] == [0, 0]


def test_links_come_and_go(mailbox, clock):
    """A destroyed link is gone at the next look; one made anew under its name begins anew."""
    watch = Watch()
    assert watch.sample().rows == ()
    with mailbox("jobs") as box:
        box.send_many(["x"] * 50)
        assert [row.name for row in watch.sample().rows] == ["jobs"]
        box.destroy()
    clock(1)
    assert watch.sample().rows == ()
    with mailbox("jobs") as box:
        watch.sample()
        box.destroy()
    with mailbox("jobs", capacity=3):
        clock(1)
        (row,) = watch.sample().rows
        assert (row.capacity, row.rate_in, row.history) == (3, 0, ())


def test_only_the_named_links_are_watched(mailbox, clock):
    """Only links with the given names are shown, once they exist."""
    watch = Watch(["b", "c"])
    with mailbox("a"), mailbox("b"):
        assert [row.name for row in watch.sample().rows] == ["b"]
        with mailbox("c"):
            assert [row.name for row in watch.sample().rows] == ["b", "c"]


def test_watching_takes_no_place(mailbox, clock):
    """Watching adds no process to a link."""
    with mailbox("jobs") as box:
        watch = Watch()
        (row,) = watch.sample().rows
        assert row.processes == 0
        box.send("x")
        assert watch.sample().rows[0].processes == 1


# ---- the screen


def row(name, **facts):
    plain = dict.fromkeys(
        ["rate_in", "rate_out", "waiting", "leased", "receivers_asleep", "senders_asleep"], 0
    )
    described = {"kind": "mailbox", "capacity": 10, "free": 10, "processes": 2, "bytes": 4096}
    return Row(id=name, name=name, **{**plain, **described, "history": (), **facts})


def drawn(view, rows, width=120, height=24):
    console = Console(width=width, height=height, file=io.StringIO(), color_system=None)
    moment = Moment("default", 3, tuple(rows))
    with console.capture() as capture:
        console.print(view.draw(moment, console), end="")
    return capture.get().removesuffix("\n").split("\n")


BUSY = row(
    "a-link-with-a-rather-long-name",
    rate_in=123456.7,
    rate_out=98765.4,
    waiting=262144,
    leased=99999,
    free=0,
    receivers_asleep=10,
    senders_asleep=10,
    processes=1024,
    bytes=1023 << 20,
    history=tuple(range(60)),
)


@pytest.mark.parametrize("width", [20, 40, 50, 60, 80, 100, 120, 160, 250])
@pytest.mark.parametrize("height", [6, 12, 24, 60])
def test_it_fits_every_terminal(width, height):
    """No line is wider and no screen higher; the name and the keys are always there."""
    rows = [BUSY, *(row(f"link-{number:02}") for number in range(30))]
    lines = drawn(View(), rows, width, height)
    assert len(lines) <= height
    assert max(map(cell_len, lines)) <= width
    assert "LINK" in lines[2]
    assert "a-li" in lines[3]
    assert lines[-1].startswith("q quit")


def test_a_wide_terminal_shows_everything():
    """A wide terminal shows rates, depth, waiters, processes and memory."""
    text = "\n".join(drawn(View(), [BUSY], 160))
    for part in ("123k", "98.8k", "━━━━━━━━━━", "262,144", "10 recv, 10 send", "1,024", "1 GiB"):
        assert part in text
    assert "▂" in text
    assert "▇" in text


def test_the_busiest_link_comes_first_until_a_key_says_otherwise():
    """Keys sort by rate, waiting messages, memory or name; equal links by name."""
    rows = [
        row("c", rate_in=9),
        row("a", waiting=5, free=5),
        row("b", bytes=1 << 20),
    ]

    def order(view):
        return [line.split()[0] for line in drawn(view, rows)[3:6]]

    view = View()
    assert order(view) == ["c", "a", "b"]
    for key, expected in (("w", "abc"), ("m", "bac"), ("n", "abc"), ("r", "cab")):
        view.press(key)
        assert order(view) == list(expected)


def test_more_links_than_lines_can_be_scrolled():
    """The arrows, j and k scroll, and stop at both ends."""
    view = View()
    view.press("n")
    rows = [row(f"link-{number}") for number in range(9)]

    def first(presses):
        for key in presses:
            view.press(key)
        return drawn(view, rows, height=10)[3].split()[0]

    assert first([]) == "link-0"
    assert first(["down", "j"]) == "link-2"
    assert first(["k"]) == "link-1"
    assert first(["down"] * 1) == "link-2"
    for _ in range(20):
        last = first(["down"])
    assert last == "link-4"
    for _ in range(20):
        last = first(["up"])
    assert last == "link-0"
    assert "1–5 of 9" in drawn(view, rows, height=10)[-1]


def test_an_empty_space_is_no_empty_screen():
    """An empty space shows a hint."""
    assert "No links yet" in "\n".join(drawn(View(), []))


def test_a_rendezvous_has_no_depth():
    """A rendezvous, which holds nothing, shows that word instead of a depth."""
    assert "rendezvous" in "\n".join(drawn(View(), [row("meet", capacity=0, free=0)]))


# ---- without a terminal


def test_once_writes_one_table(cli, mailbox):
    """--once writes a table without escape codes and shortened names."""
    name = "n" * 90
    with mailbox(name) as box:
        box.send("x")
        result = cli("top", "--once", "--interval", 0.05)
    assert "\x1b" not in result.out
    assert name in result.out
    assert result.lines[0].startswith("liaison  space default   1 link")


def test_once_prints_json(cli, mailbox):
    """--once --json prints one object with the links' counts and rates."""
    with mailbox("jobs"), mailbox("other"):
        shown = cli("top", "--once", "--json", "-i", 0.05, "jobs").json
    assert shown["space"] == "default"
    (link,) = shown["links"]
    assert link["name"] == "jobs"
    assert {"rate_in", "rate_out", "waiting", "leased", "processes", "bytes"} <= link.keys()


def test_a_missing_link_is_an_error(cli, mailbox):
    """With --once the code is 4."""
    with mailbox("jobs"):
        cli("top", "--once", "-i", 0.05, "nowhere", code=4)


def test_a_pipe_gets_a_table_each_interval(program, mailbox):
    """In a pipe there is a table or a line of JSON each interval, until the reader closes."""
    with mailbox("jobs"):
        for arguments in ([], ["--json"]):
            watcher = program("top", "--interval", 0.05, *arguments)
            heads = 0
            while heads < 3:
                line = watcher.stdout.readline()
                assert b"\x1b" not in line
                heads += line.startswith((b"liaison", b"{"))
            if arguments:
                assert json.loads(line)["links"][0]["name"] == "jobs"
            watcher.stdout.close()
            watcher.stdout = None
            assert watcher.end(141).err == ""


# ---- on a terminal


def test_it_shows_life_as_it_happens(terminal, mailbox):
    """A link appears, fills, and vanishes while it is watched."""
    watcher = terminal("top", "--interval", "0.05")
    watcher.shows("No links yet")
    assert "\x1b[?1049h" in watcher.written
    with mailbox("jobs", capacity=8) as box:
        watcher.shows("jobs")
        box.send_many(["x"] * 8)
        watcher.shows("━{10} +8 ")
        box.destroy()
    watcher.press("n")
    watcher.shows("No links yet")
    watcher.press("q")
    watcher.ends(0)


@pytest.mark.parametrize(
    ("keys", "code"), [("q", 0), ("Q", 0), ("\x1b", 0), ("\x03", 130), ("SIGTERM", 143)]
)
def test_the_terminal_is_left_as_it_was(terminal, keys, code):
    """A key, Ctrl-C and SIGTERM all restore the terminal."""
    watcher = terminal("top")
    watcher.shows("q quit")
    if keys == "SIGTERM":
        watcher.process.send_signal(signal.SIGTERM)
    else:
        os.write(watcher.master, keys.encode())
    watcher.ends(code)
    assert watcher.is_as_before()


def test_a_new_size_is_drawn_at_once(terminal, mailbox):
    """A new size is drawn before the interval has passed."""
    with mailbox("jobs"):
        watcher = terminal("top", "--interval", "3600", width=120)
        watcher.shows("jobs")
        assert "MEMORY" in watcher.written
        watcher.bytes = b""
        watcher.resize(50, 12)
        watcher.shows("LINK +IN/s +OUT/s +WAITING")
        assert "MEMORY" not in watcher.written


def test_keys_work_at_once(terminal, mailbox):
    """A key is answered before the interval has passed."""
    with mailbox("jobs"):
        watcher = terminal("top", "--interval", "3600")
        watcher.shows("p pause")
        watcher.press("p")
        watcher.shows("resume.*paused")
        watcher.press("p")
        watcher.shows("p pause")


def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(terminal):
    """The screen is put back before it stops, and drawn anew afterwards."""
    watcher = terminal("top", "--interval", "0.05")
    watcher.shows("q quit")
    watcher.press("\x1a")
    # A session without a shell has nobody who would wake it, so the kernel does not stop it here:
    # it goes on at once.
    watcher.shows("q quit")
    _, second = watcher.written.split("\x1b[?1049l")[:2]
    assert "\x1b[?1049h" in second
    watcher.press("q")
    watcher.ends(0)
    assert watcher.is_as_before()


def test_a_keyboard_is_not_needed(terminal, mailbox):
    """top watches with standard input from elsewhere."""
    with mailbox("jobs") as box, open("/dev/null") as nothing:
        watcher = terminal("top", "--interval", "0.05", stdin=nothing)
        watcher.shows("jobs")
        box.send("x")
        watcher.shows(" 1 ")
        watcher.process.send_signal(signal.SIGINT)
        watcher.ends(130)
