#include "links/around.h"

#include "segment/recover.h"

static unsigned care(struct segment *s)
{
    bool sided = sides_watched(s);
    /* A waiter at a pipe looks often enough by itself, and may wait for days. */
    bool watch = recover_others_hold(s) || (sided && s->kind->closely);
    return (sided ? CARE_SIDE : CARE_NOTHING) | (watch ? CARE_WATCH : CARE_NOTHING);
}

bool around_recover(struct segment *s, bool waits)
{
    return waits ? recover_now_and_then(s, true) : recover_before_failing(s);
}

static unsigned look_after(struct segment *s, bool all)
{
    recover_now_and_then(s, false);
    if (all)
        recover_now_and_then(s, true);
    sides_look(s, true);
    return care(s);
}

const struct surroundings links_around = {look_after, care};
