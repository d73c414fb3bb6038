/* spin.h — how long it is worth waiting without sleeping: what one handle has learnt of it.
 *
 * A sleep and a wake-up cost about ten microseconds, so that long is a spin worth at most. It
 * adapts: what pays is done again, what does not is done less.
 *
 * To spin is to keep everybody else from this processor, and the one that is waited for may be
 * the one that is kept. A sleeper is often woken on its waker's processor, and on many virtual
 * machines nearly always, since an idle processor looks there as if the host had taken it away.
 * Two processes that talk then stay together, at a fortieth of their speed, until the kernel
 * moves one. Who is woken again and again on its waker's processor does not spin: that makes
 * the wait a third of what it would be.
 *
 * Nothing that was tried gets them apart sooner: spinning across the kernel's timer ticks (the
 * one that is woken preempts it); sched_yield (forfeits the turn to whatever else is ready).
 * Setting the processor oneself would, but what it was set to before can only be guessed at.
 */
#ifndef LIAISON_SPIN_H
#define LIAISON_SPIN_H

#include "base/order.h"

/* Shared by the threads of a handle; what they lose of each other's is not missed. */
struct spin {
    word32 worth;    /* nanoseconds */
    word32 together; /* wake-ups in a row on the waker's processor */
};

void spin_begin(struct spin *spin);

/* Whether who is waited for can run while this thread spins. */
bool spin_pays(const struct spin *spin);

/* Nanoseconds to spin now, or 0. */
uint32_t spin_worth(const struct spin *spin);
void spin_ended(struct spin *spin, uint32_t worth, bool paid);

/* Woken after `slept` nanoseconds, by somebody who left no word on which processor. */
void spin_slept(struct spin *spin, int64_t slept);
/* The same by somebody on `processor`. */
void spin_woken(struct spin *spin, uint32_t processor, int64_t slept);

#endif
