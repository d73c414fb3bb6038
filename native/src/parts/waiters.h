/* waiters.h — the table of a link's waiters: entering it, and leaving it.
 *
 * A waiter is in the table before it looks a last time; a process that has something for it
 * announces that, and then looks at the table. So one of them sees the other. */
#ifndef LIAISON_WAITERS_H
#define LIAISON_WAITERS_H

#include "segment/segment.h"

/* Claims an entry and announces it; LIAISON_EXHAUSTED when all are taken. */
int wait_enter(struct segment *s, enum waiter_role role, uint32_t kind, uint64_t detail,
               uint32_t *entry);
/* Gives the signal that it replaced: a waiter that was called meanwhile must know. */
uint32_t wait_leave(struct segment *s, enum waiter_role role, uint32_t entry);

/* Threads that find the table full sleep on one word, and try for a place when they wake. They are
 * not called for a message, because those in the table are; a process that leaves the table half
 * empty calls one. Sets the ASLEEP bit, and gives the word's value to sleep on. */
uint32_t wait_join_crowd(struct segment *s, enum waiter_role role);
void wait_call_crowd(struct segment *s, enum waiter_role role, int how_many);

/* Takes over and clears the entries of a member that is dead, or leaves. */
void wait_sweep(struct segment *s, uint64_t identity);

/* Threads that wait. */
uint32_t wait_count(struct segment *s, enum waiter_role role);

/* Whether there is an entry, of whichever kind. */
static inline bool wait_any(struct segment *s, enum waiter_role role)
{
    word64 *bits = s->header->waiters[role];
    return (look(&bits[0]) | look(&bits[1]) | look(&bits[2]) | look(&bits[3])) != 0;
}
_Static_assert(WAITER_WORDS == 4, "as many as are looked at above");

/* Whether it is a doorbell's or a board's, which is called in addition to the threads and stays
 * armed. */
static inline bool waiter_stays_armed(const struct waiter *e)
{
    uint32_t kind = look32(&e->kind);
    return kind == WAITER_DOORBELL || kind == WAITER_BOARD;
}

/* A thread's `detail`: this processor above, the tick below. */
uint64_t waiter_from_here(uint32_t tick);
static inline uint32_t waiter_called_from(uint64_t detail) { return (uint32_t)(detail >> 32); }

#endif
