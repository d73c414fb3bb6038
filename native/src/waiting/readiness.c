#include "waiting/readiness.h"

#include <string.h>

#include "base/process.h"
#include "parts/waiters.h"
#include "waiting/slices.h"

void readiness_init(struct readiness *d)
{
    memset(d, 0, sizeof *d);
    d->door = DOORBELL_NONE;
}

void readiness_close(struct readiness *d, struct segment *s, enum waiter_role role)
{
    if (d->door.fd < 0)
        return;
    if (observe(&d->epoch) == process_epoch() && !s->broken) {
        wait_leave(s, role, d->entry);
        doorbell_remove(s->space, d->door.number);
    }
    doorbell_close(&d->door);
}

void readiness_arm(struct readiness *d, struct segment *s, enum waiter_role role, unsigned care)
{
    struct waiter *e = &s->waiters[role][d->entry];
    uint32_t signal = look32(&e->signal);
    /* Armed already, and nothing has called since: its reminder is as good as another. */
    if ((signal & SIGNAL_MASK) == SIGNAL_WAITING && glance(&d->slice) != 0 &&
        doorbell_quiet(&d->door))
        return;
    if (!doorbell_silence(&d->door))
        return; /* its numbers are other files' now */
    /* The first few slices find what a sender left that died before it rang; so no sender rings
     * before it sends while the tick in the word shows that the slices have just begun. */
    int64_t slice = (int64_t)glance(&d->slice);
    uint32_t tick = signal / SIGNAL_TICK;
    if ((signal & SIGNAL_MASK) == SIGNAL_WOKEN || slice == 0) {
        slice = SLICE_FIRST;
        tick = process_tick();
    } else {
        slice = slice_after(slice, care);
    }
    note(&d->slice, (uint64_t)slice);
    doorbell_remind(&d->door, slice);
    /* Announce, then look. Another version: a slow caller cannot disarm this one. */
    announce32(&e->signal, signal_armed(signal, tick));
}

int readiness_make(struct readiness *d, struct segment *s, enum waiter_role role, uint64_t epoch)
{
    struct doorbell door;
    readiness_close(d, s, role); /* a parent's: only the descriptors are ours */
    int r = doorbell_create(s->space, &door);
    if (r == LIAISON_NOT_FOUND) { /* the space was removed, with all its content */
        note32(&s->vanished, 1);
        r = LIAISON_DESTROYED;
    }
    if (r != LIAISON_OK)
        return r;
    r = wait_enter(s, role, WAITER_DOORBELL, door.number, &d->entry);
    if (r != LIAISON_OK) {
        doorbell_remove(s->space, door.number);
        doorbell_close(&door);
        return r;
    }
    d->door = door;
    note(&d->slice, 0);
    publish(&d->epoch, epoch);
    return LIAISON_OK;
}
