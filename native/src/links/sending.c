/* sending.c — a message from a sender's memory into the ring. */
#include "base/process.h"
#include "links/around.h"
#include "links/handle.h"
#include "links/pipe.h"
#include "links/port.h"
#include "parts/arena.h"
#include "parts/cell.h"
#include "parts/receipt.h"
#include "parts/ring.h"
#include "segment/recover.h"
#include "waiting/awaiting.h"
#include "waiting/wait.h"

/* `cells`: how many it may look at. */
static int try_loan(liaison_mailbox *m, size_t size, bool receipt, uint32_t cells,
                    struct liaison_loan *loan)
{
    struct segment *s = m->segment;
    uint64_t epoch = process_epoch();
    if (__builtin_expect(s->kind->sides, 0)) {
        if (is_pipe(s) && !pipe_admits(m, SENDERS))
            return LIAISON_DENIED;
        sides_look(s, false);
    }
    int r = segment_check(s, epoch);
    if (r != LIAISON_OK)
        return r;
    if (__builtin_expect(segment_vanished(s), 0))
        return LIAISON_DESTROYED; /* no new receiver would find what is sent */
    bool large = size > s->inline_max;
    if (large && size > arena_largest(s))
        return LIAISON_TOO_LARGE;
    segment_tell_role(s, ROLE_SENDS);
    uint32_t x;
    uint64_t header;
    loan->receipt = loan->receipt_generation = 0;
    /* The receipt last. One that is given back for lack of room calls a sender, and the oldest
     * waiting sender would be called by its own attempt: it would never sleep, nor be
     * interrupted. */
    bool follows = __builtin_expect(receipt || s->geometry.rendezvous, 0);
    if (follows && !receipt_vacant(s))
        return LIAISON_FULL;
    r = cell_claim(s, &m->cursor, cells, &x, &header);
    if (__builtin_expect(r != LIAISON_OK, 0))
        return r;
    struct cell *c = segment_cell(s, x);
    void *data = c->payload;
    if (large) {
        uint64_t offset;
        r = arena_claim(s, &m->arena, x, cell_generation(header), size, &offset);
        if (r != LIAISON_OK) {
            cell_free(s, x, header);
            return r;
        }
        note(&c->block, offset);
        data = s->arena + offset;
    }
    note(&c->length, size);
    loan->data = data;
    loan->size = size;
    loan->cell = x;
    loan->header = header;
    loan->epoch = epoch;
    if (follows && receipt_claim(s, &loan->receipt, &loan->receipt_generation) != LIAISON_OK) {
        liaison_mailbox_discard(m, loan); /* another sender took the last place meanwhile */
        return LIAISON_FULL;
    }
    return s->broken ? LIAISON_CORRUPT : LIAISON_OK;
}

int liaison_mailbox_try_loan(liaison_mailbox *m, size_t size, bool receipt,
                             struct liaison_loan *loan)
{
    return try_loan(m, size, receipt, UINT32_MAX, loan);
}

int liaison_mailbox_loan_at_hand(liaison_mailbox *m, size_t size, bool receipt,
                                 struct liaison_loan *loan)
{
    return try_loan(m, size, receipt, CELLS_AT_HAND, loan);
}

struct loaning {
    liaison_mailbox *mailbox;
    size_t size;
    bool receipt;
    uint32_t cells;
    struct liaison_loan *loan;
};
static int attempt_loan(void *context)
{
    struct loaning *l = context;
    return try_loan(l->mailbox, l->size, l->receipt, l->cells, l->loan);
}

/* Looks at the next few cells only, because looking takes their lines from the receivers'
 * caches. */
static int loan_later(liaison_mailbox *m, struct loaning *l)
{
    struct segment *s = m->segment;
    int r = attempt_loan(l);
    while (r == LIAISON_FULL && spin_pays(&m->spin) && linger(&m->lingers[SENDERS], s->space)) {
        linger_ended(&m->lingers[SENDERS], cell_count_free_roughly(s, &m->cursor));
        r = attempt_loan(l);
    }
    return r;
}

