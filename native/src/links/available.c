#include "links/available.h"

#include "base/process.h"
#include "links/pipe.h"
#include "links/port.h"
#include "links/turn.h"
#include "parts/cell.h"
#include "parts/ring.h"

bool mailbox_has_message(liaison_mailbox *m)
{
    struct segment *s = m->segment;
    uint32_t waiting = 0;
    if (liaison_mailbox_waiting(m, &waiting) != LIAISON_OK)
        return true;
    return waiting && (s->geometry.access != LIAISON_EXCLUSIVE || turn_free(s));
}

bool mailbox_over(struct segment *s)
{
    uint32_t state = segment_state(s);
    return state != LINK_LIVE && !(state == LINK_ENDED && is_pipe(s) && pipe_pending(s));
}

int mailbox_may_take(const liaison_mailbox *m, uint64_t epoch)
{
    struct segment *s = m->segment;
    if (is_pipe(s) && !pipe_admits(m, RECEIVERS))
        return LIAISON_DENIED;
    int r = segment_check(s, epoch);
    if (__builtin_expect(!s->kind->sides, 1) || (r != LIAISON_OK && r != LIAISON_DESTROYED))
        return r;
    if (is_port(s) && (!m->receives || !port_is_receiver(s)))
        return segment_state(s) == LINK_DESTROYED ? LIAISON_DESTROYED : LIAISON_DENIED;
    return segment_state(s) == LINK_ENDED ? LIAISON_OK : r;
}

bool mailbox_nothing_more_comes(struct segment *s)
{
    sides_look(s, false);
    return segment_state(s) == LINK_ENDED && ring_close(s);
}

bool mailbox_may_come_back(struct segment *s) { return is_pipe(s) && pipe_pending(s); }

int mailbox_receivable(liaison_mailbox *m)
{
    if (look32(&m->closed))
        return LIAISON_CLOSED;
    int r = mailbox_may_take(m, process_epoch());
    if (r != LIAISON_OK || mailbox_has_message(m))
        return r;
    struct segment *s = m->segment;
    if (s->kind->sides && mailbox_nothing_more_comes(s) && !mailbox_may_come_back(s))
        return mailbox_has_message(m) ? LIAISON_OK : LIAISON_DESTROYED;
    return glance32(&s->vanished) ? LIAISON_DESTROYED : LIAISON_EMPTY;
}
