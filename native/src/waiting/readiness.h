/* readiness.h — a link's descriptor, for waiting in an event loop.
 *
 * One for receivers and one for senders, each made when it is first asked for. It is an entry in
 * the table of waiters, and a doorbell, which a caller of the entry rings. Only a call disarms it:
 * so a process that finds nothing silences it, arms it, and looks again. */
#ifndef LIAISON_READINESS_H
#define LIAISON_READINESS_H

#include "segment/segment.h"
#include "space/doorbell.h"

/* A descriptor that was asked for; `epoch` 0: it was not. */
struct readiness {
    word64 epoch; /* of the process that has it */
    struct doorbell door;
    uint32_t entry;
    word64 slice; /* ns until its owner looks by itself; 0: not armed yet */
};

void readiness_init(struct readiness *d);
/* Makes it. With the process lock held: of threads that ask at once, one makes it. */
int readiness_make(struct readiness *d, struct segment *s, enum waiter_role role, uint64_t epoch);
/* Nothing was found: silences the doorbell and arms it anew. `care`: see slices.h. Look again
 * afterwards. */
void readiness_arm(struct readiness *d, struct segment *s, enum waiter_role role, unsigned care);
/* A forked child closes no more than its descriptors. */
void readiness_close(struct readiness *d, struct segment *s, enum waiter_role role);

#endif
