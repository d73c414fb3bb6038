"""The commands ls, show, create, rm and clean."""

import json
import os
import weakref

import pytest

import liaison
from liaison.testing import PATIENCE, Process, point


def holds(name):
    """Create a mailbox, and keep it."""
    with liaison.Mailbox(name) as box:
        box.send("x")
        box.receive()
        point("there", wait=True)


# ---- create


def test_create_prints_the_address(cli):
    """create prints the address that send and receive take."""
    address = cli("create", "jobs").lines[0]
    assert address == "shm://default/jobs"
    cli("send", address, "x")


def test_create_takes_the_policy_of_the_mailbox(cli):
    """The options are those of Mailbox.create, and sizes have units."""
    cli("create", "a", "--capacity", 8, "--max-message", "4K", "--access", "exclusive")
    cli("create", "b", "--memory", "1M", "--max-deliveries", 3, "--dead-letters", "letters")
    with liaison.Mailbox.observe("a") as box:
        assert (box.link.capacity, box.link.max_message) == (8, 4096)
        assert box.link.access == "exclusive"
    with liaison.Mailbox.observe("b") as box:
        assert box.link.memory == 1 << 20
        assert (box.link.max_deliveries, box.link.dead_letters) == (3, "shm://default/letters")


def test_create_gives_json(cli):
    """create --json prints the same facts as `show --json`."""
    made = cli("create", "jobs", "--capacity", 3, "--json").json
    assert made["address"] == "shm://default/jobs"
    assert made["capacity"] == 3
    assert made["statistics"]["free"] == 3


def test_what_exists_is_not_created(cli):
    """Creating it again has code 1, and the mailbox stays as it is."""
    cli("create", "jobs", "--capacity", 3)
    assert "exists" in cli("create", "jobs", code=1).err
    assert cli("show", "jobs", "--json").json["capacity"] == 3


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--capacity", "-1"), "--capacity"),
        (("--capacity", "999999999"), "capacity"),
        (("--max-message", "1X"), "--max-message"),
        (("--max-message", "1K", "--memory", "1M"), "--memory"),
        (("--access", "all"), "--access"),
        (("--max-deliveries", "0"), "--max-deliveries"),
        (("--dead-letters", "jobs", "--max-deliveries", "1"), "dead"),
        (("--kind", "queue", "--memory", "1M"), "--memory"),
        (("--kind", "queue", "--access", "exclusive"), "--access"),
        (("--kind", "queue", "--max-deliveries", "3"), "--max-deliveries"),
        (("--kind", "queue", "--dead-letters", "letters"), "--dead-letters"),
        (("--kind", "queue", "--capacity", "0"), "--capacity"),
        (("--kind", "queue", "--max-message", "0"), "--max-message"),
        (("--kind", "port"), "port"),  # it would end with the command
    ],
    ids=str,
)
def test_what_cannot_be_created_is_a_usage_error(cli, options, named):
    """The code is 2, the error names the option, and nothing is created."""
    shown = cli("create", "jobs", *options, code=2).err
    assert named in shown
    assert "=" not in shown.splitlines()[0]
    assert "None" not in shown
    assert cli("ls", "--json").json == []


def test_create_makes_a_queue(cli):
    """--kind queue makes a MessageQueue of --capacity places of --max-message bytes."""
    address = cli("create", "jobs", "--kind", "queue", "--capacity", 3, "--max-message", "1K")
    assert address.lines == ["shm://default/jobs"]
    with liaison.MessageQueue.open("jobs") as queue:
        assert (queue.link.capacity, queue.link.max_message) == (3, 1024)
        queue.put("from Python")
    with pytest.raises(liaison.Mismatch):
        liaison.Mailbox.open("jobs")
    assert cli("show", "jobs", "--json").json["kind"] == "queue"
    cli("send", "jobs", "from the shell")
    assert cli("receive", "jobs").lines == ["from Python"]
    with liaison.MessageQueue.open("jobs") as queue:
        assert queue.qsize() == 1
        queue.destroy(force=True)


def test_a_queue_has_the_defaults_of_python(cli):
    """Its defaults are ten places of 8 KiB, as in Python."""
    made = cli("create", "jobs", "--kind", "queue", "--json").json
    assert (made["kind"], made["capacity"], made["max_message"]) == ("queue", 10, 8192)
    cli("rm", "jobs", "--force")


def test_a_port_is_shown_and_sent_to(cli):
    """A port is shown with its lifetime, a shell can send to it, and cannot receive."""
    with liaison.Port("parcels", lifetime="receiver") as port:
        shown = cli("show", "parcels", "--json").json
        assert (shown["kind"], shown["lifetime"]) == ("port", "receiver")
        cli("send", "parcels", "tea")
        assert port.receive(timeout=60) == "tea"
        cli("receive", "parcels", "--timeout", 0, code=5)


