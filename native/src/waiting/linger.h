/* linger.h — looking again a little later, to find more.
 *
 * A receiver that is faster than its senders takes each message at once when it is accepted; a
 * sender that is faster than its receivers takes each place at once when it is free. Then the cache
 * line that they share moves to and fro for every message, and that takes longer than all the rest,
 * several times as long if the two cores are far from each other. A process that lingers for a
 * microsecond or a few finds several messages or places for the same transfers.
 *
 * It is tried now and then, and repeated for as long as it finds several: a process that gets an
 * answer before it sends the next message soon tries it only once in thousands of waits. What it
 * finds decides how long it lingers: if it is more than half of the link's places, the other side
 * had to wait.
 */
#ifndef LIAISON_LINGER_H
#define LIAISON_LINGER_H

#include "space/space.h"

/* Shared by the threads of a handle; lost updates do no harm. */
struct linger {
    word32 stay;     /* nanoseconds; 0: it is not worth while */
    word32 waits;    /* since it was tried last */
    word32 interval; /* so many before it is tried again */
    uint32_t longest, places;
};

/* Receivers do not linger for longer than a sleep and a wake-up would cost anyway; senders may,
 * because many messages are still on their way. */
#define LINGER_RECEIVING 1500u /* ns */
#define LINGER_SENDING 16000u

/* Whether there is time for it. */
static inline bool linger_fits(const struct liaison_wait *wait)
{
    return wait->timeout < 0 || wait->timeout > INT64_C(1000000);
}

/* On a link of so many places; with few of them it is never worth while. */
void linger_begin(struct linger *linger, uint32_t longest, uint32_t places);

/* Lingers if that is worth while, and returns whether it did: then call linger_ended() with how
 * many places had messages, or were free. */
bool linger(struct linger *linger, struct liaison_space *space);
void linger_ended(struct linger *linger, uint32_t found);

#endif
