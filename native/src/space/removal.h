/* removal.h — whether a space may be removed, while other processes may begin to use it.
 *
 * A process uses a space from its first open link until it rests. A newcomer takes a lock (USE in
 * bytes.h), and then increments `comings`. A remover reads that count, then looks for such locks
 * and at the content of the space, and then exchanges exactly that count for SPACE_REMOVED. A
 * newcomer that incremented before the count was read had its lock by then; if one comes later, the
 * exchange fails, or the newcomer finds the space removed. No process waits for another, and a
 * remover that is stopped or dies before the exchange has changed nothing.
 *
 * Afterwards the directory is renamed and emptied, by the remover or by any process that finds it:
 * see space_remove(). */
#ifndef LIAISON_REMOVAL_H
#define LIAISON_REMOVAL_H

#include "space/table.h"

struct removal {
    int file;
    struct members_page *page;
    uint64_t comings;
    word32 broken; /* raised by the guard */
};

/* LIAISON_BUSY: a living process uses the space, perhaps this one. After LIAISON_OK, removal_end()
 * must follow. */
int removal_begin(struct liaison_space *space, struct removal *removal);
/* The exchange. False: a process has begun to use the space since. */
bool removal_decide(struct removal *removal);
void removal_end(struct removal *removal);

/* For a newcomer, which has the lock. False: the space was removed. */
bool removal_came(struct members_page *page);

#endif