# ---- ls


def test_an_empty_space_says_what_to_do(cli):
    """An empty space is a hint, not an empty table, and no error."""
    shown = cli("ls").out
    assert "no links in shm://default" in shown
    assert "liaison send" in shown
    assert "no links in any of your spaces" in cli("ls", "--all-spaces").out


def test_links_are_listed_with_their_counts(cli, mailbox):
    """In a pipe each link is one line of whole columns, which scripts can cut."""
    long = "n" * 100
    box, other = mailbox("jobs", capacity=5), mailbox(long, capacity=0, access="exclusive")
    with box, other:
        for text in "abc":
            box.send(text)
        with box.lease():
            lines = cli("ls").lines
    assert lines[0].startswith("space default  2 links, 1 process")
    table = {line.split()[0]: line.split() for line in lines[2:]}
    assert table["jobs"][1:7] == ["mailbox", "5", "2", "1", "1", "1"]
    assert table[long][1:4] == ["mailbox,", "exclusive", "rendezvous"]


def test_the_list_is_one_json_document(cli):
    """ls --json prints a list of objects with space, facts and counts."""
    cli("send", "jobs", "a", "b")
    (link,) = cli("ls", "--json").json
    assert (link["space"], link["name"], link["kind"]) == ("default", "jobs", "mailbox")
    assert link["statistics"]["waiting"] == 2
    assert link["senders"] == []


def test_all_spaces_can_be_listed(cli):
    """--all-spaces lists every space with its name."""
    cli("send", "-s", "red", "one", "x")
    cli("send", "-s", "blue", "two", "x")
    shown = cli("ls", "--all-spaces").out
    assert "space red" in shown
    assert "space blue" in shown
    assert {link["space"] for link in cli("ls", "-a", "--json").json} == {"red", "blue"}


def damage(lab, name):
    path = lab.path / "names" / name
    with open(path, "r+b") as segment:
        segment.write(os.urandom(256))


def test_a_damaged_link_is_listed_as_such(cli, program, lab):
    """A damaged link is listed with its error, beside the others."""
    program("send", "bad", "x").end(0)
    cli("send", "good", "x")
    damage(lab, "bad")
    listed = {link["name"]: link for link in cli("ls", "--json").json}
    assert listed["bad"]["type"] in ("Corrupt", "VersionMismatch")
    assert listed["good"]["statistics"]["waiting"] == 1
    assert "good" in cli("ls").out
    assert "bad" in cli("ls").out
    cli("rm", "--force", "bad")


# ---- show


def test_a_link_is_shown_with_its_processes(cli, mailbox):
    """show prints a link's policy, its counts, and its processes."""
    with mailbox("jobs", capacity=7, max_deliveries=2) as box:
        box.send("x")
        shown = cli("show", "jobs").out
    for fact in ("shm://default/jobs", "7 messages", "2, then to", "any process", "sends"):
        assert fact in shown
    assert f"pid {os.getpid()}" in shown


def test_a_link_is_shown_as_json(cli, mailbox):
    """show --json prints all of Link and Statistics."""
    with mailbox("jobs") as box:
        box.send("x")
        shown = cli("show", "jobs", "--json").json
    assert shown["senders"][0]["pid"] == os.getpid()
    assert shown["creator"]["pid"] == os.getpid()
    assert shown["statistics"]["accepted"] == 1


def test_a_dead_creator_is_shown(cli):
    """show says that the creator has ended."""
    with Process(holds, "jobs") as process:
        process.reach("there")
        assert "ended" not in cli("show", "jobs").out
        process.kill()
    assert "ended" in cli("show", "jobs").out


def test_what_is_not_there_is_not_shown(cli):
    """The code is 4, by name and by address."""
    cli("show", "nowhere", code=4)
    cli("show", "shm://nowhere/jobs", code=4)


def test_seeing_takes_no_place(cli, mailbox):
    """ls, show, peek and top take no place on a link, even on a pair."""
    with mailbox("pair", access="pair") as box:
        with Process(holds, "pair") as process:
            process.reach("there")
            for command in (["ls"], ["show", "pair"], ["peek", "pair"], ["top", "--once", "-i.05"]):
                cli(*command)
            process.go_on()
            process.result()
        assert len(box.link.senders) <= 1


# ---- rm


def test_links_are_destroyed(cli):
    """rm destroys several links at once, without --force if their creators are dead."""
    for name in ("a", "b", "c"):
        cli("send", name, "x")
    assert cli("rm", "a", "b").out == ""
    assert [link["name"] for link in cli("ls", "--json").json] == ["c"]


