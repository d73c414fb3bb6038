#include "parts/calling.h"

#include "base/futex.h"
#include "base/process.h"
#include "parts/ring.h"
#include "space/board.h"
#include "space/doorbell.h"
#include "space/member.h"

#define LOOKS_SOON 8u /* ms; see waiting/readiness.c */

/* Rings an armed doorbell, and only then disarms it: a process that dies in between, or has no
 * descriptor left to ring with, leaves it armed for the next. The version in the word keeps a slow
 * caller from disarming a bell that was armed again meanwhile. */
static void ring_doorbell(struct segment *s, struct waiter *e, uint32_t signal)
{
    if ((signal & SIGNAL_MASK) == SIGNAL_WAITING && doorbell_ring(s->space, glance(&e->detail)))
        replace32(&e->signal, signal, (signal & ~SIGNAL_MASK) | SIGNAL_WOKEN);
}

/* First the mark, then the word that disarms the entry, then the call: a death in between leaves an
 * entry that the next caller finds armed, or a mark that its owner finds before it sleeps, or a
 * sleeper that the next caller wakes. An owner that has taken the mark already arms in another
 * version, and looks. The call is made in any case: the process that disarmed the entry may be
 * dead. */
static void ring_board(struct segment *s, struct waiter *e, uint32_t signal)
{
    uint64_t detail = glance(&e->detail);
    struct board *b = board_find(s->space, glance(&e->owner), detail);
    if (!b)
        return; /* the sleeper there looks by itself */
    if ((signal & SIGNAL_MASK) == SIGNAL_WAITING) {
        board_mark(b, detail);
        replace32(&e->signal, signal, (signal & ~SIGNAL_MASK) | SIGNAL_WOKEN);
    }
    board_wake(b);
}

/* Whether its owner looks by itself in a few milliseconds, even if no process rings. */
static bool looks_soon(const struct waiter *e)
{
    uint32_t since = process_tick() - look32(&e->signal) / SIGNAL_TICK;
    return glance32(&e->kind) == WAITER_DOORBELL &&
           since % (UINT32_MAX / SIGNAL_TICK + 1) <= LOOKS_SOON;
}

/* What is read after the word belongs to that arming; or the entry has another owner, which armed
 * it later, and looks: then the exchange fails. */
static void ring(struct segment *s, struct waiter *e)
{
    uint32_t signal = look32(&e->signal), kind = glance32(&e->kind);
    if (kind == WAITER_BOARD)
        ring_board(s, e, signal);
    else if (kind == WAITER_DOORBELL)
        ring_doorbell(s, e, signal);
}

/* Whether so much is free that a sender which is called can fill more than one place. With a call
 * for each place, sender and receiver would take turns on one processor for each message. */
static bool roomy(const struct segment *s)
{
    uint32_t cells = s->geometry.cells;
    return s->geometry.rendezvous || ring_count_roughly(s) <= cells - cells / 4;
}

/* Which of the armed doorbells and boards to ring; `BELLS_OF_OLD`: except those whose owners look
 * soon anyway. If these were rung before the message is there, their owners would run in place of
 * the caller, for nothing. */
enum bells { NO_BELLS, BELLS_OF_OLD, ALL_BELLS };

/* Result: whether some were spared. */
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
 * A called sleeper may be stopped, or die, before it acts, and its caller does not wait. So the
 * caller makes a sleeper of another process stand in, and checks that again when the message is
 * there: the stand-in sleeps lightly, which means that it looks by itself in LIGHT ms at most.
 * While messages keep coming some thread sleeps lightly anyway. Only a thread that has slept for
 * longer is disturbed: it must begin its slices anew, and neither looks nor takes anything before
 * the first of them is over.
 *
 * A stand-in that leaves without having looked since the call appoints another. */

#define LIGHT 8u /* ms; the slices of 2, 4 and 8 ms are over 14 ms after the tick that says so */

static bool asleep(uint32_t signal) { return signal == SIGNAL_WAITING || signal == SIGNAL_LIGHTLY; }

/* Calls it. True: by this exchange. */
static bool call(struct waiter *e)
{
    return replace32(&e->signal, SIGNAL_WAITING, SIGNAL_WOKEN) ||
           replace32(&e->signal, SIGNAL_LIGHTLY, SIGNAL_WOKEN);
}

/* Whether thread `y` looks by itself within LIGHT ms, and lives on when `x` is killed. It writes
 * its tick itself, so this holds even if a caller died while it made `y` sleep lightly. */
