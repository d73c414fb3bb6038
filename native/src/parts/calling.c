#include "parts/calling.h"

#include "base/futex.h"
#include "base/process.h"
#include "parts/ring.h"
#include "space/board.h"
#include "space/doorbell.h"
#include "space/member.h"

#define LOOKS_SOON 8u /* ms; see waiting/readiness.c */

/* Rings an armed doorbell, and only then says so: who dies in between, or has no descriptor
 * left to ring with, leaves it armed for the next. The version in the word keeps a slow
 * waker from disarming a bell that was armed again meanwhile. */
static void ring_doorbell(struct segment *s, struct waiter *e, uint32_t signal)
{
    if ((signal & SIGNAL_MASK) == SIGNAL_WAITING && doorbell_ring(s->space, glance(&e->detail)))
        replace32(&e->signal, signal, (signal & ~SIGNAL_MASK) | SIGNAL_WOKEN);
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
        replace32(&e->signal, signal, (signal & ~SIGNAL_MASK) | SIGNAL_WOKEN);
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
    return s->geometry.rendezvous || ring_count_roughly(s) <= cells - cells / 4;
}

/* Of the doorbells and boards that are armed; `BELLS_OF_OLD`: but for those whose owners look soon
 * anyway. To ring these before there is anything would have the owner run in place of who rings,
 * for nothing. */
enum bells { NO_BELLS, BELLS_OF_OLD, ALL_BELLS };

/* Whether some were spared. */
static bool ring_those(struct segment *s, enum waiter_role role, enum bells bells)
{
    bool spared = false;
    for (uint32_t i = 0; i < WAITER_WORDS && bells != NO_BELLS; i++)
        for (uint64_t bits = look(&s->header->armed[role][i]); bits; bits &= bits - 1) {
            struct waiter *e = &s->waiters[role][i * 64 + (uint32_t)__builtin_ctzll(bits)];
            if (bells == BELLS_OF_OLD && looks_soon(e))
                spared = true;
            else
                ring(s, e);
        }
    return spared;
}

void wait_ring(struct segment *s, enum waiter_role role) { ring_those(s, role, ALL_BELLS); }

/* ---- stand-ins ----------------------------------------------------------------------------
 * Who is called may be stopped, or die, before it has come, and then nobody knows of the message
 * but a caller that goes its way. So whoever calls sees to it that somebody of another process
 * sleeps lightly at that time, and makes sure of it when the message is there: the stand-in looks
 * for itself in LIGHT ms at most, and while messages keep coming somebody sleeps lightly anyway.
 * Only who was quiet for longer is disturbed: it is told to begin its slices anew, and neither
 * looks nor takes anything before the first of them is over.
 *
 * Who leaves without having looked since somebody was called looks for another stand-in. */

#define LIGHT 8u /* ms; the slices of 2, 4 and 8 ms are over 14 ms after the tick that says so */

static bool asleep(uint32_t signal) { return signal == SIGNAL_WAITING || signal == SIGNAL_LIGHTLY; }

/* Whether it is called now, by us. */
static bool call(struct waiter *e)
{
    return replace32(&e->signal, SIGNAL_WAITING, SIGNAL_WOKEN) ||
           replace32(&e->signal, SIGNAL_LIGHTLY, SIGNAL_WOKEN);
}

/* Whether thread `y` looks for itself within LIGHT ms, and lives on when `x` is killed. Its tick is
 * its own, so it does even where somebody who wanted it to has died at that. */
static bool stands_in(const struct waiter *y, const struct waiter *x, uint32_t now)
{
    return y != x && look32(&y->signal) == SIGNAL_WAITING && !waiter_stays_armed(y) &&
           now - (uint32_t)look(&y->detail) <= LIGHT && glance(&y->owner) != glance(&x->owner);
}

/* Has `e` sleep lightly. False: it is dead, or has changed meanwhile. */
static bool lighten(struct segment *s, struct waiter *e)
{
    uint64_t owner = glance(&e->owner);
    if (waiter_stays_armed(e))
        return false;
    /* Whose exchange it was may be dead: so it is woken in any case. */
    if (!replace32(&e->signal, SIGNAL_WAITING, SIGNAL_LIGHTLY) &&
        look32(&e->signal) != SIGNAL_LIGHTLY)
        return false;
    if (futex_wake(&e->signal, 1) == 1 || owner == 0 || member_alive(s->space, owner))
        return true;
    wait_sweep(s, owner);
    return false;
}