def test_what_was_removed_is_printed_as_json(cli):
    """rm --json prints the address of the link or the space."""
    for arguments, address in (("a",), "shm://lab/a"), (("--whole",), "shm://lab"):
        cli("send", "-s", "lab", "a", "x")
        shown = cli("rm", "-s", "lab", *arguments, "--force", "--json").json
        assert shown == {"removed": [address]}


def test_a_link_that_cannot_be_destroyed_spares_no_other(cli):
    """rm tries all links; the code is that of the first failure."""
    cli("send", "a", "x")
    result = cli("rm", "nowhere", "a", "elsewhere", code=4)
    assert "nowhere" in result.err
    assert "elsewhere" in result.err
    assert cli("ls", "--json").json == []


def test_a_living_creators_link_needs_force(cli):
    """Without --force the code is 5."""
    with Process(holds, "jobs") as process:
        process.reach("there")
        assert "--force" in cli("rm", "jobs", code=5).err
        cli("rm", "--force", "jobs")
        cli("show", "jobs", code=4)


def test_a_damaged_link_needs_force(cli, program, lab):
    """rm --force removes the files of a link that cannot be opened."""
    program("send", "jobs", "x").end(0)
    damage(lab, "jobs")
    cli("rm", "jobs", code=1)
    cli("rm", "--force", "jobs")
    assert lab.files("names") == lab.files("links") == []


# ---- rm, of a space


def names_of_spaces():
    return [space.name for space in liaison.spaces()]


def test_a_space_is_removed(cli):
    """rm --whole removes an unused space with its links, and no other space; it prints nothing."""
    cli("create", "-s", "lab", "jobs")
    cli("create", "-s", "other", "jobs")
    assert cli("rm", "--space", "lab", "--whole").out == ""
    assert names_of_spaces() == ["other"]
    cli("-s", "other", "rm", "--whole")
    assert names_of_spaces() == []


def test_a_space_that_is_not_there_is_not_removed(cli):
    """The code is 4, and no space is created."""
    assert "no space 'lab'" in cli("rm", "--space", "lab", "--whole", code=4).err
    assert names_of_spaces() == []


def test_a_space_is_removed_only_by_its_name_and_whole(cli, monkeypatch):
    """Without both --space and --whole, or with names, the code is 2."""
    cli("send", "-s", "lab", "jobs", "tea")
    assert "--space" in cli("rm", "--whole", code=2).err
    assert "--whole" in cli("rm", "--space", "lab", "--force", code=2).err
    assert "leave out the names" in cli("rm", "--whole", "--space", "lab", "jobs", code=2).err
    monkeypatch.setenv("LIAISON_SPACE", "lab")
    cli("rm", code=2)
    cli("rm", "--whole", code=2)
    assert names_of_spaces() == ["lab"]


def test_a_space_that_is_used_stays(cli):
    """The code is 3 even with --force, and the error names the users."""
    with Process(holds, "shm://lab/jobs") as process:
        process.reach("there")
        for options in ((), ("--force",)):
            shown = cli("rm", "--whole", "-s", "lab", *options, code=3).err
            assert f"in use by pid {process.pid}" in shown
            assert "close what they have open in it, or end them" in shown
        process.kill()
    cli("rm", "--whole", "-s", "lab")
    assert names_of_spaces() == []


def test_a_space_with_messages_needs_force(cli):
    """Without --force the code is 3, and the error counts the messages."""
    cli("send", "-s", "lab", "jobs", "a", "b")
    shown = cli("rm", "--whole", "-s", "lab", code=3).err
    assert "2 messages wait in 'jobs'" in shown
    assert "use --force to lose them" in shown
    error = json.loads(cli("rm", "--whole", "-s", "lab", "--json", code=3).err)
    assert (error["type"], error["exit_code"]) == ("Busy", 3)
    assert "--force" in error["hint"]
    cli("rm", "--whole", "-s", "lab", "--force")
    assert names_of_spaces() == []


def test_a_space_with_a_living_creators_link_needs_force(cli):
    """Without --force the code is 5, and the error names the creator."""
    with Process(holds_nothing_open, "shm://lab/jobs") as process:
        process.reach("there")
        shown = cli("rm", "--whole", "-s", "lab", code=5).err
        assert f"pid {process.pid}" in shown
        assert "use --force" in shown
        cli("rm", "--whole", "-s", "lab", "--force")


def holds_nothing_open(name):
    liaison.Mailbox(name).close()
    point("there", wait=True)


