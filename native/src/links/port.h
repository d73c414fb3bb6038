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

#include "segment/segment.h"

/* Looks whether the other side, of a pipe too, still lives, and says so in the link's state if not;
 * `at_once`, or when it has not been looked for since the clock's last tick. */
void port_look(struct segment *s, bool at_once);

/* Whether this process should look every few milliseconds while it sleeps. */
bool port_watched(const struct segment *s);

/* For who wants to send, after a look: LIAISON_NOT_FOUND or LIAISON_ORPHANED when it is too late
 * for that. */
int port_admit(const struct segment *s);

/* A sender has its place now, and counts. */
void port_sender_came(struct segment *s);

/* Whether this process is the receiver; its forked child is not. */
bool port_is_receiver(const struct segment *s);

/* The receiver has ended, or wants to. */
void port_bereave(struct segment *s);

/* Begins and ends burying. LIAISON_BUSY while a living process, or another thread of this
 * one, does it already. */
int port_bury_begin(struct segment *s);
void port_bury_end(struct segment *s);

/* Nothing is left to take: destroys the port. LIAISON_BUSY when somebody living still holds a
 * message, LIAISON_FULL when there is something to take after all. */
int port_buried(struct segment *s);

#endif
