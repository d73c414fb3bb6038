#include "waiting/spin.h"

#include <sched.h>

#include "base/process.h"

#define WORTH_FIRST 4000u /* ns */
#define WORTH_MOST 10000u
#define WORTH_LEAST 1000u
#define SHORT 100000 /* ns: a sleep that an awake partner would have spared */
#define TOGETHER 4u  /* wake-ups in a row */

void spin_begin(struct spin *spin)
{
    note32(&spin->worth, WORTH_FIRST);
    note32(&spin->together, 0);
}

bool spin_pays(const struct spin *spin)
{
    return process_cores() > 1 && glance32(&spin->together) < TOGETHER;
}

uint32_t spin_worth(const struct spin *spin)
{
    uint32_t worth = glance32(&spin->worth);
    return worth < WORTH_LEAST || !spin_pays(spin) ? 0 : worth;
}

void spin_ended(struct spin *spin, uint32_t worth, bool paid)
{
    uint32_t next = paid ? worth * 2 : worth / 2;
    note32(&spin->worth, next < WORTH_MOST ? next : WORTH_MOST);
}

void spin_slept(struct spin *spin, int64_t slept)
{
    if (slept < SHORT)
        note32(&spin->worth, WORTH_MOST / 2); /* better a spin than so short a sleep */
}

void spin_woken(struct spin *spin, uint32_t processor, int64_t slept)
{
    spin_slept(spin, slept);
    bool together = slept < SHORT && processor == (uint32_t)sched_getcpu();
    note32(&spin->together, together ? glance32(&spin->together) + 1 : 0);
}
