#include "parts/calling.h"

#include "base/futex.h"
#include "base/process.h"
#include "space/board.h"
#include "space/doorbell.h"
#include "space/member.h"

#define LOOKS_SOON 8u /* ms; see descriptor.c */

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
            if (waiter_stays_armed(e))
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
                if (waiter_stays_armed(&table[n])) {
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
        uint64_t now = waiter_here_and_now(), before = look(&e->detail);
        if (waiter_stays_armed(e))
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
            if (waiter_stays_armed(e))
                ring(s, e);
            else if (exchange32(&e->signal, SIGNAL_WAITING, SIGNAL_WOKEN))
                futex_wake(&e->signal, FUTEX_ALL);
        }
    for (uint32_t i = 0; i < s->geometry.receipts; i++)
        if (glance32(&s->receipts[i].waiting)) {
            add32(&s->receipts[i].signal, 1);
            futex_wake(&s->receipts[i].signal, FUTEX_ALL);
        }
}

void wait_wake_all(struct segment *s) { wake_where(s, 0); }
void wait_wake_own(struct segment *s)
{
    if (observe(&s->epoch) == process_epoch()) /* an observer never waits */
        wake_where(s, glance(&s->identity));
}

bool wait_watched(struct segment *s, const struct waiter *except)
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
    if ((receivers || senders) && !wait_watched(s, NULL))
        wait_wake(s, receivers ? RECEIVERS : SENDERS);
}
