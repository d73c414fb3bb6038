/* mailbox.c — what users of the engine call: the parts put together, nothing of its own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "cell.h"
#include "doorbell.h"
#include "endpoint.h"
#include "handle.h"
#include "member.h"
#include "naming.h"
#include "pipe.h"
#include "port.h"
#include "process.h"
#include "receipt.h"
#include "recover.h"
#include "ring.h"
#include "turn.h"
#include "wait.h"

/* ---- opening and closing ---------------------------------------------------------- */

liaison_mailbox *handle_create(struct segment *s)
{
    liaison_mailbox *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->segment = s;
    note32(&m->holds, 1);
    m->bells[RECEIVERS].door = m->bells[SENDERS].door = (struct doorbell){0, -1, -1, -1};
    spin_begin(&m->spin);
    /* Senders that begin in different places get in each other's way less. */
    note32(&m->cursor, glance32(&s->slot) * 37 % s->geometry.cells);
    return m;
}

/* What stands where a port was to be created. */
static int taken_by(struct segment *other)
{
    if (!segment_is_port(other))
        return LIAISON_MISMATCH;
    return observe32(&other->header->state) == LINK_ORPHANED ? LIAISON_ORPHANED : LIAISON_BUSY;
}

static int begin_burying(struct segment *s)
{
    if (!segment_is_port(s) || observe32(&s->header->state) != LINK_ORPHANED)
        return LIAISON_NOT_FOUND;
    int r = segment_attach(s);
    return r == LIAISON_OK ? port_bury_begin(s) : r;
}

int liaison_mailbox_open(liaison_space *space, const char *name, enum liaison_open how,
                         const struct liaison_policy *policy, liaison_mailbox **out)
{
    static const struct liaison_policy defaults = {.capacity = -1};
    struct segment *s = NULL;
    int r = LIAISON_NOT_FOUND;
    bool fresh = false;
    /* Creating and destroying processes can make either half fail in turn; each failure
     * means that one of them got on. */
    for (int tries = 0; tries < 1000; tries++) {
        if (how & (LIAISON_OPEN | LIAISON_OBSERVE | LIAISON_BURY)) {
            r = segment_open(space, name, policy, how & LIAISON_OPEN, &s);
            if (r != LIAISON_NOT_FOUND || !(how & LIAISON_CREATE))
                break;
        }
        r = segment_create(space, name, policy ? policy : &defaults, &s);
        fresh = r == LIAISON_OK;
        if (r != LIAISON_NAME_TAKEN)
            break;
        if (!(how & LIAISON_OPEN)) {
            /* Taken by a link that is destroyed and only not yet unlinked? Opening it
             * finds out, and removes it. */
            struct segment *other = NULL;
            int o = segment_open(space, name, NULL, false, &other);
            if (o == LIAISON_OK) {
                if (policy && policy->kind == LIAISON_KIND_PORT)
                    r = taken_by(other);
                segment_close(other);
            }
            if (o != LIAISON_NOT_FOUND)
                break;
        }
    }
    if (r == LIAISON_OK && how == LIAISON_BURY) {
        r = begin_burying(s);
        if (r != LIAISON_OK)
            segment_close(s);
    }
    if (r != LIAISON_OK)
        return r;
    liaison_mailbox *m = handle_create(s);
    if (!m) {
        if (how == LIAISON_BURY)
            port_bury_end(s);
        segment_close(s);
        return -ENOMEM;
    }
    m->buries = how == LIAISON_BURY;
    m->receives = segment_is_port(s) && fresh;
    m->sends = segment_is_port(s) && !fresh && (how & LIAISON_OPEN);
    /* What a port's ends are for is known before they are used. */
    if (m->receives)
        segment_tell_role(s, ROLE_RECEIVES);
    if (m->sends) {
        segment_tell_role(s, ROLE_SENDS);
        add32(&s->senders, 1);
        port_sender_came(s);
    }
    *out = m;
    return LIAISON_OK;
}

void liaison_mailbox_interrupt(liaison_mailbox *m)
{
    announce32(&m->closed, 1);
    wait_wake_own(m->segment);
}

