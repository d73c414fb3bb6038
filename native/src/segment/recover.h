/* recover.h — returning what dead processes held. */
#ifndef LIAISON_RECOVER_H
#define LIAISON_RECOVER_H

#include "segment/segment.h"

/* Looks for dead processes among all attachments, and sweeps each. True if one was found. */
bool recover_dead(struct segment *s);

/* The following look at a few dozen attachments, and the next look continues from there. Checking
 * that a process lives is a system call whose time grows with the number of processes: so hundreds
 * that each hold a message cost as much as some dozens, and the last dead one is found later. */

/* For waiters, which look again: every two milliseconds one process looks, at those that hold
 * leases and loans and a few of the rest, or at `all`. No process waits for it, or relies on it for
 * longer: it may have died meanwhile. */
bool recover_now_and_then(struct segment *s, bool all);
/* The same for operations that succeed: a holder of messages can die while others keep coming. */
bool recover_in_passing(struct segment *s);
/* For an operation that would fail and does not wait: looks even if others have, once in a tick of
 * the clock. */
bool recover_before_failing(struct segment *s);

/* Whether a living process other than this one holds leases or loans. */
bool recover_others_hold(struct segment *s);

/* Sweeps attachment `slot` if its owner is dead. */
bool recover_slot(struct segment *s, uint32_t slot);

/* Gives up this process's own attachment. */
void recover_leave(struct segment *s);

#endif
