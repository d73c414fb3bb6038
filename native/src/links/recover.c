#include "links/recover.h"

#include "base/process.h"
#include "links/port.h"
#include "parts/cell.h"
#include "parts/receipt.h"
#include "parts/ring.h"
#include "parts/turn.h"
#include "space/member.h"
#include "waiting/wait.h"

/* Attachments probed per call, of those that held nothing we know of. */
#define FEW 2u

/* Undoes or finishes whatever attachment `slot` was doing, while it is `identity`'s, which
 * is dead or is ourselves. Any number of processes may do this at once, and any of them be
 * stopped in the middle and go on when the slot has long been given to another: each word
 * is read, then the identity is seen still to stand, then that exact word exchanged. Words
 * that the next owner writes differ in their generation, deliveries or version. */
static bool sweep_cells(struct segment *s, uint32_t slot, uint64_t identity)
{
    bool changed = false;
    /* First the ring: after this no helper can lease anything to the slot any more. */
    ring_finish_owner(s, slot);
    for (uint32_t x = 0; x < s->geometry.cells; x++) {
        struct cell *c = segment_cell(s, x);
        uint64_t h = observe(&c->header);
        if (cell_owner(h) != slot + 1 || look(&s->attachments[slot].identity) != identity)
            continue;
        switch (cell_state(h)) {
        case CELL_LOANED:
            changed |= cell_free(s, x, h);
            break;
        case CELL_QUEUED:
            /* Accepted, if the ring says so at the position last tried. If it was accepted
             * and has been taken since, the header has changed and neither exchange fits. */
            if (ring_holds(s, glance(&c->position), x))
                exchange(&c->header, h, cell_word(cell_generation(h), 0, 0, CELL_QUEUED));
            else
                changed |= cell_free(s, x, h);
            break;
        case CELL_LEASED:
            /* Withdrawn from a rendezvous: nobody has had it, and its sender is gone. */
            changed |= cell_deliveries(h) == 0 ? cell_free(s, x, h) : cell_return(s, x, h);
            break;
        }
    }
    return changed;
}

static bool sweep_words(struct segment *s, uint32_t slot, uint64_t identity)
{
    /* Who never sent or received has nothing in the ring or the cells. */
    bool changed = look32(&s->attachments[slot].roles) != 0 && sweep_cells(s, slot, identity);
    receipt_sweep(s, slot, identity);
    turn_sweep(s, slot, identity);
    /* The next receiver's turn; or the end of the last sender, which a port's receiver awaits. */
    return changed || s->geometry.access == LIAISON_EXCLUSIVE ||
           s->geometry.lifetime == LIAISON_LIFETIME_SENDERS;
}

static void sweep(struct segment *s, uint32_t slot, uint64_t identity)
{
    bool changed = sweep_words(s, slot, identity);
    wait_sweep(s, identity);
    exchange(&s->attachments[slot].identity, identity, 0);
    if (changed)
        wait_wake_all(s);
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

void recover_strays(struct segment *s)
{
    for (int role = 0; role < 2; role++)
        for (uint32_t i = 0; i < WAITERS; i++) {
            uint64_t owner = observe(&s->waiters[role][i].owner);
            if (owner && !member_alive(s->space, owner))
                wait_sweep(s, owner);
        }
}

bool recover_now_and_then(struct segment *s, bool all)
{
    uint32_t now = process_tick(), last = glance32(&s->last_recovery[all]);
    if (__builtin_expect(now == last, 1) || !exchange32(&s->last_recovery[all], last, now))
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
    bool changed = sweep_words(s, slot, me);
    exchange(&s->attachments[slot].identity, me, 0);
    if (changed)
        wait_wake_all(s);
}
