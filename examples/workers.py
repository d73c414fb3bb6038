"""Workers that lease their jobs: one is killed in the middle of its job, and no job is lost."""

import multiprocessing
import os
import signal

import liaison

JOBS, WORKERS = 6, 3


def work(clumsy):
    with liaison.Mailbox.open("jobs") as jobs, liaison.Mailbox.open("done") as done:
        for _ in range(JOBS):
            with jobs.lease(timeout=60) as delivery:
                if clumsy:
                    os.kill(os.getpid(), signal.SIGKILL)  # no handler, no clean-up: simply gone
                number = delivery.message
                done.send({"job": number, "result": number**2, "attempt": delivery.attempt})


def main():
    with liaison.Mailbox.create("jobs") as jobs, liaison.Mailbox.create("done") as done:
        jobs.send_many(range(JOBS))
        clumsy = multiprocessing.Process(target=work, args=(True,))
        clumsy.start()
        clumsy.join()
        print("a worker ended by signal", -clumsy.exitcode)

        workers = [multiprocessing.Process(target=work, args=(False,)) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        results = [done.receive(timeout=60) for _ in range(JOBS)]
        for result in sorted(results, key=lambda result: result["job"]):
            print(result)
        for worker in workers:
            worker.kill()
            worker.join()
        jobs.destroy()
        done.destroy()


if __name__ == "__main__":
    main()
