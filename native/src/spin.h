/* spin.h — how long it is worth waiting without sleeping. What one handle has learnt of it.
 *
 * A sleep and a wake-up cost about ten microseconds, so that long is a spin worth at most. It
 * adapts: what pays is done again, what does not is done less.
 *
 * One case needs more. A sleeper is mostly woken on the processor of who wakes it, and on many
 * virtual machines always, since an idle processor looks there as one that the host has taken
 * away. Two processes that talk then sleep and wake on one processor for as long as they talk,
 * at a fortieth of the speed, beside one that idles: never are both ready to run for long
 * enough that the kernel moved one. To spin is to keep the other from running there, so who is
 * woken again and again on its waker's processor does not; but now and then it lingers, across
 * a tick of the kernel's, and the other, ready to run and not let, is moved. Rejected:
 * setting the processor oneself, since what it was set to before can only be guessed at;
 * sched_yield, which forfeits the turn to whatever else is ready to run.
 */
#ifndef LIAISON_SPIN_H
#define LIAISON_SPIN_H

#include "order.h"

/* Shared by the threads of a handle; what they lose of each other's is not missed. */
struct spin {
    word32 worth;    /* nanoseconds; below SPIN_MIN: not at all */
    word32 together; /* wake-ups in a row on the waker's processor */
    word32 lingered; /* tick of the last time */
    word32 pause;    /* milliseconds until it may be done again; doubles when it was in vain */
};

void spin_begin(struct spin *spin);

/* Whether whoever is waited for can run while this thread spins. */
bool spin_alone(struct spin *spin);

/* Nanoseconds to spin now, or 0. */
uint32_t spin_worth(struct spin *spin);
void spin_ended(struct spin *spin, uint32_t worth, bool paid);

/* Woken after `slept` nanoseconds by somebody on processor `cpu`. */
void spin_woken(struct spin *spin, uint32_t cpu, int64_t slept);

#endif
