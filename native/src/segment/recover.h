/* recover.h — return of what the dead held. */
#ifndef LIAISON_RECOVER_H
#define LIAISON_RECOVER_H

#include "segment/segment.h"

/* Looks for dead processes among all who are attached, and sweeps each. True when one was found. */
bool recover_dead(struct segment *s);

/* Looks for a few dozen of them, and the next look goes on from there. To see whether somebody
 * lives is a system call, which takes the longer the more take part: hundreds that each hold a
 * message cost as much as some dozens, and the last dead one is found that much later. */

/* For those who wait, and look again: one process in two milliseconds looks, at those that hold
 * leases and loans and a few of the rest, or at `all`. Nobody waits for who looks, or relies on it
 * for longer: it may have died at it. */
bool recover_now_and_then(struct segment *s, bool all);
/* The same for operations that succeed: messages keep coming while somebody dies with others in
 * its hands. */
bool recover_in_passing(struct segment *s);
/* For who would fail and cannot wait: looks whoever else has, once in a tick of the clock. */
bool recover_before_failing(struct segment *s);

/* Whether a living process other than this one holds leases or loans. */
bool recover_others_hold(struct segment *s);

/* Sweeps whoever has attachment `slot`, if it is dead. */
bool recover_slot(struct segment *s, uint32_t slot);

/* Gives this process's own place up. */
void recover_leave(struct segment *s);

#endif
