/* attachment.c — taking a place on a link. */
#include "base/process.h"
#include "segment/recover.h"
#include "space/member.h"

static bool claim_attachment(struct segment *s, uint64_t me)
{
    for (uint32_t i = 0; i < s->geometry.attachments; i++) {
        if (glance(&s->attachments[i].identity) != 0)
            continue;
        /* The hint first: a death in between must not leave a place at which no process looks. */
        uint32_t top = glance32(&s->header->attachments_top);
        for (uint32_t tries = 0; top < i + 1 && tries < ATTACHMENTS;
             tries++, top = glance32(&s->header->attachments_top))
            if (replace32(&s->header->attachments_top, top, i + 1))
                break;
        if (!replace(&s->attachments[i].identity, 0, me))
            continue;
        note32(&s->attachments[i].held, 0);
        note32(&s->attachments[i].roles, 0);
        note32(&s->slot, i);
        return true;
    }
    return false;
}

int segment_identity(struct segment *s, uint64_t *me)
{
    return segment_with_its_space(member_identity(s->space, me));
}

int segment_attach(struct segment *s)
{
    uint64_t me, epoch = process_epoch();
    if (observe(&s->epoch) == epoch)
        return LIAISON_OK;
    int r = member_identity(s->space, &me);
    if (r != LIAISON_OK)
        return r;
    process_lock();
    if (observe(&s->epoch) != epoch) {
        note(&s->identity, me); /* sweeping needs an identity of our own */
        bool placed = claim_attachment(s, me) || (recover_dead(s) && claim_attachment(s, me));
        if (placed) {
            segment_spare(s); /* announced, now look */
            note32(&s->pid, (uint32_t)member_pid());
            note32(&s->roles, 0);
            publish(&s->epoch, epoch);
            if (me != s->geometry.creator && s->kind->came)
                s->kind->came(s);
            s->kind->repair->forget_strays(s);
        } else {
            r = s->geometry.access == LIAISON_PAIR ? LIAISON_BUSY : LIAISON_EXHAUSTED;
        }
    }
    process_unlock();
    return r;
}