static bool stands_in(const struct waiter *y, const struct waiter *x, uint32_t now)
{
    return y != x && look32(&y->signal) == SIGNAL_WAITING && !waiter_stays_armed(y) &&
           now - (uint32_t)look(&y->detail) <= LIGHT && glance(&y->owner) != glance(&x->owner);
}

/* Makes `e` sleep lightly. False: it is dead, or has changed meanwhile. */
static bool lighten(struct segment *s, struct waiter *e)
{
    uint64_t owner = glance(&e->owner);
    if (waiter_stays_armed(e))
        return false;
    /* The process whose exchange it was may be dead: so it is woken in any case. */
    if (!replace32(&e->signal, SIGNAL_WAITING, SIGNAL_LIGHTLY) &&
        look32(&e->signal) != SIGNAL_LIGHTLY)
        return false;
    if (futex_wake(&e->signal, 1) == 1 || owner == 0 || member_alive(s->space, owner))
        return true;
    wait_sweep(s, owner);
    return false;
}

/* Finds or makes a stand-in for `x`. Gives its entry + 1; 0: there is none. */
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

/* Makes sure that entry `x`, which was called, still has a stand-in. */
static void keep_stand_in(struct segment *s, enum waiter_role role, uint32_t x, uint32_t now)
{
    struct waiter *table = s->waiters[role];
    word64 *at = &s->header->called[role];
    uint64_t w = look(at);
    uint32_t y = called_stand_in(w);
    if (called_entry(w) == x + 1 && called_tick(w) == now) {
        if (y == 0)
            return; /* there was none, and later sleepers sleep lightly */
        if (y <= WAITERS && (stands_in(&table[y - 1], &table[x], now) ||
                             look32(&table[y - 1].signal) == SIGNAL_LIGHTLY))
            return; /* or was woken, before this was written, and is about to */
    }
    y = find_stand_in(s, role, &table[x], now);
    replace(at, w, called_word(now, y, x + 1));
}

/* ---- calling ------------------------------------------------------------------------------ */

/* The entry + 1 of a thread that was called a moment ago and has not acted yet. If there is more
 * than it takes, it calls the next: in a stream of messages, a system call for each would cost more
 * than all the rest. 0 if it is late: it may be stopped, or dead. */
static uint32_t on_its_way(const struct segment *s, enum waiter_role role, uint32_t now)
{
    uint64_t w = look(&s->header->called[role]);
    uint32_t x = called_entry(w);
    if (x == 0 || x > WAITERS || called_tick(w) != now)
        return 0;
    return look32(&s->waiters[role][x - 1].signal) == SIGNAL_WOKEN ? x : 0;
}

/* Possibly asleep: also a thread that was called, because its caller may have died before the
 * system call that wakes it. Its tick is when it was last woken. So a thread that is only late is
 * woken in vain once in a tick, by a caller that also checks that it lives and finds a stand-in for
 * it: a few system calls. */
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

/* Wakes the oldest sleeper. Armed doorbells are rung in addition: a descriptor that becomes
 * readable does not mean that its owner takes the message. */
static struct wakeup wake(struct segment *s, enum waiter_role role, enum bells bells)
{
    struct wakeup done = {.spared = ring_those(s, role, bells)};
    struct waiter *table = s->waiters[role];
    uint32_t tick = process_tick(); /* one for the whole loop: no thread is woken twice */
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
            continue; /* another thread's since we looked */
        /* A sender that has just fallen asleep looks again by itself in a few milliseconds, even if
         * the receiver dies; one that has slept for longer is called at once. */
        if (role == SENDERS && (uint32_t)before == tick && !roomy(s))
            return done;
        /* First the stand-in: then it is awake if we die. */
        uint32_t x = (uint32_t)(e - table) + 1, y = find_stand_in(s, role, e, tick);
        bool first = call(e);
        if (!first && !maybe_asleep(e, tick))
            continue;
        /* After the call: from which processor, and when. By exchange: in a doorbell's or a board's
         * entry a store would overwrite its number. */
        uint64_t now = waiter_from_here(tick), from = waiter_from_here((uint32_t)before);
        replace(&e->detail, before, from);
        bool slept = futex_wake(&e->signal, 1) == 1;
        replace(&e->detail, from, now);
        bool dead = !slept && owner != 0 && !member_alive(s->space, owner);
        if (dead)
            wait_sweep(s, owner); /* the next one is woken in its place */
        if (slept || (first && !dead)) {
            /* It slept, or was about to, and will not. */
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

/* Whether the called thread is still about to look: then it sees the change. If it has looked
 * already, too early, and sleeps again, it needs another call; also if it has one, whose caller may
 * not have woken it yet.
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
                call(e); /* or another caller has, which may be dead */
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
