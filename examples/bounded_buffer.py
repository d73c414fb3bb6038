"""Producer and consumer with a bounded buffer between them: the faster one waits."""

import multiprocessing
import time

import liaison

PLACES, ITEMS = 3, 8


def produce():
    with liaison.Mailbox.open("buffer") as buffer:
        for item in range(ITEMS):
            buffer.send(item)  # waits while all places are taken


def main():
    with liaison.Mailbox.create("buffer", capacity=PLACES) as buffer:
        producer = multiprocessing.Process(target=produce)
        producer.start()
        while not buffer.statistics().senders_waiting:
            time.sleep(0.001)
        print("the producer waits:", len(buffer), "items are in", PLACES, "places")
        print("consumed", [buffer.receive(timeout=60) for _ in range(ITEMS)])
        producer.join()
        buffer.destroy()


if __name__ == "__main__":
    main()
