"""Two sides of a named pipe: a program asks, another one that knows the name answers."""

import multiprocessing

import liaison


def answer():
    with liaison.NamedPipe("oracle") as pipe:
        for question in pipe:  # until the other side has ended
            pipe.send({"question": question, "answer": len(question)})


if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    oracle = context.Process(target=answer)
    oracle.start()
    with liaison.NamedPipe("oracle") as pipe:
        for question in ("who?", "why?", "how long is this?"):
            pipe.send(question)  # waits for the other side, if it has not come yet
            print(pipe.receive(timeout=60))
    oracle.join()