/* Finds or makes a stand-in for `x`. Gives its entry + 1; 0: there is nobody. */
static uint32_t find_stand_in(struct segment *s, enum waiter_role role, const struct waiter *x,
                              uint32_t now)
{
    struct waiter *table = s->waiters[role];
    for (uint32_t tries = 0; tries < WAITERS; tries++) {
        struct waiter *youngest = NULL; /* the last to be called, and to leave */
        for (uint32_t i = 0; i < WAITER_WORDS; i++)
            for (uint64_t bits = look(&s->header->waiters[role][i]); bits; bits &= bits - 1) {
                struct waiter *y = &table[i * 64 + (uint32_t)__builtin_ctzll(bits)];
                if (stands_in(y, x, now))
                    return (uint32_t)(y - table) + 1;
                if (y != x && asleep(look32(&y->signal)) && !waiter_stays_armed(y) &&
                    glance(&y->owner) != glance(&x->owner) &&
                    (!youngest || (int64_t)(glance(&y->ticket) - glance(&youngest->ticket)) > 0))
                    youngest = y;
            }
        if (!youngest || lighten(s, youngest))
            return youngest ? (uint32_t)(youngest - table) + 1 : 0;
    }
    return 0;
}

/* Makes sure that entry `x`, which was called, has a stand-in still. */
static void keep_stand_in(struct segment *s, enum waiter_role role, uint32_t x, uint32_t now)
{
    struct waiter *table = s->waiters[role];
    word64 *at = &s->header->called[role];
    uint64_t w = look(at);
    uint32_t y = called_stand_in(w);
    if (called_entry(w) == x + 1 && called_tick(w) == now) {
        if (y == 0)
            return; /* there was nobody, and whoever has come since sleeps lightly */
        if (y <= WAITERS && (stands_in(&table[y - 1], &table[x], now) ||
                             look32(&table[y - 1].signal) == SIGNAL_LIGHTLY))
            return; /* or was woken, before this was written, and is about to */
    }
    y = find_stand_in(s, role, &table[x], now);
    replace(at, w, called_word(now, y, x + 1));
}

/* ---- calling ------------------------------------------------------------------------------ */

/* Somebody was called a moment ago and has not come yet: entry + 1. When it does and there is more
 * than it takes, it calls the next: while messages pour in, a system call for each would cost more
 * than all the rest. Not so if it is late: it may be stopped, or dead. */
static uint32_t on_its_way(const struct segment *s, enum waiter_role role, uint32_t now)
{
    uint64_t w = look(&s->header->called[role]);
    uint32_t x = called_entry(w);
    if (x == 0 || x > WAITERS || called_tick(w) != now)
        return 0;
    return look32(&s->waiters[role][x - 1].signal) == SIGNAL_WOKEN ? x : 0;
}

/* Asleep for all that is known: also who was called, by somebody who may have died before the
 * system call that wakes. The tick of one that was called is of when it was woken. So one that is
 * only late is woken in vain once in a tick, by whoever calls then, who also asks whether it lives
 * and sees to a stand-in for it: a few system calls. */
static bool maybe_asleep(const struct waiter *e, uint32_t now)
{
    uint32_t signal = look32(&e->signal);
    return !waiter_stays_armed(e) &&
           (asleep(signal) || (signal == SIGNAL_WOKEN && (uint32_t)look(&e->detail) != now));
}

static struct waiter *oldest_asleep(struct segment *s, enum waiter_role role, uint32_t now)
{
    struct waiter *table = s->waiters[role], *oldest = NULL;
    uint64_t ticket = 0;
    for (uint32_t i = 0; i < WAITER_WORDS; i++) {
        uint64_t bits = look(&s->header->waiters[role][i]);
        for (bits &= ~glance(&s->header->armed[role][i]); bits; bits &= bits - 1) {
            struct waiter *e = &table[i * 64 + (uint32_t)__builtin_ctzll(bits)];
            if (!maybe_asleep(e, now))
                continue;
            uint64_t t = glance(&e->ticket);
            if (!oldest || (int64_t)(t - ticket) < 0) {
                oldest = e;
                ticket = t;
            }
        }
    }
    return oldest;
}

