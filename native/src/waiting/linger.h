/* linger.h — coming a little later, to find more.
 *
 * A receiver that is faster than its senders meets each message in the moment in which it is
 * accepted; a sender that is faster than its receivers, each place in the moment in which it is
 * free. Then the line in which they meet travels to one and back to the other for every message,
 * and that takes longer than all the rest of it, several times as long where the two cores are
 * far from each other. Who stays away for a microsecond or a few finds many for the same journeys.
 *
 * It is tried now and then, and done for as long as it finds several: who gets an answer before
 * it sends the next message soon tries it only once in thousands of waits. How long it stays away
 * follows from what it finds: more than half of the link's places were too long for the other.
 */
#ifndef LIAISON_LINGER_H
#define LIAISON_LINGER_H

#include "space/space.h"

/* Shared by the threads of a handle; what they lose of each other's is not missed. */
struct linger {
    word32 stay;     /* nanoseconds; 0: it does not pay */
    word32 waits;    /* since it was tried last */
    word32 interval; /* so many before it is tried again */
    uint32_t longest, places;
};

/* Receivers do not stay away for longer than a sleep and its end would cost anyway; for senders
 * there is plenty on its way. */
#define LINGER_RECEIVING 1500u /* ns */
#define LINGER_SENDING 16000u

/* Whether there is time for it. */
static inline bool linger_fits(const struct liaison_wait *wait)
{
    return wait->timeout < 0 || wait->timeout > INT64_C(1000000);
}

/* On a link of so many places; with few of them it never pays. */
void linger_begin(struct linger *linger, uint32_t longest, uint32_t places);

/* Stays away where that is worth it, and says whether it did: then linger_ended() is told how many
 * places it found messages in, or free. */
bool linger(struct linger *linger, struct liaison_space *space);
void linger_ended(struct linger *linger, uint32_t found);

#endif
