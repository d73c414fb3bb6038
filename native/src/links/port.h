/* port.h — a mailbox with one receiver, which it does not outlive.
 *
 * The receiver is the process that created it: its identity stands in the geometry, so
 * nobody has to write down that it died. Whoever notices exchanges the link's state, once,
 * and wakes the others: of a port without dead letters that destroys it; with them it is
 * orphaned first, and whoever comes buries what is in it, one process at a time by the
 * link's turn, which a dead process loses.
 *
 * Nothing may be accepted once the last message was buried, though a sender may have looked
 * at the state before it changed and been stopped ever since. So the ring itself is closed
 * when it was found empty, at the one word where the next message would have been accepted.
 */
#ifndef LIAISON_PORT_H
#define LIAISON_PORT_H

#include "links/handle.h"

static inline bool is_port(const struct segment *s)
{
    return s->geometry.kind == LIAISON_KIND_PORT;
}

/* What stands where a port was to be created: LIAISON_BUSY, LIAISON_ORPHANED, LIAISON_MISMATCH. */
int port_taken_by(struct segment *other);

/* The handle is of a port, which it created or else opened: it receives, or it sends. */
void port_begin(struct liaison_mailbox *m, bool created);

/* Whether this process is the receiver; its forked child is not. */
bool port_is_receiver(const struct segment *s);

/* The receiver has ended, or wants to: the step of the link's state. Whoever takes it takes the
 * names away and wakes all. */
bool port_step_down(struct segment *s);

/* Begins and ends burying. LIAISON_NOT_FOUND where there is nothing to bury; LIAISON_BUSY while a
 * living process, or another thread of this one, does it already. */
int port_bury_begin(struct segment *s);
void port_bury_end(struct segment *s);

/* Nothing is left to take: destroys the port. LIAISON_BUSY when somebody living still holds a
 * message, LIAISON_FULL when there is something to take after all. */
int port_buried(struct segment *s);

#endif
