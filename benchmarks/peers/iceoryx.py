"""iceoryx2: publish and subscribe, with an event that wakes the subscriber."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from .contract import End, Link, Peer, Role, fresh_name, load


@dataclass(frozen=True, slots=True)
class _Service(Link):
    name: str
    size: int
    depth: int

    def open(self, role: Role) -> End:
        iox: Any = load("iceoryx2")
        iox.set_log_level(iox.LogLevel.Fatal)
        node = iox.NodeBuilder.new().create(iox.ServiceType.Ipc)
        name = iox.ServiceName.new(self.name)
        service = (
            node.service_builder(name)
            .publish_subscribe(iox.Slice[ctypes.c_uint8])
            .enable_safe_overflow(False)
            .subscriber_max_buffer_size(self.depth)
            .max_publishers(1)
            .max_subscribers(1)
            .open_or_create()
        )
        event = node.service_builder(name).event().open_or_create()
        kept = (node, service, event)
        if role == "sender":
            return self._sender(iox, service, event, kept)
        return self._receiver(iox, service, event, kept)

    def _sender(self, iox: Any, service: Any, event: Any, kept: Any) -> End:
        publisher = (
            service.publisher_builder()
            .initial_max_slice_len(self.size)
            .backpressure_strategy(iox.BackpressureStrategy.RetryUntilDelivered)
            .create()
        )
        notify = event.notifier_builder().create().notify
        # Nothing is delivered to a subscriber that has not arrived.
        while not (
            service.dynamic_config.number_of_subscribers
            and event.dynamic_config.number_of_listeners
        ):
            pass
        publisher.update_connections()
        memmove, borrow = ctypes.memmove, publisher.loan_slice_uninit

        def send(message: bytes, _kept: Any = kept) -> None:
            sample = borrow(len(message))
            memmove(sample.payload_ptr, message, len(message))
            sample.assume_init().send()
            notify()

        def loan(size: int) -> None:
            borrow(size).assume_init().send()
            notify()

        return End(send=send, loan=loan)

    def _receiver(self, iox: Any, service: Any, event: Any, kept: Any) -> End:
        take = service.subscriber_builder().buffer_size(self.depth).create().receive
        wait = event.listener_builder().create().blocking_wait
        copy = ctypes.string_at

        def receive(_kept: Any = kept) -> bytes:
            while (sample := take()) is None:
                wait()
            message = copy(sample.payload_ptr, sample.payload().number_of_elements)
            sample.delete()
            return message

        def lease() -> None:
            while (sample := take()) is None:
                wait()
            sample.payload()
            sample.delete()

        return End(receive=receive, lease=lease)

    def close(self) -> None:
        iox: Any = load("iceoryx2")
        iox.set_log_level(iox.LogLevel.Fatal)
        node = iox.NodeBuilder.new().create(iox.ServiceType.Ipc)
        node.try_cleanup_dead_nodes()


class Iceoryx(Peer):
    name = "iceoryx2"
    module = "iceoryx2"
    package = "iceoryx2"
    shared_by_many = "every subscriber gets every message: no work queue"
    in_place = True

    def one_way(self, size: int, depth: int) -> Link:
        return _Service(fresh_name(), size, depth)
