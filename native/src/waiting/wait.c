#include "waiting/wait.h"

#include <errno.h>
#include <sched.h>

#include "base/futex.h"
#include "base/process.h"
#include "links/port.h"
#include "links/recover.h"
#include "space/doorbell.h"
#include "space/member.h"
#include "space/board.h"

#define MILLISECOND INT64_C(1000000)
#define SLICE_FIRST (2 * MILLISECOND)
#define SLICE_LONG (32 * MILLISECOND)
#define SLICE_LAST (3000 * MILLISECOND)
#define SLICE_WATCH (3 * MILLISECOND)
#define LOOKS_SOON 8u /* ms; see bell_arm() */

/* ---- the table ----------------------------------------------------------------------- */

static bool stays_armed(const struct waiter *e)
{
    uint32_t kind = look32(&e->kind);
    return kind == WAITER_DOORBELL || kind == WAITER_BOARD;
}

int wait_enter(struct segment *s, enum waiter_role role, uint32_t kind, uint64_t detail,
               uint32_t *out)
{
    uint64_t me = glance(&s->identity);
    for (uint32_t i = 0; i < WAITERS; i++) {
        struct waiter *e = &s->waiters[role][i];
        if (glance(&e->owner) != 0 || !exchange(&e->owner, 0, me))
            continue;
        note(&e->ticket, add(&s->header->ticket, 1));
        note32(&e->kind, kind);
        publish(&e->detail, detail); /* whoever sees it sees the kind as well */
        /* A thread's has none: an entry that was one and became the other is not taken for it. */
        uint32_t t = (uint32_t)glance(&e->ticket);
        announce32(&e->signal, kind == WAITER_DOORBELL
                                   ? signal_armed(t * SIGNAL_COUNT, process_tick())
                               : kind == WAITER_BOARD ? signal_board(t * SIGNAL_OWNER)
                                                      : SIGNAL_WAITING);
        set_bits(&s->header->waiters[role][i / 64], UINT64_C(1) << (i % 64));
        *out = i;
        return LIAISON_OK;
    }
    return LIAISON_EXHAUSTED;
}

uint32_t wait_leave(struct segment *s, enum waiter_role role, uint32_t i)
{
    struct waiter *e = &s->waiters[role][i];
    uint32_t signal = swap32(&e->signal, SIGNAL_NONE);
    clear_bits(&s->header->waiters[role][i / 64], UINT64_C(1) << (i % 64));
    publish(&e->owner, 0);
    return signal;
}

void wait_sweep(struct segment *s, uint64_t identity)
{
    for (int role = 0; role < 2; role++)
        for (uint32_t i = 0; i < WAITERS; i++) {
            struct waiter *e = &s->waiters[role][i];
            /* First make it ours. Clearing a dead process's bit without owning the entry
             * could clear the bit of its next owner, who would then never be woken. */
            if (glance(&e->owner) != identity ||
                !exchange(&e->owner, identity, glance(&s->identity)))
                continue;
            if (glance32(&e->kind) == WAITER_DOORBELL)
                doorbell_remove(s->space, glance(&e->detail));
            wait_leave(s, role, i);
        }
}

uint32_t wait_count(struct segment *s, enum waiter_role role)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < WAITER_WORDS; i++)
        for (uint64_t bits = look(&s->header->waiters[role][i]); bits; bits &= bits - 1) {
            struct waiter *e = &s->waiters[role][i * 64 + (uint32_t)__builtin_ctzll(bits)];
            n += !stays_armed(e) && glance32(&e->signal) != SIGNAL_NONE;
        }
    return n;
}

/* ---- waking ------------------------------------------------------------------------- */

/* A thread's `detail`: the processor above, the tick below. */
static uint64_t here_and_now(void)
{
    return (uint64_t)(uint32_t)sched_getcpu() << 32 | process_tick();
}
static uint32_t called_from(uint64_t detail) { return (uint32_t)(detail >> 32); }

/* Rings an armed doorbell, and only then says so: who dies in between, or has no descriptor
 * left to ring with, leaves it armed for the next. The version in the word keeps a slow
 * waker from disarming a bell that was armed again meanwhile. */
static void ring_doorbell(struct segment *s, struct waiter *e, uint32_t signal)
{
    if ((signal & SIGNAL_MASK) == SIGNAL_WAITING && doorbell_ring(s->space, glance(&e->detail)))
        exchange32(&e->signal, signal, (signal & ~SIGNAL_MASK) | SIGNAL_WOKEN);
}

