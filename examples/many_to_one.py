"""Many to one: sensors write to one mailbox, one recorder at a time reads it.

A second recorder stands by. It has its turn when the first is killed, in the middle of a reading.
"""

import multiprocessing

import liaison

SENSORS, READINGS = 3, 4


def sensor(number):
    with liaison.Mailbox.open("readings") as readings:
        for reading in range(READINGS):
            readings.send([number, reading])


def record(until, recorded):
    with liaison.Mailbox.open("readings") as readings:
        for count in range(SENSORS * READINGS):
            with readings.lease(timeout=60) as delivery:
                recorded.send(delivery.message)
                if count == until:
                    multiprocessing.Event().wait()  # here it is killed


def main():
    with (
        liaison.Mailbox.create("readings", access="exclusive") as readings,
        liaison.Mailbox.create("recorded") as recorded,
    ):
        sensors = [multiprocessing.Process(target=sensor, args=(n,)) for n in range(SENSORS)]
        first = multiprocessing.Process(target=record, args=(4, recorded))
        for process in [*sensors, first]:
            process.start()
        found = recorded.receive_many(100)
        while len(found) < 5:
            found += recorded.receive_many(100, timeout=60)
        try:
            readings.receive(timeout=0)
        except liaison.Busy:
            print("Busy: while one process receives, others wait for their turn")
        first.kill()
        first.join()
        second = multiprocessing.Process(target=record, args=(None, recorded))
        second.start()
        while len(found) < SENSORS * READINGS + 1:
            found += recorded.receive_many(100, timeout=60)
        second.kill()
        second.join()
        print("the first recorded 4 readings and was killed in the 5th")
        print("the second began with the 5th:", found[4] == found[5])
        for number in range(SENSORS):
            print(
                "of sensor",
                number,
                [reading for n, reading in found[:4] + found[5:] if n == number],
            )
        for process in sensors:
            process.join()
        for box in (readings, recorded):
            box.destroy()


if __name__ == "__main__":
    main()
