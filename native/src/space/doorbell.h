/* doorbell.h — a descriptor that becomes readable when there may be a message.
 *
 * A FIFO with a name in the space, because senders of other processes must find it. Only a handle
 * that was asked for one has one, and only a sender that finds it armed has to ring it. */
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
/* LIAISON_NOT_FOUND: the directory of the space's bells is gone. -EAGAIN: it is there, but cleaners
 * have removed each bell that was being made in it. */
int doorbell_create(struct liaison_space *space, struct doorbell *bell);
/* Whether all of it is still there: its numbers may be other files' since. */
bool doorbell_stands(const struct doorbell *bell);
/* Closes those of its descriptors that are still its own. */
void doorbell_close(struct doorbell *bell);
/* Whether it is not readable, neither by a ring nor by the end of the timer. */
bool doorbell_quiet(const struct doorbell *bell);
/* Makes it unreadable after a ring; `doorbell_remind` does so for the timer. False, and nothing was
 * done: its descriptors were closed, and asking for this bell again makes another. */
bool doorbell_silence(const struct doorbell *bell);
/* Makes the descriptor readable after so long, or half as long, even without a ring: a program that
 * waits on it must check for dead processes now and then, as any sleeper does. */
void doorbell_remind(struct doorbell *bell, int64_t nanoseconds);
/* Whether it is certain that the owner hears it, or that there is none. */
bool doorbell_ring(struct liaison_space *space, uint64_t number);
/* Closes what is kept of bells that were rung. */
void doorbell_forget(void);
void doorbell_remove(struct liaison_space *space, uint64_t number);
/* Removes those that nobody has open for reading. Result: how many. */
uint32_t doorbell_clean(struct liaison_space *space);
/* Removes, from a space that is removed, what dead makers of bells have left. */
void doorbell_sweep(int bells);

#endif
