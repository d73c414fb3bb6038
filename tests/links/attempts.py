"""The messages of a mailbox, each with its attempt."""

from liaison import Empty


def attempts(box):
    """Take all messages of the mailbox; return each with its attempt."""
    found = []
    while box:
        try:
            with box.lease(timeout=0) as delivery:
                found.append((delivery.message, delivery.attempt))
        except Empty:
            return found
    return None
