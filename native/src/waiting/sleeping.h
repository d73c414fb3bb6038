/* sleeping.h — what every wait for a word does between one look and the next.
 *
 * A process that may write the word can prevent sleeping on it, round after round. So the deadline
 * and Ctrl-C are checked after some rounds, and not only when a sleep has ended by itself; and a
 * waiter that finds the word changed again and again, as fast as it looks, sleeps without it. */
#ifndef LIAISON_SLEEPING_H
#define LIAISON_SLEEPING_H

#include "base/order.h"
#include "waiting/slices.h"

struct segment;

/* What a waiter at a link does now and then. It differs from kind to kind, so the waiter gives
 * it. */
struct surroundings {
    /* Looks for dead processes, among all or the likely ones, and returns what to watch (slices.h).
     */
    unsigned (*look)(struct segment *s, bool all);
    /* Returns that without looking. */
    unsigned (*care)(struct segment *s);
};

struct sleeping {
    const struct liaison_wait *wait;
    int64_t end;
    int64_t slice; /* how long it sleeps at most */
    int64_t began; /* the last sleep */
    uint32_t rounds;
    uint32_t hasty; /* sleeps in a row that were none */
};

void sleeping_begin(struct sleeping *sleeping, const struct liaison_wait *wait, int64_t now);
/* Sleeps for a slice, or until the wait is over, while `word` is `value`.
 * 0: woken, or it was not; -ETIMEDOUT: look around; LIAISON_INTERRUPTED. */
int sleeping_sleep(struct sleeping *sleeping, word32 *word, uint32_t value);
bool sleeping_over(const struct sleeping *sleeping);

#endif
