"""What a test finds in a mailbox when it takes all of it."""

from liaison import Empty


def attempts(box):
    """What is in the mailbox, each with its attempt; takes all of it."""
    found = []
    while box:
        try:
            with box.lease(timeout=0) as delivery:
                found.append((delivery.message, delivery.attempt))
        except Empty:
            return found
    return None
