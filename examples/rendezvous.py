"""A rendezvous: a mailbox without a single place. Sender and receiver meet, or nothing is sent."""

import multiprocessing

import liaison


def runner():
    with liaison.Mailbox.open("handover") as handover:
        print("took the", handover.receive(timeout=60), flush=True)


def main():
    with liaison.Mailbox.create("handover", capacity=0) as handover:
        try:
            handover.send("baton", timeout=0.1)
        except liaison.NoReceiver:
            print("NoReceiver: nobody came in time, so nothing was sent:", len(handover))
        process = multiprocessing.Process(target=runner)
        process.start()
        receipt = handover.send("baton", timeout=60, receipt=True)  # returns when it was taken
        process.join()
        print("the runner took it:", receipt.wait_received().pid == process.pid)
        handover.destroy()


if __name__ == "__main__":
    main()
