"""A pipeline through a shell: two commands of a shell, joined by a mailbox that has a name.

The same from a terminal, with nothing of this file:

    seq 5 | liaison send numbers -
    liaison receive numbers --follow | while read number; do echo $((number * number)); done
"""

import subprocess
import sys

import liaison

LIAISON = f"'{sys.executable}' -m liaison"

if __name__ == "__main__":
    with liaison.Mailbox("numbers") as numbers:
        squares = subprocess.Popen(
            f"{LIAISON} receive numbers --follow | while read n; do echo $((n * n)); done",
            shell=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        subprocess.run(f"seq 5 | {LIAISON} send numbers -", shell=True, check=True)
        for _ in range(5):
            print(squares.stdout.readline(), end="")
        numbers.destroy()  # which ends the follower, and with it the shell's pipeline
        squares.communicate()
