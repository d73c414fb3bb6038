/* invariants.h — what must be true of a segment's bytes, judged without the engine.
 *
 * Knows nothing but layout.h: it reads a mapping, gets the living identities, and reports what is
 * wrong. It writes nothing. */
#ifndef INVARIANTS_H
#define INVARIANTS_H

#include "segment/layout.h"

struct witness {
    const uint8_t *base;
    const struct geometry *geometry;
    const uint64_t *living; /* identities */
    int living_count;
};

/* What holds at every instant, wherever processes were stopped or killed. NULL, or what is wrong (a
 * static buffer). */
const char *invariants_always(const struct witness *w);
/* What holds once the dead have been swept: nothing is theirs. */
const char *invariants_swept(const struct witness *w);
/* What holds when all messages were received and acknowledged, too. */
const char *invariants_idle(const struct witness *w);

#define STORY 256
/* The messages that a newcomer would receive, in order: "A2 B1" is message A for the second time,
 * then B for the first. A message is its letter, at every KiB; one that is not is "?". Those that
 * the living hold follow in brackets. "gone" when the link was destroyed, or is a dead receiver's
 * port without dead letters. Of another port whose receiver is dead it tells what draining it
 * finds. */
void invariants_story(const struct witness *w, char story[STORY]);
/* Cells that the living hold. */
uint32_t invariants_held(const struct witness *w);

#endif
