#include "parts/waiters.h"

#include <sched.h>

#include "base/futex.h"
#include "base/process.h"
#include "space/doorbell.h"

int wait_enter(struct segment *s, enum waiter_role role, uint32_t kind, uint64_t detail,
               uint32_t *out)
{
    uint64_t me = glance(&s->identity);
    for (uint32_t i = 0; i < WAITERS; i++) {
        struct waiter *e = &s->waiters[role][i];
        if (glance(&e->owner) != 0 || !replace(&e->owner, 0, me))
            continue;
        note(&e->ticket, add(&s->header->ticket, 1));
        note32(&e->kind, kind);
        publish(&e->detail, detail); /* a process that sees it sees the kind as well */
        /* A thread's has none, so that an entry is not taken for what it was before. */
        uint32_t t = (uint32_t)glance(&e->ticket);
        announce32(&e->signal, kind == WAITER_DOORBELL
                                   ? signal_armed(t * SIGNAL_COUNT, process_tick())
                               : kind == WAITER_BOARD ? signal_board(t * SIGNAL_OWNER)
                                                      : SIGNAL_WAITING);
        uint64_t bit = UINT64_C(1) << (i % 64);
        if (waiter_stays_armed(e))
            set_bits(&s->header->armed[role][i / 64], bit);
        set_bits(&s->header->waiters[role][i / 64], bit);
        *out = i;
        return LIAISON_OK;
    }
    return LIAISON_EXHAUSTED;
}

uint32_t wait_join_crowd(struct segment *s, enum waiter_role role)
{
    word32 *word = &s->header->crowd[role];
    uint32_t value = look32(word);
    /* If this fails, another thread has written the same, or a caller was faster: then this thread
     * does not sleep. */
    if (!(value & CROWD_ASLEEP))
        (void)replace32(word, value, value | CROWD_ASLEEP);
    return value | CROWD_ASLEEP;
}

/* A caller that finds no sleeper clears the ASLEEP bit, and then a thread that was about to sleep
 * does not: so the bit is set for as long as a thread may sleep, whichever caller or sleeper
 * dies. */
void wait_call_crowd(struct segment *s, enum waiter_role role, int how_many)
{
    word32 *word = &s->header->crowd[role];
    uint32_t value = look32(word);
    if (value & CROWD_ASLEEP && futex_wake(word, how_many) < how_many)
        (void)replace32(word, value, (value | CROWD_ASLEEP) + 1);
}

static bool half_empty(const struct segment *s, enum waiter_role role)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < WAITER_WORDS; i++)
        n += (uint32_t)__builtin_popcountll(look(&s->header->waiters[role][i]));
    return n < WAITERS / 2;
}

uint32_t wait_leave(struct segment *s, enum waiter_role role, uint32_t i)
{
    struct waiter *e = &s->waiters[role][i];
    uint64_t me = glance(&s->identity), bit = UINT64_C(1) << (i % 64);
    if (glance(&e->owner) != me)
        return SIGNAL_NONE; /* another process overwrote it: it is not ours any more */
    uint32_t signal = swap32(&e->signal, SIGNAL_NONE);
    clear_bits(&s->header->waiters[role][i / 64], bit);
    if (look(&s->header->armed[role][i / 64]) & bit)
        clear_bits(&s->header->armed[role][i / 64], bit);
    replace(&e->owner, me, 0);
    if (__builtin_expect(look32(&s->header->crowd[role]) & CROWD_ASLEEP, 0) && half_empty(s, role))
        wait_call_crowd(s, role, 1);
    return signal;
}

void wait_sweep(struct segment *s, uint64_t identity)
{
    for (int role = 0; role < 2; role++)
        for (uint32_t i = 0; i < WAITERS; i++) {
            struct waiter *e = &s->waiters[role][i];
            /* First make it ours. Clearing a dead process's bit without owning the entry could
             * clear the bit of its next owner, which would then never be woken. */
            if (glance(&e->owner) != identity ||
                !replace(&e->owner, identity, glance(&s->identity)))
                continue;
            if (glance32(&e->kind) == WAITER_DOORBELL)
                doorbell_remove(s->space, glance(&e->detail));
            wait_leave(s, role, i);
        }
}

uint32_t wait_count(struct segment *s, enum waiter_role role)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < WAITER_WORDS; i++)
        for (uint64_t bits = look(&s->header->waiters[role][i]); bits; bits &= bits - 1) {
            struct waiter *e = &s->waiters[role][i * 64 + (uint32_t)__builtin_ctzll(bits)];
            n += !waiter_stays_armed(e) && glance32(&e->signal) != SIGNAL_NONE;
        }
    return n;
}

uint64_t waiter_from_here(uint32_t tick) { return (uint64_t)(uint32_t)sched_getcpu() << 32 | tick; }
