/* bell.c — a link's descriptors: armed while there is nothing, and readable when there may be. */
#include "waiting/bell.h"

#include "base/process.h"
#include "links/handle.h"
#include "links/pipe.h"
#include "links/port.h"
#include "links/recover.h"
#include "space/doorbell.h"
#include "waiting/wait.h"

#define BELL_FIRST (2 * INT64_C(1000000)) /* ns */
#define BELL_WATCH (3 * INT64_C(1000000))
#define BELL_LAST (3000 * INT64_C(1000000))

void bell_close(liaison_mailbox *m, enum waiter_role role)
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

/* Nothing found: silence the doorbell and arm it anew. Whoever does so looks again afterwards. */
static void arm(liaison_mailbox *m, enum waiter_role role)
{
    struct segment *s = m->segment;
    struct bell *b = &m->bells[role];
    struct waiter *e = &s->waiters[role][b->entry];
    uint32_t signal = look32(&e->signal);
    /* Armed already, and nothing has called since: its reminder is as good as another. */
    if ((signal & SIGNAL_MASK) == SIGNAL_WAITING && glance(&b->slice) != 0 &&
        doorbell_quiet(&b->door))
        return;
    if (!doorbell_silence(&b->door))
        return;
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

void bell_rearm(liaison_mailbox *m)
{
    struct segment *s = m->segment;
    if (observe(&m->bells[RECEIVERS].epoch) != process_epoch())
        return;
    arm(m, RECEIVERS);
    if (mailbox_has_message(m) || mailbox_over(s))
        doorbell_ring(s->space, m->bells[RECEIVERS].door.number);
}

static int make(liaison_mailbox *m, enum waiter_role role, uint64_t epoch)
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
static int find_or_make(liaison_mailbox *m, enum waiter_role role, bool *made)
{
    struct bell *b = &m->bells[role];
    uint64_t epoch = process_epoch();
    bool denied = role == SENDERS && segment_is_pipe(m->segment) && !pipe_admits(m, SENDERS);
    int r = denied              ? LIAISON_DENIED
            : role == RECEIVERS ? mailbox_may_take(m, epoch)
                                : segment_check(m->segment, epoch);
    *made = false;
    if (r != LIAISON_OK)
        return r;
    process_lock(); /* of threads that ask at once, one makes it */
    if (observe(&b->epoch) != epoch || !doorbell_stands(&b->door)) {
        bell_close(m, role); /* of a parent's only the descriptors are ours */
        r = make(m, role, epoch);
        *made = r == LIAISON_OK;
    }
    process_unlock();
    return r;
}

int liaison_mailbox_doorbell(liaison_mailbox *m, int *fd)
{
    bool made;
    int r = find_or_make(m, RECEIVERS, &made);
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
    int r = find_or_make(m, SENDERS, &made);
    if (r != LIAISON_OK)
        return r;
    arm(m, SENDERS);
    *fd = m->bells[SENDERS].door.fd;
    return LIAISON_OK;
}
