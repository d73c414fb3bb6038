/* removal.h — whether a space may be removed, and that nobody comes to use it meanwhile.
 *
 * A process uses a space from when it comes, for the first of its links, until it rests. Whoever
 * comes says so by a lock (USE in bytes.h), and then counts itself in `comings`. Whoever removes
 * the space reads that count, then looks for such locks and at what lies in the space, and then
 * exchanges exactly that count for SPACE_REMOVED. Who came before the count was read had its lock
 * by then; for who comes later the exchange fails, or it finds the space removed. Nobody waits for
 * anybody, and a remover that is stopped or dies before the exchange has changed nothing.
 *
 * Afterwards the directory is taken out of the way and emptied, by the remover or by whoever finds
 * it: see space_remove(). */
#ifndef LIAISON_REMOVAL_H
#define LIAISON_REMOVAL_H

#include "space/table.h"

struct removal {
    int file;
    struct members_page *page;
    uint64_t comings;
    word32 broken; /* raised by the guard */
};

/* LIAISON_BUSY: a living process uses the space, perhaps this one. Where it is LIAISON_OK, to be
 * ended. */
int removal_begin(struct liaison_space *space, struct removal *removal);
/* Whether it is removed: not when somebody has come to use it since. */
bool removal_decide(struct removal *removal);
void removal_end(struct removal *removal);

/* For who comes, and has the lock. False: it was removed. */
bool removal_came(struct members_page *page);

#endif
