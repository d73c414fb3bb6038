/* around.h — what those who wait at a link look after meanwhile. */
#ifndef LIAISON_AROUND_H
#define LIAISON_AROUND_H

#include "waiting/sleeping.h"

/* Nothing was found: looks whether somebody died with it. `waits`: whoever asks looks again soon,
 * and so may leave it to others who have just done it. True when a dead one was found. */
bool around_recover(struct segment *s, bool waits);

extern const struct surroundings links_around;

#endif
