#include "links/around.h"

#include "base/process.h"
#include "segment/recover.h"

static unsigned care(struct segment *s)
{
    bool sided = sides_watched(s);
    /* Who waits at a pipe looks often enough by itself, and may do so for days. */
    bool watch = recover_others_hold(s) || (sided && s->kind->closely);
    return (sided ? CARE_SIDE : CARE_NOTHING) | (watch ? CARE_WATCH : CARE_NOTHING);
}

/* Of many who sleep at a link, and wake at much the same time, one looks after everybody: to see
 * whether somebody lives costs a system call. Nobody waits for it, or relies on it for longer than
 * the clock's tick: it may have died at it, or never have looked. */
static bool nobody_has_looked(struct segment *s)
{
    uint32_t now = process_tick(), last = glance32(&s->header->looked);
    return last != now && replace32(&s->header->looked, last, now);
}

bool around_recover(struct segment *s, bool waits)
{
    return recover_now_and_then(s, !waits || nobody_has_looked(s));
}

static unsigned look_after(struct segment *s, bool all)
{
    recover_dead(s, all && nobody_has_looked(s));
    sides_look(s, true);
    return care(s);
}

const struct surroundings links_around = {look_after, care};
