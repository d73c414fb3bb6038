/* port.h — a mailbox with one receiver, which it does not outlive.
 *
 * The receiver is the process that created it: its identity stands in the geometry, so its death
 * need not be written down. The process that notices its death exchanges the link's state, once,
 * and wakes the others: a port without dead letters is destroyed by that; a port with them is
 * orphaned first, and then drained (its messages are moved to the dead letters) by one process at a
 * time, which has the link's turn; a dead process loses the turn.
 *
 * No message may be accepted after the port was drained, but a sender may have looked at the state
 * before it changed, and have been stopped since. So the ring itself is closed when it is found
 * empty, at the one word where the next message would have been accepted.
 */
#ifndef LIAISON_PORT_H
#define LIAISON_PORT_H

#include "links/handle.h"

static inline bool is_port(const struct segment *s)
{
    return s->geometry.kind == LIAISON_KIND_PORT;
}

/* Why a port cannot be created where `other` has the name: LIAISON_BUSY, LIAISON_ORPHANED,
 * LIAISON_MISMATCH. */
int port_taken_by(struct segment *other);

/* Makes the handle the receiver of a port that it created, or a sender of one that it opened. */
void port_begin(struct liaison_mailbox *m, bool created);

/* Whether this process is the receiver; its forked child is not. */
bool port_is_receiver(const struct segment *s);

/* The step of the link's state when the receiver has ended, or ends. The process that succeeds
 * removes the names and wakes all waiters. */
bool port_step_down(struct segment *s);

/* Begins and ends draining. LIAISON_NOT_FOUND: the port is not orphaned; LIAISON_BUSY: a living
 * process, or another thread of this one, is draining it. */
int port_drain_begin(struct segment *s);
void port_drain_end(struct segment *s);

/* Destroys the port if no message is left to take. LIAISON_BUSY: a living process still holds a
 * message; LIAISON_FULL: there is a message to take after all. */
int port_drained(struct segment *s);

#endif
