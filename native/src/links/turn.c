#include "links/turn.h"

#include "parts/calling.h"
#include "parts/cell.h"
#include "parts/ring.h"
#include "segment/recover.h"

#define TRIES (1u << 16)

static uint64_t turn_word(uint32_t version, uint32_t count, uint32_t owner)
{
    return (uint64_t)version << 32 | (uint64_t)count << 12 | owner;
}
static uint32_t turn_owner(uint64_t w) { return (uint32_t)w & 0xfffu; }
static uint32_t turn_count(uint64_t w) { return (uint32_t)w >> 12; }
static uint32_t turn_version(uint64_t w) { return (uint32_t)(w >> 32); }

static int take(struct segment *s, bool alone)
{
    word64 *at = &s->header->turn;
    uint32_t me = segment_owner(s);
    for (uint32_t tries = 0; tries < TRIES; tries++) {
        uint64_t w = look(at);
        uint32_t owner = turn_owner(w);
        if (owner == me && alone) {
            return LIAISON_BUSY;
        } else if (owner == 0 || owner == me) {
            uint32_t count = owner == me ? turn_count(w) + 1 : 1;
            if (replace(at, w, turn_word(turn_version(w) + 1, count, me)))
                return LIAISON_OK;
        } else if (owner > s->geometry.attachments) {
            return LIAISON_CORRUPT;
        } else if (!recover_slot(s, owner - 1)) {
            return LIAISON_BUSY;
        }
    }
    return LIAISON_CORRUPT; /* a turn without an owner */
}

int turn_enter(struct segment *s) { return take(s, false); }
int turn_take_alone(struct segment *s) { return take(s, true); }

uint64_t turn_holder(struct segment *s)
{
    uint32_t owner = turn_owner(look(&s->header->turn));
    return owner && owner <= s->geometry.attachments ? look(&s->attachments[owner - 1].identity)
                                                     : 0;
}

bool turn_free(struct segment *s)
{
    uint32_t owner = turn_owner(look(&s->header->turn));
    return owner == 0 || owner == segment_owner(s);
}

/* Doorbells are rung for messages only: otherwise a process that finds none has had the turn for a
 * moment, and would ring those that stood back meanwhile, and they would ring it in turn. */
static bool any_message(struct segment *s) { return ring_count(s) || cell_count_returned(s); }

void turn_leave(struct segment *s)
{
    word64 *at = &s->header->turn;
    for (uint32_t tries = 0; tries < TRIES; tries++) {
        uint64_t w = look(at);
        if (turn_owner(w) != segment_owner(s) || turn_count(w) == 0)
            return;
        bool last = turn_count(w) == 1;
        struct wakeup before = {0, false, 0};
        if (last)
            before = any_message(s) ? wait_before(s, RECEIVERS) : wait_before_threads(s, RECEIVERS);
        uint64_t next =
            turn_word(turn_version(w) + 1, turn_count(w) - 1, last ? 0 : segment_owner(s));
        if (!replace(at, w, next))
            continue;
        if (!last)
            return;
        /* A process that was rung for a message which is being sent now, and stood back because of
         * this turn, is rung again: free the turn, then look. */
        if (any_message(s))
            wait_after(s, RECEIVERS, before);
        else
            wait_after_threads(s, RECEIVERS, before);
        return;
    }
}

void turn_sweep(struct segment *s, uint32_t slot, uint64_t identity)
{
    uint64_t w = look(&s->header->turn);
    if (turn_owner(w) == slot + 1 && look(&s->attachments[slot].identity) == identity)
        replace(&s->header->turn, w, turn_word(turn_version(w) + 1, 0, 0));
}