def test_a_damaged_space_needs_force(cli, lab):
    """Without --force the code is 1, and the error names the command that removes it."""
    cli("create", "jobs")
    os.truncate(lab.path / "members", 100)
    shown = cli("rm", "--whole", "-s", "default", code=1).err
    assert "it is unknown which of them live" in shown
    assert "`liaison rm --space default --whole --force`" in shown
    cli("rm", "--whole", "-s", "default", "--force")
    assert names_of_spaces() == []


# ---- clean


def test_cleaning_spares_messages(cli):
    """Without --links no link is removed."""
    cli("send", "jobs", "x")
    assert cli("clean").out == "nothing to remove\n"
    assert cli("peek", "jobs").lines == ["x"]


@pytest.mark.parametrize("option", ["--links", "--all"])
def test_cleaning_links_removes_those_of_the_dead(cli, program, mailbox, option):
    """clean --links spares links that a living process has open."""
    program("send", "jobs", "x").end(0)
    with mailbox("mine"):
        assert cli("clean", option).out.startswith("removed 1 link;")
        assert [link["name"] for link in cli("ls", "--json").json] == ["mine"]


def test_cleaning_prints_json(cli, program):
    """clean --json prints counts and bytes."""
    program("send", "jobs", "x").end(0)
    shown = cli("clean", "--links", "--json").json
    assert shown["links"] == 1
    assert shown["bytes"] > 0


# ---- endpoints


@pytest.fixture
def renamed(lab):
    """A clerk that has become the manager, to whom the boss has sent two messages."""
    with liaison.Endpoint("clerk") as clerk, liaison.Endpoint("boss") as boss:
        clerk.rename("manager")
        boss.send("clerk", {"task": 1})
        boss.send("clerk", "another")
        yield weakref.proxy(clerk)  # what a test is given outlives the check of what it left
    for name in ("boss", "manager"):
        with liaison.Endpoint(name) as endpoint:
            endpoint.destroy()


def test_an_endpoint_is_listed_once(cli, renamed):
    """An endpoint is one line, however many names it has, with the count of its messages."""
    for command in (("ls",), ("top", "--once")):
        (line,) = [line for line in cli(*command).lines if "manager" in line or "clerk" in line]
        assert " 2 " in line


def test_an_endpoint_to_which_nobody_has_sent_has_room(cli, renamed):
    """`free` is that of its fullest link, or that of a new one."""
    for name, room in (("boss", 256), ("manager", 254)):
        assert cli("show", name, "--json").json["statistics"]["free"] == room
    assert [line.split()[0] for line in cli("ls").lines[2:]] == ["boss", "manager"]


def test_show_lists_the_users_of_an_old_name(cli, renamed):
    """show lists a sender with its pid, its name, and the name that it sends to."""
    rows = [line for line in cli("show", "manager").lines if "sends to clerk" in line]
    assert [row.split()[1:3] for row in rows] == [[str(os.getpid()), "boss"]]


def test_what_waits_for_an_endpoint_can_be_looked_at(cli, renamed):
    """peek takes any of its names, and takes no message."""
    assert cli("peek", "clerk").lines == ['{"task":1}', "another"]
    assert cli("peek", "manager", "-n", 1).lines == ['{"task":1}']
    assert [renamed.receive(), renamed.receive()] == [{"task": 1}, "another"]


def test_a_message_can_be_sent_to_an_endpoint(cli, renamed, program):
    """send reaches it from a process without a name, and refuses --receipt."""
    program("send", "clerk", "from a shell").end(0)
    found = [renamed.receive(timeout=PATIENCE) for _ in range(3)]
    assert "from a shell" in found
    assert "not for an endpoint" in cli("send", "manager", "x", "--receipt", code=2).err


def test_receiving_as_an_endpoint_needs_its_name(cli, renamed, program):
    """receive is refused while a living process has the name, and then takes what waits."""
    assert "living process" in program("receive", "manager", "--timeout", 0).end(3).err
    renamed.close()
    assert program("receive", "manager", "--timeout", 0).end(0).lines == ['{"task":1}']


@pytest.mark.parametrize(
    "command", [("ls",), ("clean",), ("top", "--once"), ("receive", "jobs")], ids=" ".join
)
def test_a_space_that_may_not_be_used_is_no_empty_one(cli, mailbox, space, command):
    """The code is 5, and the error names the mode and the command that corrects it."""
    mailbox().close()
    root = space.path.parent
    root.chmod(0o755)
    shown = cli(*command, code=5)
    root.chmod(0o700)
    assert f"{root} has mode 0755, not 0700" in shown.err
    assert f"chmod 0700 {root}" in shown.err
