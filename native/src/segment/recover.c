#include "segment/recover.h"

#include "base/process.h"
#include "space/member.h"

#define EVERY 2u /* ms between two looks, by any process */
/* Attachments that one look probes; or, unless it looks at all, so many of those that hold
 * nothing. */
#define MOST 32u
#define FEW 2u

static void sweep(struct segment *s, uint32_t slot, uint64_t identity)
{
    const struct repair *repair = s->kind->repair;
    bool changed = repair->sweep(s, slot, identity);
    repair->forget(s, identity);
    replace(&s->attachments[slot].identity, identity, 0);
    if (changed)
        repair->wake(s);
}

bool recover_slot(struct segment *s, uint32_t slot)
{
    uint64_t identity = observe(&s->attachments[slot].identity);
    if (identity == 0)
        return true;
    if (member_alive(s->space, identity))
        return false;
    sweep(s, slot, identity);
    return true;
}

static uint32_t attachments_top(const struct segment *s)
{
    uint32_t top = observe32(&s->header->attachments_top);
    return top < s->geometry.attachments ? top : s->geometry.attachments;
}

/* Probes `most` of all; `few` of those that hold nothing. The next look begins where this ends. */
static bool look_for_dead(struct segment *s, uint32_t most, uint32_t few)
{
    uint32_t top = attachments_top(s);
    uint64_t me = observe(&s->epoch) == process_epoch() ? glance(&s->identity) : 0;
    uint32_t first = top ? glance32(&s->header->look_from) % top : 0, i = 0;
    bool found = false;
    for (; i < top && most; i++) {
        uint32_t slot = (first + i) % top;
        uint64_t identity = observe(&s->attachments[slot].identity);
        if (identity == 0 || identity == me)
            continue;
        if (glance32(&s->attachments[slot].held) == 0) {
            if (few == 0)
                continue;
            few--;
        }
        most--;
        if (!member_alive(s->space, identity)) {
            sweep(s, slot, identity);
            found = true;
        }
    }
    note32(&s->header->look_from, i < top ? first + i : first + FEW);
    return found;
}

bool recover_dead(struct segment *s) { return look_for_dead(s, UINT32_MAX, UINT32_MAX); }

/* Once in a tick of the clock that is fast enough to be read in each operation. */
static bool once_in_a_tick(word32 *last)
{
    uint32_t now = process_tick(), then = glance32(last);
    return __builtin_expect(now != then, 0) && replace32(last, then, now);
}

bool recover_before_failing(struct segment *s)
{
    return once_in_a_tick(&s->failed) && look_for_dead(s, MOST, MOST);
}

/* Whether no process has looked lately; then this one does. By the clock that is slower to read,
 * whose tick is below ten milliseconds everywhere. */
static bool nobody_looked(word32 *looked)
{
    uint32_t now = (uint32_t)(process_now() / 1000000), last = glance32(looked);
    return now - last >= EVERY && replace32(looked, last, now);
}

bool recover_now_and_then(struct segment *s, bool all)
{
    return nobody_looked(&s->header->looked[all]) && look_for_dead(s, MOST, all ? MOST : FEW);
}

bool recover_in_passing(struct segment *s)
{
    return once_in_a_tick(&s->passed) && recover_now_and_then(s, false);
}

bool recover_others_hold(struct segment *s)
{
    uint64_t me = glance(&s->identity);
    for (uint32_t i = 0; i < attachments_top(s); i++) {
        uint64_t identity = observe(&s->attachments[i].identity);
        if (identity && identity != me && look32(&s->attachments[i].held))
            return true;
    }
    return false;
}

void recover_leave(struct segment *s)
{
    /* The waiters table uses identities, and another thread may just have opened the link again,
     * with our identity but another attachment: its sleepers must stay. This attachment has
     * none. */
    uint32_t slot = glance32(&s->slot);
    uint64_t me = glance(&s->identity);
    bool changed = s->kind->repair->sweep(s, slot, me);
    replace(&s->attachments[slot].identity, me, 0);
    if (changed)
        s->kind->repair->wake(s);
}
