#include "waiting/slices.h"

#define SLICE_ALL (16 * INT64_C(1000000))
#define SLICE_SIDE (32 * INT64_C(1000000))
#define SLICE_WATCH (3 * INT64_C(1000000))
#define SLICE_LAST (3000 * INT64_C(1000000))

static int64_t at_most(int64_t most, int64_t slice) { return slice < most ? slice : most; }

int64_t slice_after(int64_t slice, unsigned care)
{
    slice = at_most(SLICE_LAST, slice * (slice < SLICE_SIDE ? 2 : 4));
    if (care & CARE_SIDE)
        slice = at_most(SLICE_SIDE, slice);
    return care & CARE_WATCH ? at_most(SLICE_WATCH, slice) : slice;
}

bool slice_looks_at_all(int64_t slice) { return slice <= SLICE_ALL; }

int64_t slice_end(const struct liaison_wait *wait, int64_t now)
{
    /* Beyond the range of the clock is for ever. */
    return wait->timeout < 0 || wait->timeout > INT64_MAX - now ? -1 : now + wait->timeout;
}

int64_t slice_until(int64_t end, int64_t now, int64_t slice)
{
    int64_t left = end < 0 ? slice : end - now;
    return left < 0 ? 0 : at_most(slice, left);
}