int liaison_mailbox_loan(liaison_mailbox *m, size_t size, bool receipt,
                         const struct liaison_wait *wait, struct liaison_loan *loan)
{
    struct segment *s = m->segment;
    struct loaning l = {m, size, receipt, CELLS_AT_HAND, loan};
    int r = linger_fits(wait) ? loan_later(m, &l) : LIAISON_FULL;
    struct waiting w = {.segment = s,
                        .role = SENDERS,
                        .wait = wait,
                        .around = &links_around,
                        .spin = &m->spin,
                        .closed = &m->closed,
                        .announced = true, /* it spins below, looking at fewer cells */
                        .pending = LIAISON_FULL,
                        .attempt = attempt_loan,
                        .context = &l};
    if (r == LIAISON_FULL && wait->timeout)
        r = wait_spin(&w, slice_end(wait, process_now()));
    l.cells = UINT32_MAX;
    if (r == LIAISON_FULL)
        r = attempt_loan(&l);
    if (r == LIAISON_FULL && around_recover(s, wait->timeout != 0))
        r = attempt_loan(&l);
    if (r == LIAISON_FULL && wait->timeout == 0 && is_pipe(s)) {
        sides_look(s, true); /* likewise the last reader */
        r = attempt_loan(&l);
    }
    if (r != LIAISON_FULL || wait->timeout == 0)
        return r;
    r = wait_until(&w);
    /* There may be room for the next sender too. */
    if (r == LIAISON_OK && wait_any(s, SENDERS))
        wait_wake(s, SENDERS);
    return r;
}

/* Long enough for a receiver that was seen waiting to take a message that was offered without
 * waiting. If it is stopped, it does not take it. */
#define PRESENT_RECEIVER (50 * INT64_C(1000000))

int liaison_mailbox_withdraw(liaison_mailbox *m, const struct liaison_receipt *receipt)
{
    struct segment *s = m->segment;
    if (!s->geometry.rendezvous || receipt->cell >= segment_cells(s) ||
        receipt->epoch != process_epoch() || receipt->epoch != observe(&s->epoch))
        return LIAISON_INVALID;
    struct cell *c = segment_cell(s, receipt->cell);
    if (!ring_withdraw(s, receipt->position, receipt->cell))
        return LIAISON_LEASE_LOST; /* taken at the last moment */
    uint64_t h = observe(&c->header);
    if (cell_state(h) == CELL_LEASED && cell_owner(h) == segment_owner(s) &&
        cell_generation(h) == receipt->cell_generation) {
        struct wakeup before = wait_before(s, SENDERS);
        cell_free(s, receipt->cell, h);
        wait_after(s, SENDERS, before);
    }
    return s->broken ? LIAISON_CORRUPT : LIAISON_OK;
}

/* The message lies in the ring; takes it back if no receiver takes it in time. */
static int meet(liaison_mailbox *m, const struct liaison_wait *wait,
                const struct liaison_receipt *receipt)
{
    struct liaison_wait present = *wait;
    if (wait->timeout == 0)
        present.timeout = PRESENT_RECEIVER;
    int r = receipt_await(m->segment, &links_around, receipt, LIAISON_RECEIVED, &present, &m->spin,
                          &m->closed);
    if (r == LIAISON_OK)
        return r;
    if (liaison_mailbox_withdraw(m, receipt) == LIAISON_LEASE_LOST)
        return r == LIAISON_EMPTY ? LIAISON_OK : r;
    return r == LIAISON_EMPTY ? LIAISON_NO_RECEIVER : r;
}

struct pushing {
    struct segment *segment;
    uint32_t cell;
    uint64_t position;
};
static int attempt_push(void *context)
{
    struct pushing *p = context;
    int r = segment_look(p->segment);
    return r == LIAISON_OK ? ring_push(p->segment, p->cell, &p->position) : r;
}

/* Whether the loan can still be sent. One that cannot, because the link is gone, is discarded. */
static int still_loaned(liaison_mailbox *m, struct liaison_loan *loan)
{
    struct segment *s = m->segment;
    if (loan->epoch != process_epoch())
        return LIAISON_LEASE_LOST; /* our parent's */
    uint64_t h = observe(&segment_cell(s, loan->cell)->header);
    if (s->broken)
        return LIAISON_CORRUPT;
    if (h != loan->header)
        return LIAISON_LEASE_LOST;
    if (segment_state(s) == LINK_LIVE)
        return LIAISON_OK;
    liaison_mailbox_discard(m, loan);
    return LIAISON_DESTROYED;
}

