/* receiving.c — a message from the ring to a receiver, and what becomes of it. */
#include "base/process.h"
#include "links/around.h"
#include "links/available.h"
#include "links/fileno.h"
#include "links/pipe.h"
#include "links/port.h"
#include "links/turn.h"
#include "parts/cell.h"
#include "parts/receipt.h"
#include "parts/ring.h"
#include "segment/recover.h"
#include "waiting/wait.h"

static bool exclusive(const struct segment *s) { return s->geometry.access == LIAISON_EXCLUSIVE; }

static int take_from_cells(struct segment *s, uint64_t epoch, struct liaison_delivery *d)
{
    int r;
    segment_tell_role(s, ROLE_RECEIVES);
    recover_in_passing(s);
    uint32_t x;
    uint64_t h;
    r = cell_take_returned(s, &x, &h);
    if (r == LIAISON_EMPTY)
        r = ring_take(s, &x, &h);
    if (r != LIAISON_OK)
        return s->broken ? LIAISON_CORRUPT : r;
    struct cell *c = segment_cell(s, x);
    const uint8_t *data;
    uint64_t size;
    r = cell_payload(s, x, &data, &size);
    if (r != LIAISON_OK || s->broken) {
        cell_free(s, x, h);
        return LIAISON_CORRUPT;
    }
    d->data = data;
    d->size = size;
    d->format = glance32(&c->format);
    d->attempt = cell_deliveries(h);
    d->cell = x;
    d->sender_pid = (int32_t)glance32(&c->sender_pid);
    d->sender = glance(&c->sender);
    d->header = h;
    d->epoch = epoch;
    d->position = glance(&c->position);
    if (__builtin_expect(glance32(&c->receipt) != 0, 0)) {
        receipt_note(s, x, LIAISON_RECEIVED);
        receipt_wake_index(s, glance32(&c->receipt));
        wait_ring(s, SENDERS); /* a sender that waits with a descriptor */
    }
    return LIAISON_OK;
}

static int take(liaison_mailbox *m, struct liaison_delivery *d)
{
    struct segment *s = m->segment;
    uint64_t epoch = process_epoch();
    int r = mailbox_may_take(m, epoch);
    if (r != LIAISON_OK)
        return r;
    r = take_from_cells(s, epoch, d);
    if (__builtin_expect(r != LIAISON_EMPTY || !s->kind->sides, 1))
        return r;
    if (!mailbox_nothing_more_comes(s))
        return LIAISON_EMPTY;
    r = take_from_cells(s, epoch, d); /* one that was accepted since the first look */
    return r == LIAISON_EMPTY && !mailbox_may_come_back(s) ? LIAISON_DESTROYED : r;
}

static int attempt_take(void *context)
{
    void **both = context;
    return take(both[0], both[1]);
}
static int attempt_turn(void *context) { return turn_enter(context); }

/* The end of every try that finds nothing: each way of waiting tries now and then.
 */
static int nothing_to_be_had(liaison_mailbox *m, int r)
{
    if (segment_vanished(m->segment))
        return LIAISON_DESTROYED;
    readiness_rearm(m);
    return r;
}

int liaison_mailbox_try_take(liaison_mailbox *m, struct liaison_delivery *d)
{
    struct segment *s = m->segment;
    int r;
    if (__builtin_expect(exclusive(s), 0)) {
        r = segment_check(s, process_epoch());
        if (r == LIAISON_OK)
            r = turn_enter(s);
        if (r != LIAISON_OK)
            return r == LIAISON_BUSY ? nothing_to_be_had(m, r) : r;
    }
    r = take(m, d);
    if (__builtin_expect(r != LIAISON_OK, 0)) {
        if (exclusive(s))
            turn_leave(s);
        if (r == LIAISON_EMPTY)
            r = nothing_to_be_had(m, r);
    }
    return r;
}

/* Nothing was there: lingers, and tries again. */
static int take_later(liaison_mailbox *m, struct liaison_delivery *d)
{
    struct segment *s = m->segment;
    int r = LIAISON_EMPTY;
    while (r == LIAISON_EMPTY && spin_pays(&m->spin) && linger(&m->lingers[RECEIVERS], s->space)) {
        linger_ended(&m->lingers[RECEIVERS], ring_count_roughly(s));
        r = take(m, d);
    }
    return r;
}

