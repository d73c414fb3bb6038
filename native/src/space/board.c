#include "space/board.h"

#include <sched.h>

#include "base/futex.h"
#include "base/process.h"
#include "space/member.h"

/* Numbers from outside are checked: whatever they are, the result lies in the mapping. */
struct board *board_find(const struct liaison_space *space, uint64_t owner, uint64_t detail)
{
    uint32_t member = identity_number(owner);
    /* A forked child that is no member yet does not have its parent's mapping; the sleeper there
     * looks by itself when its slice ends. */
    if (member >= MEMBERS || !space->boards || observe(&space->epoch) != process_epoch())
        return NULL;
    return &space->boards[member * BOARDS + (uint32_t)detail % BOARDS];
}

struct board *board_at(const struct liaison_space *space, uint32_t number)
{
    return board_find(space, glance(&space->identity), number);
}

int board_take(struct liaison_space *space, uint32_t *number)
{
    uint64_t me;
    int r = member_identity(space, &me);
    if (r != LIAISON_OK)
        return r;
    process_lock();
    uint32_t n = 0;
    while (n < BOARDS && (space->boards_taken >> n & 1))
        n++;
    struct board *b = n < BOARDS ? board_at(space, n) : NULL;
    if (!b) {
        r = LIAISON_EXHAUSTED;
    } else {
        space->boards_taken |= 1u << n;
        announce32(&b->state, board_next(glance32(&b->state)));
        for (uint32_t i = 0; i < BOARD_WORDS; i++)
            publish(&b->called[i], 0);
        *number = n;
    }
    process_unlock();
    return r;
}

void board_give(struct liaison_space *space, uint32_t number)
{
    process_lock();
    space->boards_taken &= ~(1u << number);
    process_unlock();
}

void board_mark(struct board *b, uint64_t detail)
{
    uint32_t place = (uint32_t)(detail >> 8) % BOARD_PLACES;
    set_bits(&b->called[place / 64], UINT64_C(1) << (place % 64));
}

void board_wake(struct board *b)
{
    uint32_t state = look32(&b->state);
    if (!(state & BOARD_ASLEEP))
        return;
    note32(&b->processor, (uint32_t)sched_getcpu());
    /* First the call, then the word that records it: a death in between leaves a board that the
     * next caller still finds asleep. */
    if (futex_wake(&b->state, 1) == 0 && !(state & BOARD_CALLED)) {
        /* The sleeper was not asleep yet, and may fall asleep just before the word is changed. So
         * it is called again, and until that is done the word says that it sleeps. */
        (void)replace32(&b->state, state, state | BOARD_CALLED); /* or another caller has */
        state |= BOARD_CALLED;
        futex_wake(&b->state, 1);
    }
    replace32(&b->state, state, state & ~(BOARD_ASLEEP | BOARD_CALLED));
}
