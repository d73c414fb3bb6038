/* around.h — what a link's waiters look after meanwhile. */
#ifndef LIAISON_AROUND_H
#define LIAISON_AROUND_H

#include "waiting/sleeping.h"

/* Nothing was found: looks whether a process died with a message. `waits`: the caller looks again
 * soon, so it may rely on others that have just looked. True if a dead process was found. */
bool around_recover(struct segment *s, bool waits);

extern const struct surroundings links_around;

#endif
