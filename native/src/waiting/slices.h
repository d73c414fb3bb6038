/* slices.h — how long a sleeper sleeps before it looks around by itself.
 *
 * Who died before it called leaves others asleep beside a message, and who died with a message in
 * its hands calls nobody. So nobody sleeps longer than a slice. Slices begin short, since what is
 * missed is mostly missed at the beginning of a sleep, and grow with it, since who has slept for
 * long will hardly be called soon, and there may be many of it: 2, 4, 8, 16, 32, 128, 512, 2048,
 * 3000 ms. */
#ifndef LIAISON_SLICES_H
#define LIAISON_SLICES_H

#include <stdbool.h>
#include <stdint.h>

#include "liaison.h"

#define SLICE_FIRST (2 * INT64_C(1000000)) /* ns */

/* What one should look after more often than that. */
enum care {
    CARE_NOTHING = 0,
    CARE_SIDE = 1, /* nobody tells of the end of the other side */
    CARE_WATCH = 2 /* somebody is to notice a death at once; one watcher is enough */
};

/* The next slice, when this one ended and nothing was found. */
int64_t slice_after(int64_t slice, unsigned care);

/* Whether all who take part should be looked after at its end, or only the likely ones: the dead
 * are found soon, and for the rest others look as well. */
bool slice_looks_at_all(int64_t slice);

/* When a wait that begins `now` is over; -1: never. */
int64_t slice_end(const struct liaison_wait *wait, int64_t now);
/* What of `slice` is left of it; at least 0. */
int64_t slice_until(int64_t end, int64_t now, int64_t slice);

#endif
