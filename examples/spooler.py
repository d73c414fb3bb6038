"""A print spooler: many clients, one port. When the spooler is killed, its clients know."""

import collections
import multiprocessing

import liaison

CLIENTS = ["ada", "edsger", "grace"]


def client(name):
    with liaison.Port.open("printer") as printer:
        for page in (1, 2, 3):
            printer.send({"of": name, "page": page})


def spool(ready):
    with liaison.Port("printer", capacity=1) as printer:  # its one receiver is this process
        ready.set()
        printed = collections.defaultdict(list)
        for _ in range(3 * len(CLIENTS)):
            document = printer.receive(timeout=60)
            printed[document["of"]].append(document["page"])
        for name in CLIENTS:
            print(name, "has pages", printed[name], flush=True)
        ready.set()
        printer.lease(timeout=60)  # begins to print once more, and is killed in the middle
        ready.wait(60)


def main():
    ready = multiprocessing.Event()
    spooler = multiprocessing.Process(target=spool, args=(ready,))
    spooler.start()
    ready.wait(60)
    ready.clear()

    try:
        liaison.Port("printer")
    except liaison.Busy:
        print("Busy: a second spooler has to wait until the first has ended")

    clients = [multiprocessing.Process(target=client, args=(name,)) for name in CLIENTS]
    for process in clients:
        process.start()
    ready.wait(60)
    for process in clients:
        process.join()

    with liaison.Port.open("printer") as printer:
        printer.send("a last document")
        spooler.kill()
        try:
            printer.send("one that finds no room", timeout=60)
        except liaison.Destroyed:
            print("Destroyed: the spooler was killed, and its port has gone with it")
    spooler.join()


if __name__ == "__main__":
    main()
