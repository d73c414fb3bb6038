"""A server and a client: two programs that talk over a socket, with a token."""

import multiprocessing
import secrets
import tempfile

import liaison


def serve(address, token, ready):
    with liaison.listen(address, token=token) as listener:
        ready.set()
        with listener.accept(timeout=60) as client:
            for numbers in client:  # until the client closes its end
                client.send(sum(numbers))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        address, token = f"unix://{place}/adder", secrets.token_hex(32)
        context = multiprocessing.get_context("spawn")
        ready = context.Event()
        server = context.Process(target=serve, args=(address, token, ready))
        server.start()
        ready.wait(60)
        with liaison.connect(address, token=token, timeout=60) as adder:
            for numbers in ([1, 2, 3], list(range(100))):
                adder.send(numbers)
                print(adder.receive(timeout=60))
        server.join()
