"""Every kind of link and its properties, as its own `link` reports them: the table of the guide."""

import contextlib
import tempfile

import liaison

COLUMNS = {
    "capacity": "capacity",
    "direction": "direction",
    "max_processes": "processes",
    "established": "established",
    "message_size": "message size",
    "max_message": "largest, bytes",
    "access": "access",
    "carrier": "carrier",
}


@contextlib.contextmanager
def connection():
    with (
        tempfile.TemporaryDirectory() as place,
        liaison.listen(f"unix://{place}/here") as listener,
        liaison.connect(listener.address) as near,
        listener.accept(timeout=60),
    ):
        yield near


@contextlib.contextmanager
def pipe():
    reader, writer = liaison.pipe()
    with reader, writer:
        yield reader


@contextlib.contextmanager
def named(kind, **policy):
    with kind("example", **policy) as link:
        yield link
        link.destroy()


LINKS = {
    "Mailbox(name)": lambda: named(liaison.Mailbox),
    "Mailbox(name, capacity=0)": lambda: named(liaison.Mailbox, capacity=0),
    "Mailbox(name, max_message=4096)": lambda: named(liaison.Mailbox, max_message=4096),
    'Mailbox(name, access="exclusive")': lambda: named(liaison.Mailbox, access="exclusive"),
    'Mailbox(name, access="pair")': lambda: named(liaison.Mailbox, access="pair"),
    "MessageQueue(name)": lambda: named(liaison.MessageQueue),
    "Port(name)": lambda: named(liaison.Port),
    "Endpoint(name)": lambda: named(liaison.Endpoint),
    "pipe()": pipe,
    "NamedPipe(name)": lambda: named(liaison.NamedPipe),
    "connect(address)": connection,
}


def main():
    print("| |", " | ".join(COLUMNS.values()), "|")
    print("|---|" + "---|" * len(COLUMNS))
    for name, make in LINKS.items():
        with make() as end:
            properties = [str(getattr(end.link, column)) for column in COLUMNS]
        print(f"| `{name}` |", " | ".join(properties), "|")


if __name__ == "__main__":
    main()
