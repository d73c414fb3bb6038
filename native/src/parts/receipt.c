#include "parts/receipt.h"

#include <string.h>

#include "base/futex.h"
#include "base/process.h"
#include "parts/calling.h"
#include "space/member.h"

/* More failed exchanges than this are not contention. */
#define TRIES 1000u

/* claim   {generation 32 | owner 12 | state 1} */
static uint64_t claim_word(uint32_t generation, uint32_t owner, uint32_t used)
{
    return (uint64_t)generation << 32 | (uint64_t)owner << 1 | used;
}
static uint32_t claim_generation(uint64_t w) { return (uint32_t)(w >> 32); }
static uint32_t claim_owner(uint64_t w) { return (uint32_t)w >> 1 & 0xfffu; }

/* outcome {generation 28 | member 12 | pid 22 | kind 2}; pids end at 2^22. */
#define GENERATION_MASK 0xfffffffu
static uint64_t outcome_word(uint32_t generation, uint32_t member, uint32_t pid, uint32_t kind)
{
    return (uint64_t)(generation & GENERATION_MASK) << 36 | (uint64_t)(member & 0xfffu) << 24 |
           (uint64_t)(pid & 0x3fffffu) << 2 | kind;
}
static uint32_t outcome_generation(uint64_t w) { return (uint32_t)(w >> 36); }
static uint32_t outcome_member(uint64_t w) { return (uint32_t)(w >> 24) & 0xfffu; }
static uint32_t outcome_pid(uint64_t w) { return (uint32_t)(w >> 2) & 0x3fffffu; }
static uint32_t outcome_kind(uint64_t w) { return (uint32_t)w & 3u; }

static word32 cursor; /* where to look first */

int receipt_claim(struct segment *s, uint32_t *index, uint32_t *generation)
{
    uint32_t n = s->geometry.receipts, from = glance32(&cursor);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = (from + i) % n;
        struct receipt *r = &s->receipts[at];
        uint64_t w = look(&r->claim); /* a sender that waits for one to be dropped */
        if (w & 1)
            continue;
        if (!replace(&r->claim, w, claim_word(claim_generation(w) + 1, segment_owner(s), 1)))
            continue;
        *index = at + 1;
        *generation = claim_generation(w) + 1;
        note32(&r->waiting, 0);
        publish(&r->outcome, outcome_word(*generation, 0, 0, 0));
        note32(&cursor, at + 1);
        return LIAISON_OK;
    }
    return LIAISON_FULL;
}

bool receipt_vacant(const struct segment *s)
{
    uint32_t n = s->geometry.receipts, from = glance32(&cursor);
    for (uint32_t i = 0; i < n; i++)
        if (!(look(&s->receipts[(from + i) % n].claim) & 1))
            return true;
    return false;
}

void receipt_free(struct segment *s, uint32_t index, uint32_t generation)
{
    if (index == 0 || index > s->geometry.receipts)
        return;
    struct wakeup before = wait_before(s, SENDERS);
    if (replace(&s->receipts[index - 1].claim, claim_word(generation, segment_owner(s), 1),
                claim_word(generation, 0, 0)))
        wait_after(s, SENDERS, before);
}

static struct receipt *of_cell(struct segment *s, uint32_t cell, uint32_t *generation)
{
    struct cell *c = segment_cell(s, cell);
    uint32_t index = glance32(&c->receipt);
    *generation = glance32(&c->receipt_generation);
    return index == 0 || index > s->geometry.receipts ? NULL : &s->receipts[index - 1];
}

void receipt_note(struct segment *s, uint32_t cell, int state)
{
    uint32_t generation;
    struct receipt *r = of_cell(s, cell, &generation);
    if (!r)
        return;
    /* LIAISON_RECEIVED, _ACKNOWLEDGED, _DEAD_LETTERED are 2, 3, 4: one less fits 2 bits. */
    for (uint32_t tries = 0; tries < TRIES; tries++) {
        uint64_t w = look(&r->outcome);
        if (outcome_generation(w) != (generation & GENERATION_MASK))
            return;
        uint64_t next = outcome_word(generation, identity_number(glance(&s->identity)),
                                     glance32(&s->pid), (uint32_t)state - 1);
        if (replace(&r->outcome, w, next))
            return;
    }
}

void receipt_wake_index(struct segment *s, uint32_t index)
{
    if (index == 0 || index > s->geometry.receipts)
        return;
    struct receipt *r = &s->receipts[index - 1];
    add32(&r->signal, 1); /* announce, then look */
    if (look32(&r->waiting))
        futex_wake(&r->signal, FUTEX_ALL);
}

void receipt_sweep(struct segment *s, uint32_t slot, uint64_t identity)
{
    for (uint32_t i = 0; i < s->geometry.receipts; i++) {
        uint64_t w = look(&s->receipts[i].claim);
        if ((w & 1) && claim_owner(w) == slot + 1 &&
            look(&s->attachments[slot].identity) == identity)
            replace(&s->receipts[i].claim, w, claim_word(claim_generation(w), 0, 0));
    }
}

int receipt_state(struct segment *s, const struct liaison_receipt *receipt,
                  struct liaison_peer *peer)
{
    uint64_t h = look(&segment_cell(s, receipt->cell)->header);
    uint64_t w = look(&s->receipts[receipt->index - 1].outcome);
    bool leased = cell_state(h) == CELL_LEASED && cell_deliveries(h) != 0; /* not withdrawn */
    if (cell_generation(h) == receipt->cell_generation && !leased)
        return LIAISON_QUEUED;
    if (cell_generation(h) == receipt->cell_generation) {
        uint32_t owner = cell_owner(h);
        if (peer && owner && owner <= s->geometry.attachments)
            (void)member_peer(s->space, glance(&s->attachments[owner - 1].identity), 0, peer);
        return LIAISON_RECEIVED;
    }
    /* Settled, by the process that noted the outcome last: it did so just before. */
    if (peer)
        member_peer_numbered(s->space, outcome_member(w), (int32_t)outcome_pid(w), peer);
    return outcome_kind(w) + 1 == LIAISON_DEAD_LETTERED ? LIAISON_DEAD_LETTERED
                                                        : LIAISON_ACKNOWLEDGED;
}

bool receipt_valid(struct segment *s, const struct liaison_receipt *receipt)
{
    return receipt->index != 0 && receipt->index <= s->geometry.receipts &&
           receipt->cell < segment_cells(s) && receipt->epoch == process_epoch() &&
           receipt->epoch == observe(&s->epoch);
}

int receipt_look(struct segment *s, const struct liaison_receipt *receipt, int *state,
                 struct liaison_peer *peer)
{
    if (!receipt_valid(s, receipt))
        return LIAISON_INVALID;
    if (peer)
        memset(peer, 0, sizeof *peer);
    *state = receipt_state(s, receipt, peer);
    return s->broken ? LIAISON_CORRUPT : LIAISON_OK;
}
