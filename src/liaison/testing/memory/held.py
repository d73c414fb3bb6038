"""What a party has of one message: under lease, on loan, or a receipt of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from liaison import errors
from liaison.carriers import contract
from liaison.closing import Closing
from liaison.deadline import Deadline, nanoseconds

if TYPE_CHECKING:
    from typing import Self

    from liaison.carriers.contract import State
    from liaison.link import Peer
    from liaison.testing.memory.box import Item
    from liaison.testing.memory.end import End

__all__ = ["Delivery", "Loan", "Receipt"]

_ORDER: list[State] = ["queued", "received", "acknowledged", "dead-lettered"]


def _lost(end: End) -> errors.LeaseLost:
    return errors.LeaseLost(f"this message of {end.address} is no longer yours")


class Delivery(contract.Delivery):
    """A message under lease."""

    def __init__(self, end: End, item: Item) -> None:
        self._end = end
        self._item = item
        self._settled = False
        self._attempt = item.attempt
        self._sender = end.box.peer_of(item)
        self._decoded: tuple[Any] | None = None
        self._window: memoryview | None = None

    def _mine(self) -> None:
        self._end.present()
        if self._settled or self._item.holder is not self._end:
            raise _lost(self._end)

    @property
    def message(self) -> Any:
        if self._decoded is None:
            self._mine()
            self._decoded = (self._end.decode(self._item),)
        return self._decoded[0]

    @property
    def view(self) -> memoryview:
        self._mine()
        if self._window is None:
            self._window = memoryview(self._item.payload)
        return self._window

    @property
    def sender(self) -> Peer:
        return self._sender

    @property
    def attempt(self) -> int:
        return self._attempt

    def __len__(self) -> int:
        return len(self._item.payload)

    def __bool__(self) -> bool:
        return True

    def _settle(self) -> None:
        self._mine()
        if self._window is not None:
            self._window.release()
        self._settled = True

    def acknowledge(self) -> None:
        with self._end.locked() as box:
            self._settle()
            if box.destroyed:
                raise errors.Destroyed(f"{self._end.address} was destroyed")
            box.settle(self._item, "acknowledged")

    def release(self) -> None:
        """Give it to the next receiver, or to the dead letters."""
        with self._end.locked() as box:
            self._settle()
            if box.destroyed:
                return  # with its messages
            if box.max_deliveries and self.attempt >= box.max_deliveries:
                box.dead_letter(self._item)
            else:
                box.give_back(self._item)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._settled:
            return
        if kind is None:
            self.acknowledge()
        else:
            with suppress(BufferError, errors.LiaisonError):  # the block's own matters more
                self.release()

    def __del__(self) -> None:
        if not self._settled and self._item.holder is self._end and self._end.party.alive:
            with self._end.locked() as box:
                self._settled = True
                box.give_back(self._item)


class Loan(Closing, contract.Loan):
    """Memory to write a message into."""

    def __init__(self, end: End, size: int) -> None:
        self.end = end
        self._memory = bytearray(size)
        self._window: memoryview | None = None
        self._settled = False

    def _mine(self) -> None:
        self.end.present()
        if self._settled or self not in self.end.box.loaned:
            raise _lost(self.end)

    @property
    def view(self) -> memoryview:
        self._mine()
        if self._window is None:
            self._window = memoryview(self._memory)
        return self._window

    def __buffer__(self, flags: int) -> memoryview:
        return self.view

    def __len__(self) -> int:
        return len(self._memory)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, index: Any) -> Any:
        view: Any = self.view
        return view[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.view[index] = value

    def written(self) -> bytearray:
        """What is to be sent now; it is a loan no more."""
        self._mine()
        if self._window is not None:
            self._window.release()
        self._settled = True
        self.end.take_part()
        self.end.box.loaned.discard(self)
        return self._memory

    def send(self, *, timeout: float | None = None) -> None:
        nanoseconds(timeout)
        with self.end.locked():
            if self.end.commit(0, self.written(), Deadline(timeout)) is None:
                raise self.end.full()

    def discard(self) -> None:
        if self._settled:
            return
        with self.end.locked() as box:
            if self._window is not None:
                self._window.release()
            self._settled = True
            box.loaned.discard(self)
            box.arrange()

    close = discard

    def __del__(self) -> None:
        if not self._settled and self.end.party.alive:
            self.discard()


class Receipt(contract.Receipt):
    """Tells a sender what became of its message."""

    def __init__(self, end: End, item: Item) -> None:
        self.end = end
        self.item = item
        with end.locked() as box:
            box.receipts.add(self)

    @property
    def state(self) -> State:
        return self.item.state

    def reached(self, state: State) -> bool:
        """Whether it has come so far. Raises when it never will."""
        if _ORDER.index(self.item.state) >= _ORDER.index(state):
            return True
        self.end.may_learn()
        return False

    def _wait(self, state: State, timeout: float | None) -> Peer:
        deadline = Deadline(timeout)
        with self.end.locked():
            if not self.end.until(lambda: self.reached(state), deadline):
                raise errors.Empty(f"the message was not {state} in time")
            return self.receiver

    @property
    def receiver(self) -> Peer:
        """Who received it last."""
        assert self.item.receiver is not None
        return self.item.receiver.peer

    def wait_received(self, timeout: float | None = None) -> Peer:
        return self._wait("received", timeout)

    def wait_acknowledged(self, timeout: float | None = None) -> Peer:
        return self._wait("acknowledged", timeout)

    def __del__(self) -> None:
        with self.end.locked() as box:
            box.receipts.discard(self)
            box.world.changed.notify_all()