static void bell_close(liaison_mailbox *m, enum waiter_role role)
{
    struct bell *b = &m->bells[role];
    if (b->door.fd < 0)
        return;
    if (observe(&b->epoch) == process_epoch() && !m->segment->broken) {
        wait_leave(m->segment, role, b->entry);
        doorbell_remove(m->segment->space, b->door.number);
    }
    doorbell_close(&b->door);
}

void mailbox_let_go(liaison_mailbox *m)
{
    struct segment *s = m->segment;
    if (add32(&m->holds, (uint32_t)-1) != 1)
        return;
    liaison_port_end(m);
    if (m->buries)
        port_bury_end(s);
    if (segment_is_port(s) && m->sends && add32(&s->senders, (uint32_t)-1) == 1)
        port_look(s, true); /* perhaps it was the last */
    bell_close(m, RECEIVERS);
    bell_close(m, SENDERS);
    segment_close(s);
    free(m);
}

void liaison_mailbox_close(liaison_mailbox *m)
{
    if (!m)
        return;
    if (look32(&m->holds) > 1) { /* a set looks at it, and is told to let it go */
        liaison_mailbox_interrupt(m);
        liaison_port_end(m);
    }
    mailbox_let_go(m);
}

int liaison_mailbox_destroy(liaison_mailbox *m, bool force)
{
    struct segment *s = m->segment;
    uint64_t me = 0;
    int r = segment_look(s);
    if (r != LIAISON_OK && r != LIAISON_CORRUPT)
        return r;
    r = member_identity(s->space, &me);
    if (r != LIAISON_OK)
        return r;
    if (!force && s->geometry.creator != me && member_alive(s->space, s->geometry.creator))
        return LIAISON_NOT_OWNER;
    if (segment_is_port(s) && !s->broken) {
        /* With dead letters it is destroyed by who has buried what is in it; or, when that
         * cannot be done, by force and the second time. */
        bool orphan = observe32(&s->header->state) == LINK_ORPHANED;
        if (orphan && force)
            exchange32(&s->header->state, LINK_ORPHANED, LINK_DESTROYED);
        else
            port_bereave(s);
        if (observe32(&s->header->state) == LINK_ORPHANED)
            return LIAISON_OK;
    } else if (!s->broken && !exchange32(&s->header->state, LINK_LIVE, LINK_DESTROYED) &&
               !(segment_is_pipe(s) &&
                 (exchange32(&s->header->state, LINK_ENDED, LINK_DESTROYED) ||
                  exchange32(&s->header->state, LINK_ORPHANED, LINK_DESTROYED)))) {
        return LIAISON_DESTROYED;
    }
    if (s->geometry.kind != LIAISON_KIND_PIPE) {
        char id[40];
        segment_id(&s->geometry, id);
        segment_unlink(s->space, s->device, s->inode, id);
    }
    if (!s->broken)
        wait_wake_all(s);
    return LIAISON_OK;
}

/* ---- sending ------------------------------------------------------------------------ */

int liaison_mailbox_try_loan(liaison_mailbox *m, size_t size, bool receipt,
                             struct liaison_loan *loan)
{
    struct segment *s = m->segment;
    uint64_t epoch = process_epoch();
    if (__builtin_expect(segment_has_sides(s), 0)) {
        if (segment_is_pipe(s) && !pipe_admits(m, SENDERS))
            return LIAISON_DENIED;
        port_look(s, false);
    }
    int r = segment_check(s, epoch);
    if (r != LIAISON_OK)
        return r;
    if (__builtin_expect(segment_vanished(s), 0))
        return LIAISON_DESTROYED; /* nobody who comes now would find what is sent */
    bool large = size > s->inline_max;
    if (large && size > arena_largest(s))
        return LIAISON_TOO_LARGE;
    segment_tell_role(s, ROLE_SENDS);
    uint32_t x;
    uint64_t header;
    loan->receipt = loan->receipt_generation = 0;
    /* The receipt last. One that is given back for want of room calls a sender, and who is the
     * oldest that waits is called by its own attempt: it would never sleep, nor be interrupted. */
    bool follows = __builtin_expect(receipt || s->geometry.rendezvous, 0);
    if (follows && !receipt_vacant(s))
        return LIAISON_FULL;
    if (!cell_claim(s, &m->cursor, &x, &header))
        return LIAISON_FULL;
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
        liaison_mailbox_discard(m, loan); /* somebody took the last place meanwhile */
        return LIAISON_FULL;
    }
    return s->broken ? LIAISON_CORRUPT : LIAISON_OK;
}

