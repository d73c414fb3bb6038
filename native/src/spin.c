#include "spin.h"

#include <sched.h>

#include "process.h"

#define SPIN_FIRST 4000u /* ns */
#define SPIN_MAX 10000u
#define SPIN_MIN 1000u

/* ns. The kernel looks for work to move with each of its ticks, and moves what has waited for
 * half a millisecond; but after not quite three it would let the other have this processor. */
#define LINGER_MIN 600000
#define LINGER_MAX 1800000
#define LINGER_BEYOND 1000000 /* for the idle processor to come */
#define SHORT (100 * 1000)    /* ns: a sleep that an awake partner would have spared */
#define TOGETHER 4u           /* wake-ups in a row: no chance */
#define STUCK 32u
#define PAUSE_FIRST 8u /* ms */
#define PAUSE_LAST 16384u

void spin_begin(struct spin *spin)
{
    note32(&spin->worth, SPIN_FIRST);
    note32(&spin->together, 0);
    note32(&spin->lingered, process_tick() - PAUSE_FIRST);
    note32(&spin->pause, PAUSE_FIRST);
}

bool spin_alone(struct spin *spin) { return glance32(&spin->together) < TOGETHER; }

/* Nanoseconds to linger now, or 0. */
static uint32_t linger(struct spin *spin)
{
    uint32_t now = process_tick(), pause = glance32(&spin->pause);
    uint32_t since = now - glance32(&spin->lingered);
    if (since < pause)
        return 0;
    int64_t tick = process_next_tick();
    if (tick < LINGER_MIN || tick > LINGER_MAX)
        return 0;
    /* Long undisturbed means that it helped the last time. */
    uint32_t next = since > 4 * pause ? PAUSE_FIRST : 2 * pause;
    note32(&spin->pause, next < PAUSE_LAST ? next : PAUSE_LAST);
    note32(&spin->lingered, now);
    return (uint32_t)tick + LINGER_BEYOND;
}

uint32_t spin_worth(struct spin *spin)
{
    uint32_t worth = glance32(&spin->worth), together = glance32(&spin->together);
    if (process_cores() < 2)
        return 0;
    if (__builtin_expect(together >= TOGETHER, 0))
        return together >= STUCK ? linger(spin) : 0;
    return worth < SPIN_MIN ? 0 : worth;
}

void spin_ended(struct spin *spin, uint32_t worth, bool paid)
{
    uint32_t next = paid ? worth * 2 : worth / 2;
    note32(&spin->worth, next < SPIN_MAX ? next : SPIN_MAX);
}

void spin_woken(struct spin *spin, uint32_t cpu, int64_t slept)
{
    if (slept >= SHORT) {
        note32(&spin->together, 0);
        return;
    }
    note32(&spin->worth, SPIN_MAX / 2); /* so short a sleep had better been a spin */
    uint32_t together = cpu == (uint32_t)sched_getcpu() ? glance32(&spin->together) + 1 : 0;
    note32(&spin->together, together);
}
