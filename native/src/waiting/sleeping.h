/* sleeping.h — what every wait for a word does between one look and the next.
 *
 * Whoever can write the word can keep it from being slept on, round after round. So the deadline
 * and Ctrl-C are asked for by rounds and not only where a sleep ended by itself; and who finds the
 * word changed again and again, as fast as it looks, naps beside it. */
#ifndef LIAISON_SLEEPING_H
#define LIAISON_SLEEPING_H

#include "base/order.h"
#include "waiting/slices.h"

struct segment;

/* What somebody who waits at a link does besides, now and then. Whoever waits gives it, since it
 * differs from kind to kind. */
struct surroundings {
    /* Looks after the dead, all of them or the likely ones, and says what to care for (slices.h).
     */
    unsigned (*look)(struct segment *s, bool all);
    /* Says so without looking. */
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
