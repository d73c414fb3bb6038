"""Direct communication: processes that name each other, and one that is renamed meanwhile."""

import multiprocessing

import liaison


def clerk():
    with liaison.Endpoint("clerk") as me:
        me.send("boss", "here I am")
        print("from the boss:", me.receive("boss", timeout=60), flush=True)

        me.rename("manager")
        me.send("boss", "I was promoted")
        for _ in range(2):
            with me.lease(timeout=60) as delivery:  # from anyone: `sender` says from whom
                me.send(delivery.sender, f"{delivery.message}? Done by the {me.name}.")
        me.receive("boss", timeout=60)


def customer():
    with liaison.Endpoint("customer") as me:
        me.send("clerk", "An order")  # knows the old name, and need not know any other
        print("to the customer:", me.receive(timeout=60), flush=True)


def main():
    with liaison.Endpoint("boss") as boss:
        worker = multiprocessing.Process(target=clerk)
        worker.start()
        print("from the clerk:", boss.receive("clerk", timeout=60))
        boss.send("clerk", "welcome")
        print("from the clerk:", boss.receive("clerk", timeout=60))

        buyer = multiprocessing.Process(target=customer)
        buyer.start()
        buyer.join()
        boss.send("clerk", "A report")
        print("to the boss:", boss.receive(timeout=60))
        boss.send("manager", "good night")
        worker.join()

        boss.send("manager", "for tomorrow")  # no process has the name now: it waits for the next
        with liaison.Endpoint("manager") as successor:
            print("the next manager finds:", successor.receive("boss", timeout=60))
            print("and is also called:", successor.aliases)
            successor.destroy()
        with liaison.Endpoint("customer") as other:
            other.destroy()
        boss.destroy()


if __name__ == "__main__":
    main()
