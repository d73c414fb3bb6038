/* readiness.h — what a link gives those who wait for it in an event loop.
 *
 * One for receivers and one for senders, each made when it is first asked for. It is an entry in
 * the table of those who wait, and a doorbell that whoever calls the entry rings. Nothing disarms
 * it but a call: so whoever looks in vain silences it, arms it, and looks again. */
#ifndef LIAISON_READINESS_H
#define LIAISON_READINESS_H

#include "segment/segment.h"
#include "space/doorbell.h"

/* A descriptor that somebody asked for; `epoch` 0: nobody did. */
struct readiness {
    word64 epoch; /* of the process whose it is */
    struct doorbell door;
    uint32_t entry;
    word64 slice; /* ns until its owner looks by itself; 0: not armed yet */
};

void readiness_init(struct readiness *d);
/* Makes it. With the process lock held: of threads that ask at once, one makes it. */
int readiness_make(struct readiness *d, struct segment *s, enum waiter_role role, uint64_t epoch);
/* Nothing was found: silences the doorbell and arms it anew. `care`: see slices.h. Whoever does so
 * looks again afterwards. */
void readiness_arm(struct readiness *d, struct segment *s, enum waiter_role role, unsigned care);
/* A forked child closes no more than its descriptors. */
void readiness_close(struct readiness *d, struct segment *s, enum waiter_role role);

#endif