/* Wakes the oldest sleeper. An armed doorbell is rung besides: that a descriptor has become
 * readable does not mean that anybody comes for the message. */
static struct wakeup wake(struct segment *s, enum waiter_role role, enum bells bells)
{
    struct wakeup done = {.spared = ring_those(s, role, bells)};
    struct waiter *table = s->waiters[role];
    uint32_t tick = process_tick(); /* one for all: nobody is woken twice */
    for (uint32_t tries = 0; tries < WAITERS; tries++) {
        done.entry = on_its_way(s, role, tick);
        if (done.entry) {
            done.woken = glance(&table[done.entry - 1].detail);
            keep_stand_in(s, role, done.entry - 1, tick);
            return done;
        }
        struct waiter *e = oldest_asleep(s, role, tick);
        if (!e)
            return done;
        uint64_t owner = glance(&e->owner);
        uint64_t before = look(&e->detail);
        if (waiter_stays_armed(e))
            continue; /* another's, since we looked */
        /* A sender that has just fallen asleep looks again by itself in a few milliseconds,
         * whatever becomes of the receiver; one that has slept for longer is not kept waiting. */
        if (role == SENDERS && (uint32_t)before == tick && !roomy(s))
            return done;
        /* First who stands in: then it is awake when we die. */
        uint32_t x = (uint32_t)(e - table) + 1, y = find_stand_in(s, role, e, tick);
        bool first = call(e);
        if (!first && !maybe_asleep(e, tick))
            continue;
        /* From where, and when it is done that it was. By exchange: in a doorbell's or a board's
         * entry it would overwrite where that is called. */
        uint64_t now = waiter_from_here(tick), from = waiter_from_here((uint32_t)before);
        replace(&e->detail, before, from);
        bool slept = futex_wake(&e->signal, 1) == 1;
        replace(&e->detail, from, now);
        bool dead = !slept && owner != 0 && !member_alive(s->space, owner);
        if (dead)
            wait_sweep(s, owner); /* the next one is woken in its place */
        if (slept || (first && !dead)) {
            /* It slept, or was just about to and will not. */
            note(&s->header->called[role], called_word(tick, y, x));
            done.entry = x;
            done.woken = now;
            return done;
        }
    }
    return done;
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

/* Still about to look: it will see the change. If it has looked already, too early, and gone back
 * to sleep, it needs another call; also where it has one, whose caller may not have woken it yet.
 */
static bool still_coming(struct segment *s, enum waiter_role role, struct wakeup before)
{
    if (before.entry == 0)
        return false;
    struct waiter *e = &s->waiters[role][before.entry - 1];
    if (look32(&e->signal) != SIGNAL_WOKEN || look(&e->detail) != before.woken)
        return false;
    keep_stand_in(s, role, before.entry - 1, process_tick());
    return true;
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
    wait_call_crowd(s, RECEIVERS, FUTEX_ALL);
    wait_call_crowd(s, SENDERS, FUTEX_ALL);
    for (int role = 0; role < 2; role++)
        for (uint32_t i = 0; i < WAITERS; i++) {
            struct waiter *e = &s->waiters[role][i];
            if (look32(&e->signal) == SIGNAL_NONE || (owner && glance(&e->owner) != owner))
                continue;
            if (waiter_stays_armed(e)) {
                ring(s, e);
            } else {
                call(e); /* or somebody has, who may be dead */
                futex_wake(&e->signal, FUTEX_ALL);
            }
        }
    for (uint32_t i = 0; i < s->geometry.receipts; i++)
        if (look32(&s->receipts[i].waiting)) {
            add32(&s->receipts[i].signal, 1);
            futex_wake(&s->receipts[i].signal, FUTEX_ALL);
        }
}

void wait_left(struct segment *s, enum waiter_role role)
{
    uint32_t x = called_entry(look(&s->header->called[role]));
    if (x && x <= WAITERS && look32(&s->waiters[role][x - 1].signal) == SIGNAL_WOKEN)
        wake(s, role, NO_BELLS);
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
                if (e != except && look32(&e->kind) == WAITER_WATCHER && asleep(look32(&e->signal)))
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
