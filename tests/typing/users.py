"""What users write, and what checkers of types make of it; `test_checkers.py` has two of them look.

It is imported, so that what a class statement says is true when it runs, and never called.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, assert_type

import liaison
from liaison import (
    Address,
    Codec,
    Connection,
    Delivery,
    Endpoint,
    Link,
    Listener,
    Loan,
    Mailbox,
    MessageQueue,
    NamedPipe,
    Peer,
    PipeReader,
    PipeWriter,
    Port,
    Receipt,
    Space,
    Statistics,
    aio,
)


@dataclass
class Order:
    item: str
    count: int


class Json:
    def encode(self, message: Any, /) -> bytes:
        return repr(message).encode()

    def decode(self, payload: bytes, /) -> Any:
        return payload


# ---- what a link's messages are: said by type=, or in brackets, or not at all


def constructors(place: Address) -> None:
    assert_type(Mailbox("x"), Mailbox[Any])
    assert_type(Mailbox(place, type=Order), Mailbox[Order])
    assert_type(Mailbox("x", type=list[int]), Mailbox[list[int]])
    assert_type(Mailbox("x", type=int | None), Mailbox[Any])
    assert_type(Mailbox[int | None]("x", type=int | None), Mailbox[int | None])
    assert_type(Mailbox[Order]("x"), Mailbox[Order])
    assert_type(MessageQueue("x"), MessageQueue[Any])
    assert_type(MessageQueue("x", type=Order), MessageQueue[Order])
    assert_type(Port("x"), Port[Any])
    assert_type(Port("x", type=Order), Port[Order])
    assert_type(Endpoint(), Endpoint[Any])
    assert_type(Endpoint("x", type=Order), Endpoint[Order])
    assert_type(NamedPipe("x"), NamedPipe[Any])
    assert_type(NamedPipe("x", type=Order), NamedPipe[Order])
    assert_type(liaison.pipe(), tuple[PipeReader[Any], PipeWriter[Any]])
    assert_type(liaison.pipe(type=Order), tuple[PipeReader[Order], PipeWriter[Order]])
    assert_type(liaison.listen("unix:///x"), Listener[Any])
    assert_type(liaison.listen("unix:///x", type=Order), Listener[Order])
    assert_type(liaison.connect("unix:///x"), Connection[Any])
    assert_type(liaison.connect("unix:///x", type=Order, timeout=1), Connection[Order])
    assert_type(PipeReader[Order].inherit("pipe", type=Order), PipeReader[Order])
    assert_type(PipeWriter[Order].inherit("pipe", type=Order), PipeWriter[Order])


def links_that_exist() -> None:
    assert_type(Mailbox.open("x"), Mailbox[Any])
    assert_type(Mailbox.create("x"), Mailbox[Any])
    assert_type(Mailbox[Order].open("x", type=Order), Mailbox[Order])
    assert_type(Mailbox[Order].create("x", type=Order, capacity=5), Mailbox[Order])
    assert_type(Mailbox[Order].observe("x", type=Order), Mailbox[Order])
    assert_type(MessageQueue[Order].create("x", type=Order), MessageQueue[Order])
    assert_type(MessageQueue[Order].open("x", type=Order), MessageQueue[Order])
    assert_type(Port[Order].open("x", type=Order), Port[Order])
    expected: Mailbox[Order] = Mailbox.open("x", type=Order)
    expected.close()


class Orders(Mailbox[Order]):
    """A subclass fixes what its messages are."""

    def __init__(self) -> None:
        super().__init__("orders", type=Order, capacity=10)


Thing = TypeVar("Thing")


class Journal(Mailbox[Thing], Generic[Thing]):
    """A subclass that leaves it open."""

    def newest(self) -> Thing | None:
        return self.try_receive()


def subclasses() -> None:
    assert_type(Orders().receive(), Order)
    assert_type(Orders.open("orders"), Orders)
    assert_type(Journal("x", type=int).newest(), int | None)


# ---- options, each with each of its choices


def options(access: Literal["any", "exclusive", "pair"]) -> None:
    Mailbox("x", capacity=1, max_message=None, memory=1 << 20, access=access, codec="pickle")
    Mailbox("x", max_deliveries=3, dead_letters="graves", codec=Json())
    Mailbox.create("x", capacity=1, max_message=5, memory=None, access="pair", codec="pickle")
    Mailbox.create("x", max_deliveries=3, dead_letters="graves", codec=Json(), type=Order)
    Mailbox.open("x", codec=Json())
    MessageQueue("x", max_messages=3, message_size=100, codec=None)
    MessageQueue.create("x", max_messages=3, message_size=100, codec=Json())
    Port("x", capacity=3, lifetime="senders", max_message=4, memory=None, codec="pickle")
    Port("x", lifetime="receiver", max_deliveries=3, dead_letters="graves")
    Endpoint("x", capacity=0, codec="pickle")
    NamedPipe("x", capacity=3, max_message=4, memory=None, codec="pickle")
    liaison.pipe(capacity=3, max_message=4, memory=None, codec=Json())

    liaison.listen("x", token=b"", tls=("", ""), max_message=5, codec="pickle", insecure=True)
    liaison.connect("x", token="", tls=None, max_message=5, codec=Json(), insecure=False)


# ---- what goes in and comes out


def mailbox(box: Mailbox[Order], order: Order, maybe: bool) -> None:
    box.send(order)
    assert_type(box.send(order, receipt=True, timeout=1), Receipt[Order])
    assert_type(box.send(order, receipt=maybe), Receipt[Order] | None)
    assert_type(box.try_send(order), bool)
    assert_type(box.send_many([order, order]), int)
    assert_type(box.receive(timeout=None), Order)
    assert_type(box.try_receive(), Order | None)
    assert_type(box.try_receive(None), Order | None)
    assert_type(box.try_receive(0), Order | int)
    assert_type(box.try_receive(default="none"), Order | str)
    assert_type(box.receive_many(5), list[Order])
    assert_type(box.peek(), list[Order | bytes])
    assert_type(list(box), list[Order])
    assert_type(box.statistics(), Statistics)
    assert_type(box.link, Link)
    assert_type(len(box), int)
    with box as itself:
        assert_type(itself, Mailbox[Order])


def leases(box: Mailbox[Order]) -> None:
    with box.lease(timeout=1) as delivery:
        assert_type(delivery, Delivery[Order])
        assert_type(delivery.message, Order)
        assert_type(delivery.sender, Peer)
        assert_type(delivery.attempt, int)
        assert_type(delivery.view, memoryview)
    with box.loan(5) as loan:
        assert_type(loan, Loan[Order])
        loan[:] = b"bytes"
        loan.send()


def receipts(receipt: Receipt[Order]) -> None:
    assert_type(receipt.state, Literal["queued", "received", "acknowledged", "dead-lettered"])
    assert_type(receipt.wait_received(timeout=1), Peer)
    assert_type(receipt.wait_acknowledged(), Peer)


def queue(queue: MessageQueue[Order], order: Order) -> None:
    queue.put(order, block=True, timeout=1)
    queue.put_nowait(order)
    assert_type(queue.get(), Order)
    assert_type(queue.get_nowait(), Order)
    assert_type(queue.send(order, receipt=True), Receipt[Order])


def port(port: Port[Order], order: Order) -> None:
    port.send(order)
    assert_type(port.receive(), Order)


def endpoint(end: Endpoint[Order], order: Order, somebody: Peer, maybe: bool) -> None:
    end.send("you", order)
    assert_type(end.send(somebody, order, receipt=True), Receipt[Order])
    assert_type(end.send("you", order, receipt=maybe), Receipt[Order] | None)
    assert_type(end.receive(), Order)
    assert_type(end.receive("you", timeout=1), Order)
    assert_type(end.try_receive(), Order | None)
    assert_type(end.try_receive("you", 0), Order | int)
    assert_type(end.try_receive(default=0), Order | int)
    assert_type(next(end), Order)
    with end.lease("you") as delivery:
        assert_type(delivery.message, Order)
    assert_type(Endpoint.observe("you").known_as(), dict[str, list[Peer]])


def pipes(reader: PipeReader[Order], writer: PipeWriter[Order], pipe: NamedPipe[Order]) -> None:
    assert_type(reader.receive(), Order)
    assert_type(reader.readline(), bytes)
    assert_type(pipe.receive(), Order)
    assert_type(pipe.send(Order("tea", 1), receipt=True), Receipt[Order])
    writer.send(Order("tea", 1))
    writer.write(b"bytes")


def connections(listener: Listener[Order], connection: Connection[Order], order: Order) -> None:
    assert_type(listener.accept(timeout=1), Connection[Order])
    assert_type(connection.receive(), Order)
    assert_type(connection.try_receive(), Order | None)
    assert_type(connection.try_receive(0), Order | int)
    assert_type(connection.receive_many(3), list[Order])
    assert_type(connection.send_many([order]), int)
    assert_type(list(connection), list[Order])
    assert_type(connection.peer, Peer | None)
    connection.send(order)


def waiting(box: Mailbox[Order], queue: MessageQueue[Order], other: socket.socket) -> None:
    assert_type(liaison.wait([box, box], timeout=1), list[Mailbox[Order]])
    links: list[Mailbox[Order] | MessageQueue[Order] | socket.socket] = [box, queue, other]
    assert_type(liaison.wait(links), list[Mailbox[Order] | MessageQueue[Order] | socket.socket])


def seeing(link: Link) -> None:
    assert_type(link.access, Literal["any", "exclusive", "pair"])
    assert_type(link.direction, Literal["one-way", "two-way"])
    assert_type(link.established, Literal["automatic", "named", "inherited", "connected"])
    assert_type(link.message_size, Literal["fixed", "variable"])
    assert_type(link.lifetime, Literal["receiver", "senders"] | None)
    assert_type(link.receivers, tuple[Peer, ...])
    assert_type(Space("x").links(), list[Link])
    if link.kind == "mailbox":
        assert_type(link.kind, Literal["mailbox"])


def functions() -> None:
    liaison.send("you", Order("tea", 1), timeout=1)
    assert_type(liaison.receive("you"), Any)


# ---- classes that are named in signatures


def named(given: object) -> str:
    if isinstance(given, Address):
        return str(given)
    if isinstance(given, Codec):
        return str(given.decode(b""))
    if isinstance(given, Delivery | Loan | Receipt):
        return "one message"
    if isinstance(given, Mailbox | MessageQueue | Port | Endpoint):
        return given.address
    return ""


def without_brackets(box: Mailbox, delivery: Delivery, receipt: Receipt) -> Any:
    assert_type(box.receive(), Any)
    assert_type(delivery.message, Any)
    return receipt.state


# ---- for tasks


def awaited_constructors() -> None:
    assert_type(aio.Mailbox("x"), aio.Mailbox[Any])
    assert_type(aio.Mailbox("x", type=Order, access="pair"), aio.Mailbox[Order])
    assert_type(aio.Mailbox[Order].create("x", type=Order, capacity=1), aio.Mailbox[Order])
    assert_type(aio.Mailbox[Order].open("x", type=Order), aio.Mailbox[Order])
    assert_type(aio.Mailbox[Order].observe("x", type=Order), aio.Mailbox[Order])
    assert_type(aio.MessageQueue("x", max_messages=1), aio.MessageQueue[Any])
    assert_type(aio.MessageQueue("x", type=Order), aio.MessageQueue[Order])
    assert_type(aio.MessageQueue[Order].create("x", message_size=9), aio.MessageQueue[Order])
    assert_type(aio.Port("x", lifetime="senders"), aio.Port[Any])
    assert_type(aio.Port("x", type=Order), aio.Port[Order])
    assert_type(aio.Endpoint("x", capacity=0), aio.Endpoint[Any])
    assert_type(aio.Endpoint("x", type=Order), aio.Endpoint[Order])
    assert_type(aio.NamedPipe("x", memory=None), aio.NamedPipe[Any])
    assert_type(aio.NamedPipe("x", type=Order), aio.NamedPipe[Order])
    assert_type(aio.pipe(capacity=1), tuple[aio.PipeReader[Any], aio.PipeWriter[Any]])
    assert_type(aio.pipe(type=Order), tuple[aio.PipeReader[Order], aio.PipeWriter[Order]])


async def orders() -> AsyncIterator[Order]:
    yield Order("tea", 1)


async def awaited_mailbox(box: aio.Mailbox[Order], order: Order, maybe: bool) -> None:
    await box.send(order)
    assert_type(await box.send(order, receipt=True), aio.Receipt[Order])
    assert_type(await box.send(order, receipt=maybe), aio.Receipt[Order] | None)
    assert_type(await box.send_many([order]), int)
    assert_type(await box.send_many(orders()), int)
    assert_type(await box.receive(), Order)
    assert_type(await box.receive_many(3), list[Order])
    assert_type(box.try_receive(), Order | None)
    assert_type(box.try_receive(0), Order | int)
    assert_type(box.peek(), list[Order | bytes])
    async with box.lease() as delivery:
        assert_type(delivery, Delivery[Order])
    assert_type((await box.lease()).message, Order)
    async with box.loan(5) as loan:
        assert_type(loan, aio.Loan[Order])
        await loan.send()
    async for message in box:
        assert_type(message, Order)
    assert_type(await aio.wait([box, box]), list[aio.Mailbox[Order]])


async def awaited_receipts(receipt: aio.Receipt[Order]) -> None:
    assert_type(receipt.state, Literal["queued", "received", "acknowledged", "dead-lettered"])
    assert_type(await receipt.wait_received(), Peer)


async def awaited_others(
    queue: aio.MessageQueue[Order],
    port: aio.Port[Order],
    reader: aio.PipeReader[Order],
    writer: aio.PipeWriter[Order],
    pipe: aio.NamedPipe[Order],
    order: Order,
) -> None:
    await queue.put(order)
    queue.put_nowait(order)
    assert_type(await queue.get(), Order)
    assert_type(queue.get_nowait(), Order)
    assert_type(await port.receive(), Order)
    assert_type(await reader.receive(), Order)
    await writer.send(order)
    assert_type(await pipe.receive(), Order)


async def awaited_connections(listener: aio.Listener[Order], order: Order) -> None:
    assert_type(await aio.listen("unix:///x", token=""), aio.Listener[Any])
    assert_type(await aio.listen("unix:///x", type=Order), aio.Listener[Order])
    assert_type(await aio.connect("unix:///x", insecure=True), aio.Connection[Any])
    assert_type(await aio.connect("unix:///x", type=Order, timeout=1), aio.Connection[Order])
    connection = await listener.accept()
    await connection.send(order)
    assert_type(connection, aio.Connection[Order])
    assert_type(await connection.receive(), Order)
    assert_type(await connection.receive_many(3), list[Order])
    assert_type(connection.try_receive(), Order | None)
    assert_type(connection.try_receive(0), Order | int)
    async for one in listener:
        assert_type(one, aio.Connection[Order])
    async for message in connection:
        assert_type(message, Order)


async def awaited_endpoint(end: aio.Endpoint[Order], order: Order, maybe: bool) -> None:
    await end.send("you", order)
    assert_type(await end.send("you", order, receipt=True), aio.Receipt[Order])
    assert_type(await end.send("you", order, receipt=maybe), aio.Receipt[Order] | None)
    assert_type(await end.receive("you"), Order)
    assert_type(end.try_receive("you", 0), Order | int)
    assert_type(end.try_receive(), Order | None)
    async with end.lease() as delivery:
        assert_type(delivery.message, Order)
    assert_type(await aio.receive("you"), Any)
