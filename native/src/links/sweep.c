/* sweep.c — undoing or finishing what dead processes have left in a link's words. */
#include "links/link.h"
#include "links/turn.h"
#include "parts/cell.h"
#include "parts/receipt.h"
#include "parts/ring.h"
#include "space/member.h"
#include "waiting/wait.h"

/* Undoes or finishes whatever attachment `slot` was doing, while it is `identity`'s, which is dead
 * or is ourselves. Any number of processes may do this at once, and any of them may be stopped in
 * the middle and continue when the slot has a new owner: each word is read, then the identity is
 * checked again, then exactly that word is exchanged. Words that the next owner writes differ in
 * their generation, deliveries or version. */
static bool sweep_cells(struct segment *s, uint32_t slot, uint64_t identity)
{
    bool changed = false;
    /* First the ring: after this no process can finish a lease for the slot any more. */
    ring_finish_owner(s, slot);
    for (uint32_t x = 0; x < segment_cells(s); x++) {
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
                replace(&c->header, h, cell_word(cell_generation(h), 0, 0, CELL_QUEUED));
            else
                changed |= cell_free(s, x, h);
            break;
        case CELL_LEASED:
            /* Withdrawn from a rendezvous: it was never delivered, and its sender is gone. */
            changed |= cell_deliveries(h) == 0 ? cell_free(s, x, h) : cell_return(s, x, h);
            break;
        }
    }
    return changed;
}

static bool sweep(struct segment *s, uint32_t slot, uint64_t identity)
{
    /* A process that neither sent nor received has nothing in the ring or the cells; one that never
     * sent has no receipt. */
    uint32_t roles = look32(&s->attachments[slot].roles);
    bool changed = roles != 0 && sweep_cells(s, slot, identity);
    if (roles & ROLE_SENDS)
        receipt_sweep(s, slot, identity);
    turn_sweep(s, slot, identity);
    /* The next receiver's turn, or the end of the last sender, for which a port's receiver
     * waits. */
    return changed || s->geometry.access == LIAISON_EXCLUSIVE ||
           s->geometry.lifetime == LIAISON_LIFETIME_SENDERS;
}

static void forget_strays(struct segment *s)
{
    for (int role = 0; role < 2; role++)
        for (uint32_t i = 0; i < WAITERS; i++) {
            uint64_t owner = observe(&s->waiters[role][i].owner);
            if (owner && !member_alive(s->space, owner))
                wait_sweep(s, owner);
        }
}

const struct repair link_repair = {sweep, wait_sweep, forget_strays, wait_wake_all};
