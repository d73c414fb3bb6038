/* slices.h — how long a sleeper sleeps before it looks around by itself.
 *
 * A sender that dies before it calls leaves a sleeper beside a message, and a holder of a message
 * that dies calls no waiter. So no thread sleeps longer than a slice. Slices begin short, because
 * most is missed at the beginning of a sleep, and grow with it, because a thread that has slept for
 * long is hardly called soon, and there may be many of them: 2, 4, 8, 16, 32, 128, 512, 2048, 3000
 * ms. */
#ifndef LIAISON_SLICES_H
#define LIAISON_SLICES_H

#include <stdbool.h>
#include <stdint.h>

#include "liaison.h"

#define SLICE_FIRST (2 * INT64_C(1000000)) /* ns */

/* What must be looked at more often than that. */
enum care {
    CARE_NOTHING = 0,
    CARE_SIDE = 1, /* the end of the other side is not announced */
    CARE_WATCH = 2 /* a death must be noticed at once; one watcher is enough */
};

/* The next slice, when this one ended and nothing was found. */
int64_t slice_after(int64_t slice, unsigned care);

/* Whether all attachments should be checked at its end, or only the likely ones: those find most
 * deaths soon, and other waiters look as well. */
bool slice_looks_at_all(int64_t slice);

/* When a wait that begins `now` is over; -1: never. */
int64_t slice_end(const struct liaison_wait *wait, int64_t now);
/* What of `slice` is left of it; at least 0. */
int64_t slice_until(int64_t end, int64_t now, int64_t slice);

#endif
