"""A pipeline through programs: a producer, a filter that knows nothing of liaison, a consumer.

The producer and the consumer are programs of their own, and have each an end of a pipe from who
starts them; no name leads to either pipe. `sort` between them reads and writes plain bytes.
"""

import os
import shutil
import subprocess
import sys

import liaison

PRODUCER = """
import os, liaison
with liaison.PipeWriter.inherit(os.environ["ORDERS"]) as orders:
    for item in ("tea", "coffee", "milk"):
        orders.write(item.encode() + b"\\n")
"""
CONSUMER = """
import os, liaison
with liaison.PipeReader.inherit(os.environ["SORTED"]) as orders:
    for number, line in enumerate(iter(orders.readline, b""), 1):
        print(number, line.decode(), end="")
"""


def start(program, variable, end):
    """Start a program that alone has this end: close ours."""
    environment = {**os.environ, variable: end.handle}
    with end:
        return subprocess.Popen(
            [sys.executable, "-c", program], pass_fds=end.pass_fds, env=environment
        )


if __name__ == "__main__":
    orders, order = liaison.pipe()
    sorted_orders, put = liaison.pipe()
    producer = start(PRODUCER, "ORDERS", order)
    consumer = start(CONSUMER, "SORTED", sorted_orders)
    with subprocess.Popen(["sort"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sort:
        with orders, sort.stdin:
            shutil.copyfileobj(orders, sort.stdin)  # until the producer's end is gone
        with put:
            shutil.copyfileobj(sort.stdout, put)
    assert producer.wait() == consumer.wait() == 0
