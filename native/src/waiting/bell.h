/* bell.h — a link's descriptors, for those who wait in an event loop.
 *
 * One for receivers and one for senders, each made when it is first asked for. It is an entry in
 * the table of those who wait, and a doorbell that whoever calls the entry rings. Nothing disarms
 * it but a call: so whoever looks in vain silences it, arms it, and looks again. */
#ifndef LIAISON_BELL_H
#define LIAISON_BELL_H

#include "segment/segment.h"
#include "space/doorbell.h"

/* A descriptor that somebody asked for; `epoch` 0: nobody did. */
struct bell {
    word64 epoch;
    struct doorbell door;
    uint32_t entry;
    word64 slice; /* ns until its owner looks by itself; 0: not armed yet */
};

/* Nothing was found: silence the receivers' bell, where there is one, and arm it anew. */
void bell_rearm(liaison_mailbox *m);
/* A forked child closes no more than its descriptors. */
void bell_close(liaison_mailbox *m, enum waiter_role role);

#endif
