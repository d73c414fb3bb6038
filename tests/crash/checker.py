"""Reads what senders and receivers noted, and counts what went wrong. Knows nothing of liaison.

Run as a program with the file of notes as its argument; prints a JSON object. A note is a line,
appended by one write() within one page, so a process that is killed leaves whole lines only:

    B sender number                      a send begins
    R sender number                      it has returned
    D sender number attempt receiver     a message is in a receiver's hands
    A sender number attempt receiver     its acknowledgement has returned
    X sender number attempt receiver     its contents are not what was sent

What is counted:

- lost: the send had returned, and no receiver ever had the message;
- unsent: delivered, although no send of it had begun;
- unflagged: a second delivery whose attempt was not higher than that of the one before;
- after_acknowledgement: delivered again although its acknowledgement had returned;
- out_of_order: of two first deliveries of one sender's to one receiver, the later sent came first;
- torn: contents that are not what was sent.

A send that had not returned when its process was killed may have delivered its message or not.
"""

import json
import sys
from collections import Counter


def check(lines):
    """Count what is wrong in the notes, and, to see that there was something to count, what is."""
    begun, returned, acknowledged = set(), set(), set()
    last_attempt = {}
    last_number = {}
    count = Counter(
        dict.fromkeys(
            ["lost", "unsent", "unflagged", "after_acknowledgement", "out_of_order", "torn"], 0
        )
    )
    for line in lines:
        kind, sender, number, *rest = line.split()
        message = sender, int(number)
        if kind == "B":
            begun.add(message)
        elif kind == "R":
            returned.add(message)
        elif kind == "A":
            acknowledged.add(message)
        elif kind == "X":
            count["torn"] += 1
        elif kind == "D":
            attempt, receiver = int(rest[0]), rest[1]
            count["unsent"] += message not in begun
            count["after_acknowledgement"] += message in acknowledged
            count["unflagged"] += attempt <= last_attempt.get(message, 0)
            last_attempt[message] = attempt
            if attempt == 1:
                count["out_of_order"] += last_number.get((sender, receiver), -1) >= message[1]
                last_number[sender, receiver] = message[1]
    count["lost"] = len(returned - last_attempt.keys())
    return {
        "wrong": dict(count),
        "sent": len(returned),
        "delivered": len(last_attempt),
        "redelivered": sum(attempt > 1 for attempt in last_attempt.values()),
        "acknowledged": len(acknowledged),
    }


if __name__ == "__main__":
    with open(sys.argv[1], encoding="ascii") as file:
        print(json.dumps(check(file)))