/* First the mark, then the word that says it was made, then the call: who dies in between leaves
 * an entry that the next caller finds armed, or a mark that its owner finds before it sleeps, or a
 * sleeper that the next caller wakes. An owner that has taken the mark already arms in another
 * version, and looks. The last is done in any case: whose exchange it was may be dead. */
static void ring_board(struct segment *s, struct waiter *e, uint32_t signal)
{
    uint64_t detail = glance(&e->detail);
    struct board *b = board_find(s->space, glance(&e->owner), detail);
    if (!b)
        return; /* who is called there looks around by itself */
    if ((signal & SIGNAL_MASK) == SIGNAL_WAITING) {
        board_mark(b, detail);
        exchange32(&e->signal, signal, (signal & ~SIGNAL_MASK) | SIGNAL_WOKEN);
    }
    board_wake(b);
}

/* Whether its owner looks by itself in a few milliseconds, whatever becomes of who would ring. */
static bool looks_soon(const struct waiter *e)
{
    uint32_t since = process_tick() - look32(&e->signal) / SIGNAL_TICK;
    return glance32(&e->kind) == WAITER_DOORBELL &&
           since % (UINT32_MAX / SIGNAL_TICK + 1) <= LOOKS_SOON;
}

/* What is read after the word is what that was armed for; or the entry has become another's, who
 * armed it afterwards, and looks: then the exchange fails. */
static void ring(struct segment *s, struct waiter *e)
{
    uint32_t signal = look32(&e->signal), kind = glance32(&e->kind);
    if (kind == WAITER_BOARD)
        ring_board(s, e, signal);
    else if (kind == WAITER_DOORBELL)
        ring_doorbell(s, e, signal);
}

/* Whether so much is free that a sender which is called can fill more than one place. A call
 * for each place would have sender and receiver take turns on one processor, a message each. */
static bool roomy(const struct segment *s)
{
    uint32_t cells = s->geometry.cells;
    int64_t queued = (int64_t)(glance(&s->header->tail) - glance(&s->header->head));
    return s->geometry.rendezvous || queued <= cells - cells / 4;
}

void wait_ring(struct segment *s, enum waiter_role role)
{
    struct waiter *table = s->waiters[role];
    for (uint32_t i = 0; i < WAITER_WORDS; i++)
        for (uint64_t bits = look(&s->header->waiters[role][i]); bits; bits &= bits - 1) {
            struct waiter *e = &table[i * 64 + (uint32_t)__builtin_ctzll(bits)];
            if (stays_armed(e))
                ring(s, e);
        }
}

/* Of those that are armed; `BELLS_OF_OLD`: but for those whose owners look soon anyway. To ring
 * these before there is anything would have the owner run in place of who rings, for nothing. */
enum bells { NO_BELLS, BELLS_OF_OLD, ALL_BELLS };

/* Wakes the oldest sleeper. An armed doorbell is rung besides: that a descriptor has become
 * readable does not mean that anybody comes for the message. */
static struct wakeup wake(struct segment *s, enum waiter_role role, enum bells bells)
{
    struct waiter *table = s->waiters[role];
    bool spared = false;
    for (uint32_t tries = 0; tries < WAITERS; tries++) {
        uint32_t oldest = 0;
        uint64_t ticket = 0;
        for (uint32_t i = 0; i < WAITER_WORDS; i++)
            for (uint64_t bits = look(&s->header->waiters[role][i]); bits; bits &= bits - 1) {
                uint32_t n = i * 64 + (uint32_t)__builtin_ctzll(bits);
                if (stays_armed(&table[n])) {
                    if (bells == BELLS_OF_OLD && looks_soon(&table[n]))
                        spared = true;
                    else if (bells != NO_BELLS)
                        ring(s, &table[n]);
                    continue;
                }
                uint32_t signal = look32(&table[n].signal);
                /* Somebody was called a moment ago and has not come yet. When it does and there
                 * is more than it takes, it calls the next: while messages pour in, a system
                 * call for each would cost more than all the rest. Not so if it is late: it may
                 * be stopped, or dead. */
                if (signal == SIGNAL_WOKEN && (uint32_t)glance(&table[n].detail) == process_tick())
                    return (struct wakeup){n + 1, true, glance(&table[n].ticket)};
                if (signal != SIGNAL_WAITING)
                    continue;
                uint64_t t = glance(&table[n].ticket);
                if (oldest == 0 || (int64_t)(t - ticket) < 0) {
                    oldest = n + 1;
                    ticket = t;
                }
            }
        if (oldest == 0)
            break;
        struct waiter *e = &table[oldest - 1];
        uint64_t owner = glance(&e->owner);
        uint64_t now = here_and_now(), before = look(&e->detail);
        if (stays_armed(e))
            continue; /* another's, since we looked */
        /* A sender that has just fallen asleep looks again by itself in a few milliseconds,
         * whatever becomes of the receiver; one that has slept for longer is not kept waiting. */
        if (role == SENDERS && (uint32_t)before == (uint32_t)now && !roomy(s))
            break;
        /* By exchange: in a doorbell's or a board's entry it would overwrite where that is called.
         */
        exchange(&e->detail, before, now);
        if (!exchange32(&e->signal, SIGNAL_WAITING, SIGNAL_WOKEN))
            continue;
        if (futex_wake(&e->signal, 1) == 1)
            return (struct wakeup){oldest, spared, ticket};
        /* Nobody slept on it: either it is just about to, and will not, or it is dead and
         * the next one must be woken in its place. */
        if (owner == 0 || member_alive(s->space, owner))
            return (struct wakeup){oldest, spared, ticket};
        wait_sweep(s, owner);
    }
    return (struct wakeup){0, spared, 0};
}