struct loaning {
    liaison_mailbox *mailbox;
    size_t size;
    bool receipt;
    struct liaison_loan *loan;
};
static int attempt_loan(void *context)
{
    struct loaning *l = context;
    return liaison_mailbox_try_loan(l->mailbox, l->size, l->receipt, l->loan);
}

int liaison_mailbox_loan(liaison_mailbox *m, size_t size, bool receipt,
                         const struct liaison_wait *wait, struct liaison_loan *loan)
{
    struct segment *s = m->segment;
    int r = liaison_mailbox_try_loan(m, size, receipt, loan);
    if (r == LIAISON_FULL && recover_now_and_then(s, true))
        r = liaison_mailbox_try_loan(m, size, receipt, loan);
    if (r == LIAISON_FULL && wait->timeout == 0 && segment_is_pipe(s)) {
        port_look(s, true); /* likewise the last reader */
        r = liaison_mailbox_try_loan(m, size, receipt, loan);
    }
    if (r != LIAISON_FULL || wait->timeout == 0)
        return r;
    struct loaning l = {m, size, receipt, loan};
    r = wait_until(&(struct waiting){.segment = s,
                                     .role = SENDERS,
                                     .wait = wait,
                                     .spin = &m->spin,
                                     .closed = &m->closed,
                                     .pending = LIAISON_FULL,
                                     .attempt = attempt_loan,
                                     .context = &l});
    /* Perhaps there is room for the next one too. */
    if (r == LIAISON_OK && wait_any(s, SENDERS))
        wait_wake(s, SENDERS);
    return r;
}

/* Long enough for a receiver that was seen waiting to come and take a message that was
 * offered without waiting. It may be stopped: then it has not come. */
#define PRESENT_RECEIVER (50 * INT64_C(1000000))

int liaison_mailbox_withdraw(liaison_mailbox *m, const struct liaison_receipt *receipt)
{
    struct segment *s = m->segment;
    if (!s->geometry.rendezvous || receipt->cell >= s->geometry.cells ||
        receipt->epoch != process_epoch() || receipt->epoch != observe(&s->epoch))
        return LIAISON_INVALID;
    struct cell *c = segment_cell(s, receipt->cell);
    if (!ring_withdraw(s, receipt->position, receipt->cell))
        return LIAISON_LEASE_LOST; /* taken in the last moment */
    uint64_t h = observe(&c->header);
    if (cell_state(h) == CELL_LEASED && cell_owner(h) == segment_owner(s) &&
        cell_generation(h) == receipt->cell_generation) {
        struct wakeup before = wait_before(s, SENDERS);
        cell_free(s, receipt->cell, h);
        wait_after(s, SENDERS, before);
    }
    return s->broken ? LIAISON_CORRUPT : LIAISON_OK;
}