/* Puts the loan in the ring. LIAISON_FULL, or another: it is not there. */
static int push(liaison_mailbox *m, struct liaison_loan *loan, uint32_t format,
                const struct liaison_wait *wait, struct liaison_receipt *own)
{
    struct segment *s = m->segment;
    struct cell *c = segment_cell(s, loan->cell);
    *own = (struct liaison_receipt){.index = loan->receipt,
                                    .generation = loan->receipt_generation,
                                    .cell = loan->cell,
                                    .cell_generation = cell_generation(loan->header),
                                    .epoch = loan->epoch};
    note(&c->sender, glance(&s->identity));
    note32(&c->sender_pid, glance32(&s->pid));
    note32(&c->format, format);
    note32(&c->receipt, own->index);
    note32(&c->receipt_generation, own->generation);
    publish(&c->header, cell_word(cell_generation(loan->header), 0, segment_owner(s), CELL_QUEUED));
    struct wakeup before = wait_before(s, RECEIVERS);
    struct pushing push = {s, loan->cell, 0};
    int r = ring_push(s, loan->cell, &push.position);
    if (r == LIAISON_FULL && wait->timeout != 0)
        r = wait_until(&(struct waiting){.segment = s,
                                         .role = SENDERS,
                                         .wait = wait,
                                         .around = &links_around,
                                         .spin = &m->spin,
                                         .closed = &m->closed,
                                         .pending = LIAISON_FULL,
                                         .attempt = attempt_push,
                                         .context = &push});
    wait_after(s, RECEIVERS, before);
    own->position = push.position;
    return r;
}

int liaison_mailbox_send_loan(liaison_mailbox *m, struct liaison_loan *loan, uint32_t format,
                              const struct liaison_wait *wait, struct liaison_receipt *receipt)
{
    struct segment *s = m->segment;
    int r = still_loaned(m, loan);
    if (r != LIAISON_OK)
        return r;
    bool rendezvous = s->geometry.rendezvous;
    if (rendezvous && wait->timeout == 0 && wait_count(s, RECEIVERS) == 0) {
        liaison_mailbox_discard(m, loan);
        return LIAISON_NO_RECEIVER;
    }
    struct liaison_receipt own;
    r = push(m, loan, format, wait, &own);
    if (r == LIAISON_OK && rendezvous) {
        r = meet(m, wait, &own);
    } else if (r != LIAISON_OK) {
        uint64_t h = observe(&segment_cell(s, loan->cell)->header);
        if (cell_state(h) == CELL_QUEUED && cell_generation(h) == cell_generation(loan->header))
            cell_free(s, loan->cell, h);
        if (r == LIAISON_FULL)
            r = LIAISON_NO_RECEIVER;
    }
    if (receipt && r == LIAISON_OK)
        *receipt = own;
    else if (own.index)
        receipt_free(s, own.index, own.generation);
    return s->broken ? LIAISON_CORRUPT : r;
}

int liaison_mailbox_offer(liaison_mailbox *m, struct liaison_loan *loan, uint32_t format,
                          struct liaison_receipt *receipt)
{
    struct segment *s = m->segment;
    static const struct liaison_wait not_at_all = {0};
    if (!s->geometry.rendezvous)
        return LIAISON_INVALID;
    int r = still_loaned(m, loan);
    if (r != LIAISON_OK)
        return r;
    r = push(m, loan, format, &not_at_all, receipt);
    if (r == LIAISON_OK)
        return s->broken ? LIAISON_CORRUPT : r;
    /* It was never in the ring: nobody but us has touched the cell, and it is a loan again. */
    uint64_t queued = cell_word(cell_generation(loan->header), 0, segment_owner(s), CELL_QUEUED);
    replace(&segment_cell(s, loan->cell)->header, queued, loan->header);
    return s->broken ? LIAISON_CORRUPT : r;
}

void liaison_mailbox_discard(liaison_mailbox *m, struct liaison_loan *loan)
{
    struct segment *s = m->segment;
    if (loan->epoch != process_epoch())
        return;
    struct wakeup before = wait_before(s, SENDERS);
    if (cell_free(s, loan->cell, loan->header)) {
        wait_after(s, SENDERS, before);
        if (loan->receipt)
            receipt_free(s, loan->receipt, loan->receipt_generation);
    }
}
