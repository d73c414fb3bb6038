#include "waiting/wait.h"

#include <errno.h>

#include "base/process.h"
#include "space/member.h"

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
    while (r == w->pending && now < until && !look32(w->closed)) {
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

/* After a sleep that ended by itself: a process may have died before it called. `e` is NULL for a
 * thread outside the table.
 */
static int64_t look_around(const struct waiting *w, struct waiter *e, int64_t slice)
{
    unsigned care = w->around->look(w->segment, slice_looks_at_all(slice));
    /* One watcher is enough, and it continues. */
    bool watch = e && care & CARE_WATCH &&
                 (glance32(&e->kind) == WAITER_WATCHER || !wait_watched(w->segment, e));
    if (e)
        announce32(&e->kind, watch ? WAITER_WATCHER : WAITER_THREAD);
    if (watch)
        note(&e->detail,
             waiter_from_here(process_tick())); /* it sleeps lightly enough to stand in */
    return slice_after(slice, watch ? care : care & ~(unsigned)CARE_WATCH);
}

int wait_until(const struct waiting *w)
{
    struct segment *s = w->segment;
    struct sleeping sleeping;
    sleeping_begin(&sleeping, w->wait, process_now());
    int r = w->announced ? w->pending : wait_spin(w, sleeping.end);
    if (r != w->pending)
        return r;

    uint32_t index;
    struct waiter *e = NULL; /* NULL: the table is full */
    bool woken = false;
    for (;;) {
        if (!e && wait_enter(s, w->role, WAITER_THREAD, 0, &index) == LIAISON_OK)
            e = &s->waiters[w->role][index];
        /* Announce, then look. A call that came while we looked around counts, too: its caller may
         * die before its message is there. */
        uint32_t signal = e ? swap32(&e->signal, SIGNAL_WAITING) : SIGNAL_NONE;
        word32 *word = e ? &e->signal : &s->header->crowd[w->role];
        uint32_t value = e ? SIGNAL_WAITING : wait_join_crowd(s, w->role);
        woken |= signal == SIGNAL_WOKEN;
        if (signal == SIGNAL_WOKEN || signal == SIGNAL_LIGHTLY)
            sleeping.slice = SLICE_FIRST;
        if (e && sleeping.slice == SLICE_FIRST)
            note(&e->detail, waiter_from_here(process_tick()));
        /* A stand-in leaves the message to the thread that was called for it, as long as there is
         * time. */
        bool over = sleeping_over(&sleeping);
        if (look32(w->closed))
            r = LIAISON_CLOSED;
        else if (signal != SIGNAL_LIGHTLY || over)
            r = w->attempt(w->context);
        if (r != w->pending || over)
            break;
        int slept = sleeping_sleep(&sleeping, word, value);
        woken = slept == 0 && e && look32(&e->signal) == SIGNAL_WOKEN;
        if (slept == LIAISON_INTERRUPTED) {
            r = slept;
            break;
        }
        if (slept == 0)
            sleeping.slice = SLICE_FIRST;
        if (woken)
            spin_woken(w->spin, waiter_called_from(glance(&e->detail)),
                       process_now() - sleeping.began);
        if (slept == -ETIMEDOUT) {
            sleeping.slice = look_around(w, e, sleeping.slice);
            if (segment_vanished(s)) {
                r = LIAISON_DESTROYED; /* removed without liaison: it cannot be opened any more */
                break;
            }
        }
    }
    if (!e)
        return r;
    bool was_watching = glance32(&e->kind) == WAITER_WATCHER;
    /* Called, but without taking anything: pass the call on. Leaving and learning of the call are
     * one exchange: a call between two steps would be lost. */
    bool called = wait_leave(s, w->role, index) == SIGNAL_WOKEN || woken;
    if ((r != LIAISON_OK && called) || (was_watching && w->around->care(s) & CARE_WATCH))
        wait_wake(s, w->role);
    else if (r != LIAISON_OK)
        wait_left(s, w->role);
    return r;
}