int liaison_mailbox_poll(liaison_mailbox *m, int64_t nanoseconds, struct liaison_delivery *d)
{
    const struct segment *s = m->segment;
    /* An exclusive turn is not taken and given back again and again. */
    if (!spin_pays(&m->spin) || exclusive(s) || nanoseconds <= 0)
        return liaison_mailbox_try_take(m, d);
    int r = take(m, d);
    if (r != LIAISON_EMPTY)
        return r;
    if ((r = take_later(m, d)) != LIAISON_EMPTY)
        return r;
    int64_t until = process_ticks() + nanoseconds;
    do {
        for (int i = 0; i < 8; i++) {
            pause_briefly();
            if ((r = take(m, d)) != LIAISON_EMPTY)
                return r;
        }
    } while (process_ticks() < until);
    return nothing_to_be_had(m, r); /* not before: a ring of a sender meanwhile would be lost */
}

/* A receiver that waits at a rendezvous for no longer than this enters the table at once, without
 * spinning before: otherwise a sender that only offers to a waiting receiver might never see it. */
#define BRIEF INT64_C(1000000)

int liaison_mailbox_take(liaison_mailbox *m, const struct liaison_wait *wait,
                         struct liaison_delivery *d)
{
    struct segment *s = m->segment;
    int r = liaison_mailbox_try_take(m, d);
    if ((r == LIAISON_EMPTY || r == LIAISON_BUSY) && around_recover(s, wait->timeout != 0))
        r = liaison_mailbox_try_take(m, d);
    if (r == LIAISON_EMPTY && linger_fits(wait) && !exclusive(s))
        r = take_later(m, d);
    if (r == LIAISON_EMPTY && wait->timeout == 0 && is_pipe(s)) {
        sides_look(s, true); /* the last writer may have died since the clock's last tick */
        r = liaison_mailbox_try_take(m, d);
    }
    if ((r != LIAISON_EMPTY && r != LIAISON_BUSY) || wait->timeout == 0)
        return r;
    struct liaison_wait left = *wait;
    void *both[] = {m, d};
    struct waiting w = {.segment = s,
                        .role = RECEIVERS,
                        .wait = &left,
                        .around = &links_around,
                        .spin = &m->spin,
                        .closed = &m->closed,
                        .announced =
                            s->geometry.rendezvous && wait->timeout > 0 && wait->timeout < BRIEF};
    if (exclusive(s)) {
        int64_t began = process_now();
        w.pending = LIAISON_BUSY;
        w.attempt = attempt_turn;
        w.context = s;
        r = wait_until(&w);
        if (r != LIAISON_OK)
            return r;
        if (left.timeout > 0) {
            left.timeout -= process_now() - began;
            left.timeout = left.timeout < 0 ? 0 : left.timeout;
        }
    }
    w.pending = LIAISON_EMPTY;
    w.attempt = attempt_take;
    w.context = both;
    r = wait_until(&w);
    if (r != LIAISON_OK && exclusive(s) && observe(&s->epoch) == process_epoch())
        turn_leave(s);
    if (r == LIAISON_EMPTY)
        readiness_rearm(m);
    /* More than one message may have come, or been returned, while only one sleeper was called. */
    if (r == LIAISON_OK && wait_any(s, RECEIVERS) && (ring_count(s) || cell_count_returned(s)))
        wait_wake(s, RECEIVERS);
    return r;
}

void liaison_mailbox_hold(liaison_mailbox *m)
{
    struct segment *s = m->segment;
    add32(&s->attachments[glance32(&s->slot)].held, 1);
    wait_watch(s);
}

void liaison_mailbox_unhold(liaison_mailbox *m, uint64_t epoch)
{
    struct segment *s = m->segment;
    if (epoch == process_epoch() && observe(&s->epoch) == epoch)
        add32(&s->attachments[glance32(&s->slot)].held, (uint32_t)-1);
}

