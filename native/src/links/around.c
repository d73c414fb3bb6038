#include "links/around.h"

#include "links/port.h"
#include "links/recover.h"

static unsigned care(struct segment *s)
{
    bool sided = port_watched(s);
    /* Who waits at a pipe looks often enough by itself, and may do so for days. */
    bool watch = recover_others_hold(s) || (sided && !segment_is_pipe(s));
    return (sided ? CARE_SIDE : CARE_NOTHING) | (watch ? CARE_WATCH : CARE_NOTHING);
}

static unsigned look_after(struct segment *s, bool all)
{
    recover_dead(s, all);
    port_look(s, true);
    return care(s);
}

const struct surroundings links_around = {look_after, care};