/* The message lies in the ring; nobody may have it if nobody comes for it in time. */
static int meet(liaison_mailbox *m, const struct liaison_wait *wait,
                const struct liaison_receipt *receipt)
{
    struct liaison_wait present = *wait;
    if (wait->timeout == 0)
        present.timeout = PRESENT_RECEIVER;
    int r = receipt_await(m->segment, receipt, LIAISON_RECEIVED, &present, &m->spin, &m->closed);
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
    if (observe32(&s->header->state) == LINK_LIVE)
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
    exchange(&segment_cell(s, loan->cell)->header, queued, loan->header);
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

/* ---- receiving ---------------------------------------------------------------------- */

#define BELL_FIRST (2 * INT64_C(1000000)) /* ns */
#define BELL_WATCH (3 * INT64_C(1000000))
#define BELL_LAST (3000 * INT64_C(1000000))

static bool exclusive(const struct segment *s) { return s->geometry.access == LIAISON_EXCLUSIVE; }

/* Whether a receive would not have to wait: it would find a message, or be refused. */
static bool receivable(liaison_mailbox *m)
{
    struct segment *s = m->segment;
    uint32_t waiting = 0;
    if (liaison_mailbox_waiting(m, &waiting) != LIAISON_OK)
        return true;
    return waiting && (!exclusive(s) || turn_free(s));
}

/* Whether a receive that finds nothing would say that nothing will come. */
static bool over(struct segment *s)
{
    uint32_t state = observe32(&s->header->state);
    return state != LINK_LIVE && !(state == LINK_ENDED && segment_is_pipe(s) && pipe_pending(s));
}

/* Nothing found: silence the doorbell and arm it anew. Whoever does so looks again afterwards. */
static void bell_arm(liaison_mailbox *m, enum waiter_role role)
{
    struct segment *s = m->segment;
    struct bell *b = &m->bells[role];
    struct waiter *e = &s->waiters[role][b->entry];
    uint32_t signal = look32(&e->signal);
    /* Armed already, and nothing has called since: its reminder is as good as another. */
    if ((signal & SIGNAL_MASK) == SIGNAL_WAITING && glance(&b->slice) != 0 &&
        doorbell_quiet(&b->door))
        return;
    doorbell_silence(&b->door);
    /* Slices as in wait.c: each time that nothing was found, twice as long. The first few find
     * what somebody left who died before it rang; so none rings before it sends, while the tick in
     * the word says that they have just begun. */
    int64_t slice = (int64_t)glance(&b->slice) * 2;
    uint32_t tick = signal / SIGNAL_TICK;
    if ((signal & SIGNAL_MASK) == SIGNAL_WOKEN || slice == 0) {
        slice = BELL_FIRST;
        tick = process_tick();
    } else if (slice > BELL_LAST) {
        slice = BELL_LAST;
    }
    note(&b->slice, (uint64_t)slice);
    bool watch = recover_others_hold(s) || port_watched(s);
    doorbell_remind(&b->door, watch && slice > BELL_WATCH ? BELL_WATCH : slice);
    /* Announce, then look. Another version: a waker that is slow cannot disarm this one. */
    announce32(&e->signal, signal_armed(signal, tick));
}

static void bell_rearm(liaison_mailbox *m)
{
    struct segment *s = m->segment;
    if (observe(&m->bells[RECEIVERS].epoch) != process_epoch())
        return;
    bell_arm(m, RECEIVERS);
    if (receivable(m) || over(s))
        doorbell_ring(s->space, m->bells[RECEIVERS].door.number);
}

/* What taking begins with. A port's one receiver may take what is left when its senders have
 * ended. */
static int may_take(const liaison_mailbox *m, uint64_t epoch)
{
    struct segment *s = m->segment;
    if (segment_is_pipe(s) && !pipe_admits(m, RECEIVERS))
        return LIAISON_DENIED;
    int r = segment_check(s, epoch);
    if (__builtin_expect(!segment_has_sides(s), 1) || (r != LIAISON_OK && r != LIAISON_DESTROYED))
        return r;
    if (segment_is_port(s) && (!m->receives || !port_is_receiver(s)))
        return LIAISON_DENIED;
    return observe32(&s->header->state) == LINK_ENDED ? LIAISON_OK : r;
}

/* Whether the senders have ended, and what lies in the ring is all there will be. */
static bool nothing_more_comes(struct segment *s)
{
    port_look(s, false);
    return observe32(&s->header->state) == LINK_ENDED && ring_close(s);
}

/* Of a pipe: whether a message that somebody else took may yet be for us. */
static bool may_come_back(struct segment *s) { return segment_is_pipe(s) && pipe_pending(s); }

int mailbox_receivable(liaison_mailbox *m)
{
    if (observe32(&m->closed))
        return LIAISON_CLOSED;
    int r = may_take(m, process_epoch());
    if (r != LIAISON_OK || receivable(m))
        return r;
    struct segment *s = m->segment;
    if (segment_has_sides(s) && nothing_more_comes(s) && !may_come_back(s))
        return receivable(m) ? LIAISON_OK : LIAISON_DESTROYED;
    return LIAISON_EMPTY;
}

static int take_from_cells(struct segment *s, uint64_t epoch, struct liaison_delivery *d)
{
    int r;
    segment_tell_role(s, ROLE_RECEIVES);
    recover_now_and_then(s, false);
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
        wait_ring(s, SENDERS); /* who waits for it with a descriptor */
    }
    return LIAISON_OK;
}

