"""What users get wrong: a checker complains of each line that is marked, and of no other.

It is not imported.
"""

from __future__ import annotations

from liaison import (
    Connection,
    Endpoint,
    Mailbox,
    MessageQueue,
    NamedPipe,
    Port,
    Receipt,
    aio,
    connect,
    listen,
    pipe,
    wait,
)


def messages_of_another_type(
    box: Mailbox[int], queue: MessageQueue[int], end: Endpoint[int]
) -> None:
    box.send("tea")  # wrong
    box.try_send("tea")  # wrong
    box.send_many(["tea"])  # wrong
    queue.put("tea")  # wrong
    queue.put_nowait("tea")  # wrong
    end.send("you", "tea")  # wrong
    text: str = box.receive()  # wrong
    number: int = box.try_receive()  # wrong
    texts: list[str] = box.receive_many(3)  # wrong
    receipt: Receipt[int] = box.send(1)  # wrong
    for message in box:
        message.upper()  # wrong
    with box.lease() as delivery:
        delivery.message.upper()  # wrong
    print(text, number, texts, receipt)


def one_link_for_another(box: Mailbox[int]) -> None:
    texts: Mailbox[str] = box  # wrong
    port: Port[int] = box  # wrong
    print(texts, port)


def connections(connection: Connection[int]) -> None:
    connection.send("tea")  # wrong
    connection.send(1, receipt=True)  # wrong
    text: str = connection.receive()  # wrong
    print(text)


def options() -> None:
    Mailbox("x", access="everybody")  # wrong
    Mailbox("x", codec="json")  # wrong
    Mailbox("x", capcity=3)  # wrong
    Mailbox("x", capacity="3")  # wrong
    Mailbox("x", lifetime="senders")  # wrong
    Mailbox.create("x", access="everybody")  # wrong
    Mailbox.create("x", capcity=3)  # wrong
    Mailbox.open("x", capacity=3)  # wrong
    MessageQueue("x", capacity=3)  # wrong
    MessageQueue.create("x", message_size=None, codec="json")  # wrong
    Port("x", lifetime="for ever")  # wrong
    Port("x", access="any")  # wrong
    Endpoint("x", codec="json")  # wrong
    NamedPipe("x", max_deliveries=3)  # wrong
    pipe(codec="json")  # wrong
    listen("unix:///x", codec="json")  # wrong
    listen("unix:///x", timeout=3)  # wrong
    connect("unix:///x", capcity=3)  # wrong
    wait([1, 2])  # wrong


async def tasks(box: aio.Mailbox[int], end: aio.Endpoint[int]) -> None:
    await box.send("tea")  # wrong
    await end.send("you", "tea")  # wrong
    text: str = await box.receive()  # wrong
    print(text)
    aio.Mailbox("x", access="everybody")  # wrong
    aio.Mailbox.create("x", capcity=3)  # wrong
    aio.MessageQueue("x", capacity=3)  # wrong
    aio.Port("x", lifetime="for ever")  # wrong
    aio.Endpoint("x", codec="json")  # wrong
    aio.NamedPipe("x", max_deliveries=3)  # wrong
    aio.pipe(codec="json")  # wrong
    await aio.listen("unix:///x", timeout=3)  # wrong
    await aio.connect("unix:///x", capcity=3)  # wrong
    await aio.wait([1, 2])  # wrong
