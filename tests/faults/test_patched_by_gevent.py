"""A program that gevent or eventlet has patched uses liaison as any other program does.

Patching takes away what `select` has for the kernel's own waiting, and has sockets, threads, locks
and sleeping give way to other greenlets.
"""

import subprocess
import sys

import pytest

PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import warnings; warnings.simplefilter('ignore')\n"
    "import eventlet; eventlet.monkey_patch()",
}
IN_A_GREENLET = {
    "gevent": "import gevent\ndef call(f, *a):\n    return gevent.spawn(f, *a).get()",
    "eventlet": "def call(f, *a):\n    return eventlet.spawn(f, *a).wait()",
}
READABLE = {
    "gevent": "import gevent.socket; readable = gevent.socket.wait_read",
    "eventlet": "from eventlet.hubs import trampoline\n"
    "def readable(number):\n    trampoline(number, read=True)",
}
# A process of its own, which nothing has patched: the other side of what is waited for.
OTHER = """
import os, subprocess, sys, threading
import liaison

def other(program):
    return subprocess.Popen([sys.executable, "-c", "import liaison, time\\n" + program])
"""
USES = {
    "mailboxes": """
        box, answers = liaison.Mailbox("box", capacity=1), liaison.Mailbox("answers")
        child = other('''
box, answers = liaison.Mailbox.open("box"), liaison.Mailbox.open("answers")
for _ in range(3):
    while not box.statistics().senders_waiting and not len(box):
        time.sleep(0.001)
    answers.send([box.receive()])
''')
        for number in range(3):
            box.send(number)
            assert answers.receive() == [number]
        assert box.try_receive("none") == "none"
        with box.loan(1) as loan:
            loan.send()
        box.lease().acknowledge()
        assert child.wait() == 0
        box.destroy()
        answers.destroy()
    """,
    "waiting for several": """
        box, far = liaison.Mailbox("box"), liaison.Mailbox("shm://elsewhere/box")
        reader, writer = os.pipe()
        file = os.fdopen(reader)
        child = other('liaison.Mailbox.open("shm://elsewhere/box").send(1)')
        assert liaison.wait([box, far, file]) == [far]
        far.receive()
        assert liaison.wait([box, far, file], timeout=0) == []
        child.wait()
        child = other('liaison.Mailbox.open("box").send(1)')
        assert liaison.wait([box, liaison.Mailbox("another")]) == [box]
        assert child.wait() == 0
        for name in ("box", "shm://elsewhere/box", "another"):
            liaison.Mailbox(name).destroy(force=True)
    """,
    "endpoints": """
        me = liaison.Endpoint("me")
        child = other('''
with liaison.Endpoint("other") as end:
    end.send("me", {"a": 1})
    assert end.receive() == [2]
    end.destroy()
''')
        assert me.receive() == {"a": 1}
        assert isinstance(me.fileno(), int)
        me.send("other", [2])
        assert child.wait() == 0
        me.destroy()
    """,
    "pipes": """
        reader, writer = liaison.pipe()
        if os.fork() == 0:
            writer.close()
            os._exit(reader.receive() != "through a pipe")
        reader.close()
        writer.send("through a pipe")
        assert os.wait()[1] == 0
        writer.close()
    """,
    "sockets": """
        listener = liaison.listen("tcp://127.0.0.1:0", token="a" * 32)
        child = other(f'''
with liaison.connect({listener.address!r}, token="a" * 32) as connection:
    for message in connection:
        connection.send(message)
''')
        connection = listener.accept()
        for message in ([1], b"x" * 3_000_000):
            connection.send(message)
            assert connection.receive() == message
        connection.close()
        assert child.wait() == 0
        listener.close()
        try:
            liaison.connect(listener.address, timeout=5)
        except liaison.NotFound:
            pass
    """,
    "connecting": """
        child = subprocess.Popen([sys.executable, "-c", '''
import liaison
with liaison.listen("tcp://127.0.0.1:0") as listener:
    print(listener.address, flush=True)
    with listener.accept() as connection:
        connection.send(connection.receive())
'''], stdout=subprocess.PIPE, text=True)
        with liaison.connect(child.stdout.readline().strip()) as connection:
            connection.send(b"x" * 3_000_000)
            assert connection.receive() == b"x" * 3_000_000
        assert child.wait() == 0
    """,
    "threads": """
        box = liaison.Mailbox("box")
        threads = [threading.Thread(target=box.send, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(box.receive_many(9)) == [0, 1, 2]
        box.destroy()
    """,
    "greenlets that give way": """
        box = liaison.Mailbox("box")

        def receive():
            number = box.fileno()  # arms it; then a look, and then the wait
            while (message := box.try_receive()) is None:
                readable(number)
                number = box.fileno()
            return message

        later = threading.Thread(target=box.send, args=("from another greenlet",))
        receiver = threading.Thread(target=lambda: found.append(receive()))
        found = []
        receiver.start()
        later.start()
        receiver.join()
        later.join()
        assert found == ["from another greenlet"]
        box.destroy()
    """,
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("patched_by", PATCHES)
@pytest.mark.parametrize("first", ["patched", "imported"])
def test_a_patched_program_uses_liaison(space, patched_by, use, first):
    """Every kind of link works, whether liaison is imported before or after patching."""
    pytest.importorskip(patched_by)
    order = [PATCHES[patched_by], "import liaison; liaison.listen, liaison.Endpoint"]
    lines = [*(order if first == "patched" else order[::-1]), OTHER, IN_A_GREENLET[patched_by]]
    lines += [READABLE[patched_by], f"def use():{USES[use]}", "call(use)"]
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], check=False, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