static int take(liaison_mailbox *m, struct liaison_delivery *d)
{
    struct segment *s = m->segment;
    uint64_t epoch = process_epoch();
    int r = may_take(m, epoch);
    if (r != LIAISON_OK)
        return r;
    r = take_from_cells(s, epoch, d);
    if (__builtin_expect(r != LIAISON_EMPTY || !segment_has_sides(s), 1))
        return r;
    if (!nothing_more_comes(s))
        return LIAISON_EMPTY;
    r = take_from_cells(s, epoch, d); /* one that was accepted since we looked */
    return r == LIAISON_EMPTY && !may_come_back(s) ? LIAISON_DESTROYED : r;
}

static int attempt_take(void *context)
{
    void **both = context;
    return take(both[0], both[1]);
}
static int attempt_turn(void *context) { return turn_enter(context); }

int liaison_mailbox_try_take(liaison_mailbox *m, struct liaison_delivery *d)
{
    struct segment *s = m->segment;
    int r;
    if (__builtin_expect(exclusive(s), 0)) {
        r = segment_check(s, process_epoch());
        if (r == LIAISON_OK)
            r = turn_enter(s);
        if (r == LIAISON_BUSY)
            bell_rearm(m);
        if (r != LIAISON_OK)
            return r;
    }
    r = take(m, d);
    if (__builtin_expect(r != LIAISON_OK, 0)) {
        if (exclusive(s))
            turn_leave(s);
        if (r == LIAISON_EMPTY)
            bell_rearm(m);
    }
    return r;
}

int liaison_mailbox_poll(liaison_mailbox *m, int64_t nanoseconds, struct liaison_delivery *d)
{
    const struct segment *s = m->segment;
    /* No turn to and fro. */
    if (!spin_pays(&m->spin) || exclusive(s) || nanoseconds <= 0)
        return liaison_mailbox_try_take(m, d);
    int r = take(m, d);
    if (r != LIAISON_EMPTY)
        return r;
    int64_t until = process_ticks() + nanoseconds;
    do {
        for (int i = 0; i < 8; i++) {
            pause_briefly();
            if ((r = take(m, d)) != LIAISON_EMPTY)
                return r;
        }
    } while (process_ticks() < until);
    bell_rearm(m); /* not before: whoever sent meanwhile would have rung it for nothing */
    return r;
}

/* Who waits at a rendezvous for no longer is to be seen waiting from the first moment, and does
 * not spin before: or who only sends where somebody waits might never see it. */
#define BRIEF INT64_C(1000000)

