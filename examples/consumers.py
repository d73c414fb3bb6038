"""One process, many mailboxes: a task for each customer's orders, on asyncio.

Start it: three customers (processes) each send ten orders to a mailbox of their own. The kitchen
serves them in one event loop, and tells each when its order is done.
"""

import asyncio
import os

from liaison import Mailbox, aio

CUSTOMERS = ["ada", "grace", "edsger"]
ORDERS = 10


def customer(name):
    with Mailbox(f"orders-{name}") as orders, Mailbox(f"served-{name}") as served:
        for number in range(ORDERS):
            orders.send({"from": name, "number": number})
        assert [served.receive(timeout=60) for _ in range(ORDERS)] == list(range(ORDERS))


async def serve(name):
    async with aio.Mailbox(f"orders-{name}") as orders, aio.Mailbox(f"served-{name}") as served:
        for _ in range(ORDERS):
            # If this task is cancelled or its process killed here, the next one gets the order.
            async with orders.lease() as delivery:
                await asyncio.sleep(0.001)  # cooking
                await served.send(delivery.message["number"])


async def kitchen():
    async with asyncio.TaskGroup() as tasks:
        for name in CUSTOMERS:
            tasks.create_task(serve(name))


def main():
    children = []
    for name in CUSTOMERS:
        child = os.fork()
        if child == 0:
            customer(name)
            os._exit(0)
        children.append(child)
    asyncio.run(kitchen())
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    for name in CUSTOMERS:
        for kind in ("orders", "served"):
            with Mailbox(f"{kind}-{name}") as box:
                box.destroy(force=True)
    print(f"served {ORDERS * len(CUSTOMERS)} orders")


if __name__ == "__main__":
    main()
