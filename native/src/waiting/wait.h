/* wait.h — try, spin a little, sleep in slices, and look around between them. */
#ifndef LIAISON_WAIT_H
#define LIAISON_WAIT_H

#include "parts/calling.h"
#include "parts/waiters.h"
#include "waiting/sleeping.h"
#include "waiting/spin.h"

struct waiting {
    struct segment *segment;
    enum waiter_role role;
    const struct liaison_wait *wait;
    const struct surroundings *around;
    struct spin *spin; /* the handle's */
    word32 *closed;    /* the handle's */
    bool announced;    /* enter the table at once: do not spin before */
    int pending;       /* the result of `attempt` that means: not yet */
    int (*attempt)(void *context);
    void *context;
};
/* Repeats `attempt` until its result is not `pending`, and waits in between. Gives that result, or
 * `pending` when the time is over, or INTERRUPTED or CLOSED. */
int wait_until(const struct waiting *w);
/* The beginning of that, before the waiter is announced: for microseconds, not beyond `end` (-1: as
 * long as it is worth while), and only while there is a processor to spare. */
int wait_spin(const struct waiting *w, int64_t end);

#endif