int liaison_mailbox_take(liaison_mailbox *m, const struct liaison_wait *wait,
                         struct liaison_delivery *d)
{
    struct segment *s = m->segment;
    int r = liaison_mailbox_try_take(m, d);
    if ((r == LIAISON_EMPTY || r == LIAISON_BUSY) && recover_now_and_then(s, true))
        r = liaison_mailbox_try_take(m, d);
    if (r == LIAISON_EMPTY && wait->timeout == 0 && segment_is_pipe(s)) {
        port_look(s, true); /* the last writer may have died since the clock's last tick */
        r = liaison_mailbox_try_take(m, d);
    }
    if (r == LIAISON_EMPTY && segment_vanished(s))
        return LIAISON_DESTROYED;
    if ((r != LIAISON_EMPTY && r != LIAISON_BUSY) || wait->timeout == 0)
        return r;
    struct liaison_wait left = *wait;
    void *both[] = {m, d};
    struct waiting w = {.segment = s,
                        .role = RECEIVERS,
                        .wait = &left,
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
        bell_rearm(m);
    /* More than one message may have come, or come back, while a single sleeper was called. */
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

/* What both ways of settling begin with: is it still this holder's? */
static int still_leased(struct segment *s, const struct liaison_delivery *d)
{
    uint64_t h = observe(&segment_cell(s, d->cell)->header);
    if (s->broken) /* what was just read may be the zeros that the guard laid there */
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
    uint32_t state = observe32(&s->header->state);
    bool buried = state == LINK_ORPHANED && m->buries;
    return state == LINK_LIVE || state == LINK_ENDED || buried ? LIAISON_OK : LIAISON_DESTROYED;
}

int liaison_mailbox_acknowledge(liaison_mailbox *m, const struct liaison_delivery *d)
{
    return settle(m, d, LIAISON_ACKNOWLEDGED);
}

int liaison_mailbox_bury(liaison_mailbox *m, const struct liaison_delivery *d)
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

/* ---- ports -------------------------------------------------------------------------- */

void liaison_port_end(liaison_mailbox *m)
{
    endpoint_leave(m);
    if (segment_is_pipe(m->segment))
        pipe_end(m);
    else if (m->receives && !m->segment->broken && port_is_receiver(m->segment))
        port_bereave(m->segment);
}

int liaison_port_undelivered(liaison_mailbox *m, struct liaison_delivery *d)
{
    struct segment *s = m->segment;
    uint64_t epoch = process_epoch();
    if (!m->buries || observe(&s->epoch) != epoch)
        return LIAISON_INVALID;
    for (uint32_t tries = 0; tries < 2 * s->geometry.cells + 2; tries++) {
        if (s->broken)
            return LIAISON_CORRUPT;
        if (observe32(&s->header->state) != LINK_ORPHANED)
            return LIAISON_DESTROYED;
        recover_dead(s, tries == 0); /* what the receiver held is undelivered, too */
        int r = take_from_cells(s, epoch, d);
        if (r != LIAISON_EMPTY)
            return r;
        r = port_buried(s);
        if (r != LIAISON_FULL)
            return r == LIAISON_OK ? LIAISON_EMPTY : r;
    }
    return LIAISON_CORRUPT; /* always something, and never anything */
}

/* ---- receipts ----------------------------------------------------------------------- */

int liaison_receipt_state(liaison_mailbox *m, const struct liaison_receipt *receipt, int *state,
                          struct liaison_peer *peer)
{
    port_look(m->segment, false);
    return receipt_look(m->segment, receipt, state, peer);
}

int liaison_receipt_wait(liaison_mailbox *m, const struct liaison_receipt *receipt, int state,
                         const struct liaison_wait *wait)
{
    return receipt_await(m->segment, receipt, state, wait, &m->spin, &m->closed);
}

void liaison_receipt_drop(liaison_mailbox *m, struct liaison_receipt *receipt)
{
    if (receipt->epoch == process_epoch())
        receipt_free(m->segment, receipt->index, receipt->generation);
    receipt->index = 0;
}

/* ---- seeing ------------------------------------------------------------------------- */

int liaison_mailbox_peer(liaison_mailbox *m, uint64_t identity, int32_t pid,
                         struct liaison_peer *peer)
{
    member_peer(m->segment->space, identity, pid, peer);
    return LIAISON_OK;
}

int liaison_mailbox_waiting(liaison_mailbox *m, uint32_t *count)
{
    struct segment *s = m->segment;
    int r = segment_look(s);
    if (r == LIAISON_OK)
        *count = ring_count(s) + cell_count_returned(s);
    return s->broken ? LIAISON_CORRUPT : r;
}

int liaison_mailbox_info(liaison_mailbox *m, struct liaison_info *info)
{
    const struct segment *s = m->segment;
    const struct geometry *g = &s->geometry;
    memset(info, 0, sizeof *info);
    info->policy.kind = g->kind;
    info->policy.access = g->access;
    info->policy.capacity = g->rendezvous ? 0 : (int64_t)g->cells;
    info->policy.max_message = g->max_message;
    info->policy.memory = g->memory;
    info->policy.max_deliveries = g->max_deliveries;
    info->policy.lifetime = g->lifetime;
    memcpy(info->policy.dead_letters, g->dead_letters, sizeof info->policy.dead_letters);
    segment_id(g, info->id);
    info->policy.pair_capacity = g->kind == LIAISON_KIND_ENDPOINT ? (int64_t)g->pair_capacity : -1;
    naming_label(m->segment, info->name);
    info->max_processes = g->attachments;
    uint64_t arena = arena_largest(s);
    info->largest = arena > s->inline_max ? arena : s->inline_max;
    member_peer(s->space, g->creator, 0, &info->creator);
    int directory = space_directory(s->space);
    struct stat st;
    if (g->kind == LIAISON_KIND_PIPE && fstat(s->file, &st) == 0)
        info->bytes = (uint64_t)st.st_blocks * 512;
    if (directory >= 0) {
        char path[64];
        snprintf(path, sizeof path, "links/%s", info->id);
        if (fstatat(directory, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
            info->bytes = (uint64_t)st.st_blocks * 512;
        close(directory);
    }
    return LIAISON_OK;
}

int liaison_mailbox_attached(liaison_mailbox *m, struct liaison_attached *list, size_t max,
                             size_t *count)
{
    struct segment *s = m->segment;
    uint32_t top = observe32(&s->header->attachments_top);
    *count = 0;
    for (uint32_t i = 0; i < top && i < s->geometry.attachments && *count < max; i++) {
        uint64_t identity = observe(&s->attachments[i].identity);
        if (identity == 0)
            continue;
        struct liaison_attached *a = &list[*count];
        member_peer(s->space, identity, 0, &a->peer);
        if (!a->peer.alive)
            continue;
        uint32_t roles = glance32(&s->attachments[i].roles);
        a->sends = roles & ROLE_SENDS;
        a->receives = roles & ROLE_RECEIVES;
        a->held = glance32(&s->attachments[i].held);
        ++*count;
    }
    return LIAISON_OK;
}

int liaison_mailbox_statistics(liaison_mailbox *m, struct liaison_statistics *out)
{
    struct segment *s = m->segment;
    int r = segment_look(s);
    if (r != LIAISON_OK)
        return r;
    memset(out, 0, sizeof *out);
    out->taken = glance(&s->header->head);
    out->accepted = glance(&s->header->tail);
    out->returned = cell_count_returned(s);
    out->waiting = ring_count(s) + out->returned;
    for (uint32_t x = 0; x < s->geometry.cells; x++)
        switch (cell_state(glance(&segment_cell(s, x)->header))) {
        case CELL_FREE:
            out->free++;
            break;
        case CELL_LOANED:
            out->loaned++;
            break;
        case CELL_LEASED:
            out->leased++;
            break;
        }
    out->receivers_waiting = wait_count(s, RECEIVERS);
    out->senders_waiting = wait_count(s, SENDERS);
    out->arena_size = observe(&s->header->arena_size);
    out->arena_limit = s->geometry.arena_limit;
    out->arena_used = arena_used(s);
    return s->broken ? LIAISON_CORRUPT : LIAISON_OK;
}

/* ThreadSanitizer looks into memcpy() itself, whoever calls it. */
#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread"))) static void copy_bytes(uint8_t *to, const uint8_t *from,
                                                              uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        ((volatile uint8_t *)to)[i] = from[i];
}
#else
#define copy_bytes memcpy
#endif

/* Copies a message that others may take meanwhile. The copy is good if `word` still says
 * `value` afterwards: while it does, the cell does not change. */
__attribute__((no_sanitize("thread"))) static bool copy_message(struct segment *s, uint32_t x,
                                                                const word64 *word, uint64_t value,
                                                                struct liaison_delivery *d)
{
    struct cell *c = segment_cell(s, x);
    const uint8_t *data;
    uint64_t size;
    memset(d, 0, sizeof *d);
    if (cell_payload(s, x, &data, &size) != LIAISON_OK)
        return false;
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        return false;
    copy_bytes(copy, data, size);
    d->data = copy;
    d->size = size;
    d->format = glance32(&c->format);
    d->attempt = cell_deliveries(observe(&c->header));
    d->cell = x;
    d->sender_pid = (int32_t)glance32(&c->sender_pid);
    d->sender = glance(&c->sender);
    d->position = glance(&c->position);
    if (look(word) == value && !s->broken)
        return true;
    free(copy);
    return false;
}

int liaison_mailbox_peek(liaison_mailbox *m, size_t max, liaison_visit visit, void *context)
{
    struct segment *s = m->segment;
    int r = segment_look(s);
    if (r != LIAISON_OK)
        return r;
    struct liaison_delivery d;
    bool more = true;
    uint64_t after = 0;
    bool any = false;
    /* The returned ones first, in order: each time the oldest that is younger than the last. */
    for (uint32_t n = cell_count_returned(s); n > 0 && max > 0 && more; n--) {
        uint32_t best = UINT32_MAX;
        uint64_t best_header = 0, best_position = 0;
        for (uint32_t x = 0; x < s->geometry.cells; x++) {
            uint64_t h = observe(&segment_cell(s, x)->header);
            uint64_t p = glance(&segment_cell(s, x)->position);
            if (cell_state(h) != CELL_RETURNED || (any && (int64_t)(p - after) <= 0) ||
                (best != UINT32_MAX && (int64_t)(p - best_position) >= 0))
                continue;
            best = x;
            best_header = h;
            best_position = p;
        }
        if (best == UINT32_MAX)
            break;
        any = true;
        after = best_position;
        if (copy_message(s, best, &segment_cell(s, best)->header, best_header, &d)) {
            more = visit(context, &d);
            free((void *)d.data);
            max--;
        }
    }
    uint64_t p = glance(&s->header->head);
    for (uint32_t i = 0; i < 2 * s->geometry.ring_size && max > 0 && more; i++, p++) {
        uint64_t w = observe(ring_at(s, p));
        if (ring_cycle(w) != cycle_of(s, p) || ring_state(w) == RING_TAKEN)
            continue;
        if (ring_state(w) == RING_EMPTY)
            break;
        if (ring_cell(w) >= s->geometry.cells)
            return LIAISON_CORRUPT;
        if (copy_message(s, ring_cell(w), ring_at(s, p), w, &d)) {
            more = visit(context, &d);
            free((void *)d.data);
            max--;
        }
    }
    return s->broken ? LIAISON_CORRUPT : LIAISON_OK;
}

/* ---- the doorbell -------------------------------------------------------------------- */

static int bell_open(liaison_mailbox *m, enum waiter_role role, uint64_t epoch)
{
    struct segment *s = m->segment;
    struct bell *b = &m->bells[role];
    struct doorbell door;
    int r = doorbell_create(s->space, &door);
    if (r != LIAISON_OK)
        return r;
    r = wait_enter(s, role, WAITER_DOORBELL, door.number, &b->entry);
    if (r != LIAISON_OK) {
        doorbell_remove(s->space, door.number);
        doorbell_close(&door);
        return r;
    }
    b->door = door;
    note(&b->slice, 0);
    publish(&b->epoch, epoch);
    pipe_tell(s, role, b->door.fd);
    return LIAISON_OK;
}

/* The role's doorbell, made if it is not there yet. */
static int bell_of(liaison_mailbox *m, enum waiter_role role, bool *made)
{
    struct bell *b = &m->bells[role];
    uint64_t epoch = process_epoch();
    bool denied = role == SENDERS && segment_is_pipe(m->segment) && !pipe_admits(m, SENDERS);
    int r = denied              ? LIAISON_DENIED
            : role == RECEIVERS ? may_take(m, epoch)
                                : segment_check(m->segment, epoch);
    *made = false;
    if (r != LIAISON_OK)
        return r;
    process_lock(); /* of threads that ask at once, one makes it */
    if (observe(&b->epoch) != epoch) {
        bell_close(m, role); /* a parent's: only the descriptors are ours */
        r = bell_open(m, role, epoch);
        *made = r == LIAISON_OK;
    }
    process_unlock();
    return r;
}

int liaison_mailbox_doorbell(liaison_mailbox *m, int *fd)
{
    bool made;
    int r = bell_of(m, RECEIVERS, &made);
    if (r != LIAISON_OK)
        return r;
    if (made)
        bell_rearm(m);
    *fd = m->bells[RECEIVERS].door.fd;
    return LIAISON_OK;
}

int liaison_mailbox_doorbell_for_room(liaison_mailbox *m, int *fd)
{
    bool made;
    int r = bell_of(m, SENDERS, &made);
    if (r != LIAISON_OK)
        return r;
    bell_arm(m, SENDERS);
    *fd = m->bells[SENDERS].door.fd;
    return LIAISON_OK;
}

int liaison_mailbox_ready(liaison_mailbox *m)
{
    struct segment *s = m->segment;
    int r = may_take(m, process_epoch());
    if (r != LIAISON_OK)
        return r;
    if (receivable(m) || (recover_now_and_then(s, true) && receivable(m)))
        return LIAISON_OK;
    if (segment_is_pipe(s))
        port_look(s, true); /* the descriptor may have told it before the clock's next tick */
    if (segment_vanished(s))
        return LIAISON_DESTROYED;
    if (segment_has_sides(s) && nothing_more_comes(s) && !may_come_back(s))
        return receivable(m) ? LIAISON_OK : LIAISON_DESTROYED;
    bell_rearm(m);
    return s->broken ? LIAISON_CORRUPT : LIAISON_EMPTY;
}
