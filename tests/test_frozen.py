"""A program that uses liaison works when PyInstaller has packed it."""

import subprocess
import sys
from pathlib import Path

import pytest

import liaison

pytestmark = pytest.mark.frozen

PROGRAM = """
import datetime, decimal, os, sys, uuid
from dataclasses import dataclass

import liaison

@dataclass
class Order:
    number: int
    keys: dict[int, str]
    when: datetime.datetime

order = Order(1, {2**60 + i: "x" for i in range(9)}, datetime.datetime.now(datetime.timezone.utc))
with liaison.Mailbox("plain") as box:
    for message in (b"bytes", {"a": [1, None, decimal.Decimal(1), uuid.UUID(int=1)]}, order):
        box.send(message)
        box.receive()
    box.statistics(), box.link
    box.destroy()
with liaison.Mailbox("typed", type=Order) as box:
    box.send(order)
    assert box.receive() == order
    if os.fork() == 0:
        box.send(order)
        os._exit(0)
    assert box.receive() == order and os.wait()[1] == 0
    box.destroy()
with liaison.Mailbox("pickled", codec="pickle") as box:
    box.send({1, 2})
    assert box.receive() == {1, 2}
    box.destroy()
with liaison.MessageQueue("queue") as queue, liaison.Port("port") as port:
    assert liaison.wait([queue, port], timeout=0) == []
    queue.destroy()
with liaison.Endpoint("me") as me:
    me.send("me", 1)
    assert me.receive() is not None
    me.destroy()
reader, writer = liaison.pipe()
writer.send("text")
assert reader.receive() == "text"
for options in ({}, {"token": "a" * 32}):
    with liaison.listen("tcp://127.0.0.1:0", **options) as listener:
        if os.fork() == 0:
            with liaison.connect(listener.address, **options) as connection:
                connection.send([1])
            os._exit(0)
        with listener.accept() as connection:
            assert connection.receive() == [1]
    assert os.wait()[1] == 0
with liaison.listen("tls://localhost:0", tls=(sys.argv[1], sys.argv[2])) as listener:
    pass
liaison.spaces(), liaison.Space("default").links()
try:
    liaison.Mailbox.open("nowhere")
except liaison.NotFound as error:
    print(error)
print(liaison.__version__, getattr(sys, "frozen", False))
"""


def test_a_frozen_program_uses_every_kind_of_link(space, certificate, tmp_path):
    """A program that PyInstaller packed, with the package's hook, uses every kind of link."""
    pytest.importorskip("PyInstaller", reason="NOT CHECKED, PyInstaller is not installed")
    if not list((Path(liaison.__file__).parent / "_native").glob("*.so")):
        pytest.skip("NOT CHECKED, PyInstaller does not find what is installed as editable")
    _, issued, key = certificate
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
    subprocess.run([*command, "program.py"], check=True, cwd=tmp_path)
    frozen = [tmp_path / "dist" / "program" / "program", issued, key]
    ended = subprocess.run(frozen, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    *_, absence, version = ended.stdout.splitlines()
    assert "there is no shm://default/nowhere" in absence
    assert version == f"{liaison.__version__} True"