/* The check before settling: whether the message is still this holder's. */
static int still_leased(struct segment *s, const struct liaison_delivery *d)
{
    uint64_t h = observe(&segment_cell(s, d->cell)->header);
    if (s->broken) /* what was just read may be the guard's zeros */
        return LIAISON_CORRUPT;
    return d->epoch == process_epoch() && h == d->header ? LIAISON_OK : LIAISON_LEASE_LOST;
}

static int settle(liaison_mailbox *m, const struct liaison_delivery *d, int outcome)
{
    struct segment *s = m->segment;
    int r = still_leased(s, d);
    if (r != LIAISON_OK)
        return r;
    uint32_t receipt = glance32(&segment_cell(s, d->cell)->receipt);
    if (__builtin_expect(receipt != 0, 0))
        receipt_note(s, d->cell, outcome);
    struct wakeup before = wait_before(s, SENDERS);
    if (!cell_free(s, d->cell, d->header))
        return s->broken ? LIAISON_CORRUPT : LIAISON_LEASE_LOST;
    wait_after(s, SENDERS, before);
    if (__builtin_expect(receipt != 0, 0))
        receipt_wake_index(s, receipt);
    if (exclusive(s))
        turn_leave(s);
    uint32_t state = segment_state(s);
    bool drains = state == LINK_ORPHANED && m->drains;
    return state == LINK_LIVE || state == LINK_ENDED || drains ? LIAISON_OK : LIAISON_DESTROYED;
}

int liaison_mailbox_acknowledge(liaison_mailbox *m, const struct liaison_delivery *d)
{
    return settle(m, d, LIAISON_ACKNOWLEDGED);
}

int liaison_mailbox_dead_letter(liaison_mailbox *m, const struct liaison_delivery *d)
{
    return settle(m, d, LIAISON_DEAD_LETTERED);
}

int liaison_mailbox_release(liaison_mailbox *m, const struct liaison_delivery *d)
{
    struct segment *s = m->segment;
    int r = still_leased(s, d);
    if (r != LIAISON_OK)
        return r;
    struct wakeup before = wait_before(s, RECEIVERS);
    if (!cell_return(s, d->cell, d->header))
        return s->broken ? LIAISON_CORRUPT : LIAISON_LEASE_LOST;
    wait_after(s, RECEIVERS, before);
    if (exclusive(s))
        turn_leave(s);
    return LIAISON_OK;
}

int liaison_port_undelivered(liaison_mailbox *m, struct liaison_delivery *d)
{
    struct segment *s = m->segment;
    uint64_t epoch = process_epoch();
    if (!m->drains || observe(&s->epoch) != epoch)
        return LIAISON_INVALID;
    for (uint32_t tries = 0; tries < 2 * s->geometry.cells + 2; tries++) {
        if (s->broken)
            return LIAISON_CORRUPT;
        if (segment_state(s) != LINK_ORPHANED)
            return LIAISON_DESTROYED;
        if (tries == 0)
            recover_dead(s); /* what the receiver held is undelivered, too */
        int r = take_from_cells(s, epoch, d);
        if (r != LIAISON_EMPTY)
            return r;
        r = port_drained(s);
        if (r != LIAISON_FULL)
            return r == LIAISON_OK ? LIAISON_EMPTY : r;
    }
    return LIAISON_CORRUPT; /* there was always something left, and never anything to take */
}

int liaison_mailbox_ready(liaison_mailbox *m)
{
    struct segment *s = m->segment;
    int r = mailbox_may_take(m, process_epoch());
    if (r != LIAISON_OK)
        return r;
    if (mailbox_has_message(m) || (recover_before_failing(s) && mailbox_has_message(m)))
        return LIAISON_OK;
    if (is_pipe(s))
        sides_look(s, true); /* the descriptor may have shown it before the clock's next tick */
    if (s->kind->sides && mailbox_nothing_more_comes(s) && !mailbox_may_come_back(s))
        return mailbox_has_message(m) ? LIAISON_OK : LIAISON_DESTROYED;
    r = nothing_to_be_had(m, LIAISON_EMPTY);
    return s->broken ? LIAISON_CORRUPT : r;
}
