/* doorbell.h — a descriptor that becomes readable when there may be a message.
 *
 * A FIFO with a name in the space, since senders of other processes must find it; only who
 * asked for one has one, and only a sender that meets an armed one pays for ringing. */
#ifndef LIAISON_DOORBELL_H
#define LIAISON_DOORBELL_H

#include "space/place.h"

/* `fifo` is for silencing; `fd`, for users, is readable when the bell rang or the timer ended. */
struct doorbell {
    uint64_t number;
    struct descriptor fifo;
    int timer, fd;
    word64 due; /* when the timer ends */
};
#define DOORBELL_NONE ((struct doorbell){.fifo = DESCRIPTOR_NONE, .timer = -1, .fd = -1})
/* LIAISON_NOT_FOUND: the directory of the space's bells is gone. -EAGAIN: it is there, and cleaners
 * have taken away each bell that was being made in it. */
int doorbell_create(struct liaison_space *space, struct doorbell *bell);
/* Whether all of it is still there: its numbers may be other files' since. */
bool doorbell_stands(const struct doorbell *bell);
/* Closes of it what is still there. */
void doorbell_close(struct doorbell *bell);
/* Whether neither a ring nor the end of the timer is to be heard. */
bool doorbell_quiet(const struct doorbell *bell);
/* Of what was rung; `doorbell_remind` silences the timer. False, and nothing was done: somebody has
 * closed all descriptors, and whoever asks for this one again gets another. */
bool doorbell_silence(const struct doorbell *bell);
/* Has the descriptor readable after so long, or half as long, even if nobody rings: who waits on it
 * must look after the dead now and then, like any sleeper. */
void doorbell_remind(struct doorbell *bell, int64_t nanoseconds);
/* Whether it is certain that the owner hears it, or that there is none. */
bool doorbell_ring(struct liaison_space *space, uint64_t number);
/* Closes what is kept of bells that were rung. */
void doorbell_forget(void);
void doorbell_remove(struct liaison_space *space, uint64_t number);
/* Removes those that nobody has open for reading. Result: how many. */
uint32_t doorbell_clean(struct liaison_space *space);
/* Of a space that is removed: what makers of bells left when they died. */
void doorbell_sweep(int bells);

#endif