struct wakeup wait_wake(struct segment *s, enum waiter_role role)
{
    return wake(s, role, ALL_BELLS);
}
struct wakeup wait_wake_early(struct segment *s, enum waiter_role role)
{
    return wake(s, role, BELLS_OF_OLD);
}
struct wakeup wait_wake_threads(struct segment *s, enum waiter_role role)
{
    return wake(s, role, NO_BELLS);
}

/* Still about to look: it will see the change. If it has looked already, too early, and gone
 * back to sleep, it needs another call. */
static bool still_coming(struct segment *s, enum waiter_role role, struct wakeup before)
{
    if (before.entry == 0)
        return false;
    struct waiter *e = &s->waiters[role][before.entry - 1];
    return look32(&e->signal) == SIGNAL_WOKEN && glance(&e->ticket) == before.ticket;
}

void wait_after_slow(struct segment *s, enum waiter_role role, struct wakeup before)
{
    if (!still_coming(s, role, before))
        wake(s, role, ALL_BELLS);
    else if (before.spared)
        wait_ring(s, role);
}

void wait_after_threads(struct segment *s, enum waiter_role role, struct wakeup before)
{
    if (wait_any(s, role) && !still_coming(s, role, before))
        wake(s, role, NO_BELLS);
}

static void wake_where(struct segment *s, uint64_t owner)
{
    for (int role = 0; role < 2; role++)
        for (uint32_t i = 0; i < WAITERS; i++) {
            struct waiter *e = &s->waiters[role][i];
            if (look32(&e->signal) == SIGNAL_NONE || (owner && glance(&e->owner) != owner))
                continue;
            if (stays_armed(e))
                ring(s, e);
            else if (exchange32(&e->signal, SIGNAL_WAITING, SIGNAL_WOKEN))
                futex_wake(&e->signal, FUTEX_ALL);
        }
    for (uint32_t i = 0; i < s->geometry.receipts; i++)
        if (glance32(&s->receipts[i].waiting)) {
            add32(&s->receipts[i].bell, 1);
            futex_wake(&s->receipts[i].bell, FUTEX_ALL);
        }
}

void wait_wake_all(struct segment *s) { wake_where(s, 0); }
void wait_wake_own(struct segment *s)
{
    if (observe(&s->epoch) == process_epoch()) /* an observer never waits */
        wake_where(s, glance(&s->identity));
}

static bool watched(struct segment *s, struct waiter *except)
{
    for (int role = 0; role < 2; role++)
        for (uint32_t i = 0; i < WAITER_WORDS; i++)
            for (uint64_t bits = look(&s->header->waiters[role][i]); bits; bits &= bits - 1) {
                struct waiter *e = &s->waiters[role][i * 64 + (uint32_t)__builtin_ctzll(bits)];
                if (e != except && look32(&e->kind) == WAITER_WATCHER &&
                    look32(&e->signal) == SIGNAL_WAITING)
                    return true;
            }
    return false;
}

void wait_watch(struct segment *s)
{
    bool receivers = wait_any(s, RECEIVERS), senders = wait_any(s, SENDERS);
    if ((receivers || senders) && !watched(s, NULL))
        wait_wake(s, receivers ? RECEIVERS : SENDERS);
}

/* ---- waiting ------------------------------------------------------------------------- */

