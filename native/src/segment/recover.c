#include "segment/recover.h"

#include "base/process.h"
#include "space/member.h"

/* Attachments probed per call, of those that held nothing we know of. */
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

bool recover_dead(struct segment *s, bool all)
{
    uint32_t top = attachments_top(s), few = FEW;
    uint64_t me = observe(&s->epoch) == process_epoch() ? glance(&s->identity) : 0;
    static word32 turn;
    uint32_t first = top ? add32(&turn, 1) * FEW % top : 0;
    bool found = false;
    for (uint32_t i = 0; i < top; i++) {
        uint32_t slot = (first + i) % top;
        uint64_t identity = observe(&s->attachments[slot].identity);
        if (identity == 0 || identity == me)
            continue;
        if (!all && glance32(&s->attachments[slot].held) == 0 && few-- == 0) {
            few = 0;
            continue;
        }
        if (!member_alive(s->space, identity)) {
            sweep(s, slot, identity);
            found = true;
        }
    }
    return found;
}

bool recover_now_and_then(struct segment *s, bool all)
{
    uint32_t now = process_tick(), last = glance32(&s->last_recovery[all]);
    if (__builtin_expect(now == last, 1) || !replace32(&s->last_recovery[all], last, now))
        return false;
    return recover_dead(s, all);
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
    /* The waiters table goes by identity, and another thread may just have opened the link
     * again, in our name but in another place: its sleepers are not ours to clear. We have
     * none. */
    uint32_t slot = glance32(&s->slot);
    uint64_t me = glance(&s->identity);
    bool changed = s->kind->repair->sweep(s, slot, me);
    replace(&s->attachments[slot].identity, me, 0);
    if (changed)
        s->kind->repair->wake(s);
}
