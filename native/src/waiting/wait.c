#include "waiting/wait.h"

#include <errno.h>

#include "base/futex.h"
#include "base/process.h"
#include "links/port.h"
#include "links/recover.h"
#include "space/member.h"

#define MILLISECOND INT64_C(1000000)
#define SLICE_FIRST (2 * MILLISECOND)
#define SLICE_LONG (32 * MILLISECOND)
#define SLICE_LAST (3000 * MILLISECOND)
#define SLICE_WATCH (3 * MILLISECOND)

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
    bool watch = hold && (glance32(&e->kind) == WAITER_WATCHER || !wait_watched(s, e));
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
            note(&e->detail, waiter_here_and_now());
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
            spin_woken(w->spin, waiter_called_from(glance(&e->detail)), process_now() - now);
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