int wait_spin(const struct waiting *w, int64_t end)
{
    uint32_t worth = spin_worth(w->spin);
    if (worth == 0)
        return w->pending;
    int permit = member_spin_begin(w->segment->space);
    if (permit < 0)
        return w->pending;
    int64_t now = process_ticks(), until = now + worth;
    if (end >= 0 && until > end)
        until = end;
    int r = w->pending;
    while (r == w->pending && now < until && !observe32(w->closed)) {
        for (int i = 0; i < 16 && r == w->pending; i++) {
            pause_briefly();
            r = w->attempt(w->context);
        }
        now = process_ticks();
    }
    member_spin_end(w->segment->space, permit);
    spin_ended(w->spin, worth, r != w->pending);
    return r;
}

/* After a sleep that nobody ended: somebody may have died at it. */
static int64_t look_around(struct segment *s, struct waiter *e, int64_t slice)
{
    recover_dead(s, slice <= 8 * SLICE_FIRST);
    port_look(s, true);
    /* Who waits at a pipe looks often enough by itself, and may do so for days. */
    bool hold = recover_others_hold(s) || (port_watched(s) && !segment_is_pipe(s));
    bool watch = hold && (glance32(&e->kind) == WAITER_WATCHER || !watched(s, e));
    announce32(&e->kind, watch ? WAITER_WATCHER : WAITER_THREAD);
    /* Who has slept for long will hardly be called soon, and there may be many of it. */
    slice *= slice < SLICE_LONG ? 2 : 4;
    if (slice > SLICE_LAST)
        slice = SLICE_LAST;
    /* A port's receiver is often killed together with the sender that watched it. */
    if (port_watched(s) && slice > SLICE_LONG)
        slice = SLICE_LONG;
    return watch && slice > SLICE_WATCH ? SLICE_WATCH : slice;
}

static bool interrupted(const struct waiting *w)
{
    return w->wait->interrupted && w->wait->interrupted(w->wait->context);
}

int wait_until(const struct waiting *w)
{
    struct segment *s = w->segment;
    int64_t now = process_now();
    /* Further off than the clock goes is for ever. */
    bool forever = w->wait->timeout < 0 || w->wait->timeout > INT64_MAX - now;
    int64_t end = forever ? -1 : now + w->wait->timeout;
    int r = w->announced ? w->pending : wait_spin(w, end);
    if (r != w->pending)
        return r;

    uint32_t index;
    bool polling = wait_enter(s, w->role, WAITER_THREAD, 0, &index) != LIAISON_OK;
    struct waiter spare = {0}; /* the table is full: sleep, and look oneself */
    struct waiter *e = polling ? &spare : &s->waiters[w->role][index];
    int64_t slice = SLICE_FIRST;
    bool woken = false;
    for (;;) {
        if (slice == SLICE_FIRST)
            note(&e->detail, here_and_now());
        /* Announce, then look. A call that came while we looked around is heard, too: its caller
         * may be dead before there is what it called for. */
        if (swap32(&e->signal, SIGNAL_WAITING) == SIGNAL_WOKEN) {
            woken = true;
            slice = SLICE_FIRST;
        }
        r = observe32(w->closed) ? LIAISON_CLOSED : w->attempt(w->context);
        if (r != w->pending)
            break;
        now = process_now();
        if (end >= 0 && now >= end)
            break;
        int64_t sleep = polling ? SLICE_FIRST : slice;
        if (end >= 0 && sleep > end - now)
            sleep = end - now;
        int slept = futex_sleep(&e->signal, SIGNAL_WAITING, sleep);
        if (slept == -ETIMEDOUT) {
            slice = look_around(s, e, slice);
            if (segment_vanished(s)) {
                r = LIAISON_DESTROYED; /* removed behind our back: nobody will come */
                break;
            }
        }
        woken = slept == 0;
        if (woken) {
            slice = SLICE_FIRST;
            spin_woken(w->spin, called_from(glance(&e->detail)), process_now() - now);
        }
        if (slept != 0 && interrupted(w)) {
            r = LIAISON_INTERRUPTED;
            break;
        }
    }
    if (!polling) {
        bool was_watching = glance32(&e->kind) == WAITER_WATCHER;
        /* Called and not coming: pass the call on. Leaving and learning of the call is one
         * exchange: a call between the two would be nobody's, and its caller content. */
        bool called = wait_leave(s, w->role, index) == SIGNAL_WOKEN || woken;
        if ((r != LIAISON_OK && called) ||
            (was_watching && (recover_others_hold(s) || port_watched(s))))
            wait_wake(s, w->role);
    }
    return r;
}
