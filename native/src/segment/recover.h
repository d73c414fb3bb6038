/* recover.h — return of what the dead held. */
#ifndef LIAISON_RECOVER_H
#define LIAISON_RECOVER_H

#include "segment/segment.h"

/* Looks for dead processes among those attached and sweeps each: all of them, or only
 * those that held leases and loans and a few of the rest. True when one was found. */
bool recover_dead(struct segment *s, bool all);

/* The same, at most once in a few milliseconds a process: for operations that succeed, where
 * messages keep coming while somebody dies with others in its hands, and for those that
 * fail and cannot wait. */
bool recover_now_and_then(struct segment *s, bool all);

/* Whether a living process other than this one holds leases or loans. */
bool recover_others_hold(struct segment *s);

/* Sweeps whoever has attachment `slot`, if it is dead. */
bool recover_slot(struct segment *s, uint32_t slot);

/* Gives this process's own place up. */
void recover_leave(struct segment *s);

#endif
