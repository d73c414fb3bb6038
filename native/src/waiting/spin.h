/* spin.h — how long a wait should spin before it sleeps: what one handle has learnt.
 *
 * A sleep and a wake-up cost about ten microseconds, so a spin is worth that long at most. It
 * adapts: a spin that succeeds is done again, one that fails is done less.
 *
 * Spinning keeps all other threads from this processor, perhaps the very one that is waited for. A
 * sleeper is often woken on its caller's processor, on virtual machines nearly always, because an
 * idle virtual processor looks as if the host had taken it away. Two processes that talk then stay
 * together, at a fortieth of their speed, until the kernel moves one. So a thread that is woken
 * again and again on its caller's processor does not spin: that makes the wait a third of what it
 * would be.
 *
 * Nothing that was tried separates them sooner: spinning across the kernel's timer ticks (the woken
 * thread preempts it); sched_yield (gives the processor to any other ready thread). Setting the
 * affinity would, but the setting before it could only be guessed.
 */
#ifndef LIAISON_SPIN_H
#define LIAISON_SPIN_H

#include "base/order.h"

/* Shared by the threads of a handle; lost updates do no harm. */
struct spin {
    word32 worth;    /* nanoseconds */
    word32 together; /* wake-ups in a row on the waker's processor */
};

void spin_begin(struct spin *spin);

/* Whether the process that is waited for can run while this thread spins. */
bool spin_pays(const struct spin *spin);

/* Nanoseconds to spin now, or 0. */
uint32_t spin_worth(const struct spin *spin);
void spin_ended(struct spin *spin, uint32_t worth, bool paid);

/* Woken after `slept` nanoseconds, by a caller whose processor is unknown. */
void spin_slept(struct spin *spin, int64_t slept);
/* The same by a caller on `processor`. */
void spin_woken(struct spin *spin, uint32_t processor, int64_t slept);

#endif
