/* fileno.c — a link's descriptors: armed while there is nothing, and readable when there may
 * be. */
#include "links/fileno.h"

#include "base/process.h"
#include "links/around.h"
#include "links/available.h"
#include "links/pipe.h"
#include "waiting/readiness.h"

static void arm(liaison_mailbox *m, enum waiter_role role)
{
    struct segment *s = m->segment;
    unsigned care = links_around.care(s);
    if (s->geometry.kind == LIAISON_KIND_PIPE)
        care &= ~(unsigned)CARE_SIDE; /* its token is in the epoll set, and shows it */
    readiness_arm(&m->readiness[role], s, role, care);
}

void readiness_rearm(liaison_mailbox *m)
{
    struct segment *s = m->segment;
    const struct readiness *d = &m->readiness[RECEIVERS];
    if (observe(&d->epoch) != process_epoch())
        return;
    arm(m, RECEIVERS);
    if (mailbox_has_message(m) || mailbox_over(s))
        doorbell_ring(s->space, d->door.number);
}

/* The role's descriptor, made if it is not there yet. */
static int find_or_make(liaison_mailbox *m, enum waiter_role role, bool *made)
{
    struct segment *s = m->segment;
    struct readiness *d = &m->readiness[role];
    uint64_t epoch = process_epoch();
    bool denied = role == SENDERS && is_pipe(s) && !pipe_admits(m, SENDERS);
    int r = denied              ? LIAISON_DENIED
            : role == RECEIVERS ? mailbox_may_take(m, epoch)
                                : segment_check(s, epoch);
    *made = false;
    if (r != LIAISON_OK)
        return r;
    process_lock();
    if (observe(&d->epoch) != epoch || !doorbell_stands(&d->door)) {
        r = readiness_make(d, s, role, epoch);
        if (r == LIAISON_OK)
            r = pipe_tell(s, role, d->door.fd);
        *made = r == LIAISON_OK;
        if (!*made) {
            readiness_close(d, s, role);
            publish(&d->epoch, 0);
        }
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
        readiness_rearm(m);
    *fd = m->readiness[RECEIVERS].door.fd;
    return LIAISON_OK;
}

int liaison_mailbox_doorbell_for_room(liaison_mailbox *m, int *fd)
{
    bool made;
    int r = find_or_make(m, SENDERS, &made);
    if (r != LIAISON_OK)
        return r;
    arm(m, SENDERS);
    *fd = m->readiness[SENDERS].door.fd;
    return LIAISON_OK;
}
