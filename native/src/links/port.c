#include "links/port.h"

#include "base/process.h"
#include "links/link.h"
#include "links/turn.h"
#include "parts/cell.h"
#include "parts/ring.h"
#include "segment/naming.h"
#include "segment/recover.h"
#include "space/member.h"
#include "waiting/wait.h"

bool port_is_receiver(const struct segment *s)
{
    return observe(&s->epoch) == process_epoch() && glance(&s->identity) == s->geometry.creator;
}

bool port_step_down(struct segment *s)
{
    bool letters = s->geometry.dead_letters[0] != 0;
    uint32_t next = letters ? LINK_ORPHANED : LINK_DESTROYED;
    return segment_step(s, LINK_LIVE, next) || segment_step(s, LINK_ENDED, next);
}

static void bereave(struct segment *s)
{
    if (!port_step_down(s))
        return;
    if (segment_state(s) == LINK_DESTROYED)
        (void)naming_end(s); /* or the next process that wants it */
    wait_wake_all(s);
}

/* Whether there were senders and all have ended. `sender_came` is read first: a sender sets it
 * after it has attached. */
static bool senders_gone(struct segment *s)
{
    if (!look32(&s->header->sender_came) || observe32(&s->senders) != 0)
        return false; /* no sender yet; or one in this very process */
    uint32_t top = observe32(&s->header->attachments_top);
    for (uint32_t i = 0; i < top && i < s->geometry.attachments; i++) {
        uint64_t identity = observe(&s->attachments[i].identity);
        if (identity != s->geometry.creator && member_alive(s->space, identity))
            return false;
    }
    return true;
}

static void look_for_sides(struct segment *s, bool at_once)
{
    uint32_t now = process_tick(), state = segment_state(s);
    if (now == glance32(&s->last_look) && !at_once)
        return;
    note32(&s->last_look, now);
    if (state != LINK_LIVE && state != LINK_ENDED)
        return;
    if (!port_is_receiver(s)) {
        if (!member_alive(s->space, s->geometry.creator))
            bereave(s);
    } else if (state == LINK_LIVE && s->geometry.lifetime == LIAISON_LIFETIME_SENDERS &&
               senders_gone(s)) {
        if (segment_step(s, LINK_LIVE, LINK_ENDED))
            wait_wake_all(s);
    }
}

static bool watched(const struct segment *s)
{
    return !port_is_receiver(s) || s->geometry.lifetime == LIAISON_LIFETIME_SENDERS;
}

static int admit(const struct segment *s)
{
    uint32_t state = segment_state(s);
    if (state == LINK_LIVE)
        return LIAISON_OK;
    return state == LINK_ORPHANED ? LIAISON_ORPHANED : LIAISON_NOT_FOUND;
}

/* A sender has attached, and counts. */
static void came(struct segment *s) { announce32(&s->header->sender_came, 1); }

int port_taken_by(struct segment *other)
{
    if (!is_port(other))
        return LIAISON_MISMATCH;
    return segment_state(other) == LINK_ORPHANED ? LIAISON_ORPHANED : LIAISON_BUSY;
}

void port_begin(liaison_mailbox *m, bool created)
{
    struct segment *s = m->segment;
    /* The role of a port's handle is known before it is used. */
    segment_tell_role(s, created ? ROLE_RECEIVES : ROLE_SENDS);
    m->receives = created;
    m->sends = !created;
    if (created)
        return;
    add32(&s->senders, 1);
    came(s);
}

static void end(liaison_mailbox *m)
{
    if (m->receives && !m->segment->broken && port_is_receiver(m->segment))
        bereave(m->segment);
}

static void closed(liaison_mailbox *m)
{
    if (m->drains)
        port_drain_end(m->segment);
    if (m->sends && add32(&m->segment->senders, (uint32_t)-1) == 1)
        look_for_sides(m->segment, true); /* perhaps it was the last */
}

/* ---- what is left for the dead letters ------------------------------------------------------ */

int port_drain_begin(struct segment *s)
{
    if (!is_port(s) || segment_state(s) != LINK_ORPHANED)
        return LIAISON_NOT_FOUND;
    int r = segment_attach(s);
    if (r == LIAISON_OK && segment_state(s) != LINK_ORPHANED)
        r = LIAISON_NOT_FOUND; /* removed by a cleaner that saw no process attached */
    if (r != LIAISON_OK)
        return r;
    uint64_t epoch = process_epoch(), before = observe(&s->draining);
    /* The turn belongs to the process, so its threads need another. A value that a parent left is
     * another process's. */
    if (before == epoch || !replace(&s->draining, before, epoch))
        return LIAISON_BUSY;
    r = turn_enter(s);
    if (r != LIAISON_OK)
        publish(&s->draining, 0);
    return r;
}

void port_drain_end(struct segment *s)
{
    if (observe(&s->draining) != process_epoch())
        return;
    if (observe(&s->epoch) == process_epoch() && !s->broken)
        turn_leave(s);
    publish(&s->draining, 0);
}

int port_drained(struct segment *s)
{
    if (!ring_close(s))
        return LIAISON_FULL;
    recover_dead(s);
    if (!ring_drained(s))
        return LIAISON_FULL;
    /* From here on each message is in a cell that is leased or returned, and each cell is read
     * once: so a message that is released meanwhile cannot be missed by both counts. */
    bool returned = false, leased = false;
    for (uint32_t x = 0; x < segment_cells(s); x++) {
        uint32_t state = cell_state(look(&segment_cell(s, x)->header));
        returned |= state == CELL_RETURNED;
        leased |= state == CELL_LEASED;
    }
    if (returned || leased)
        return returned ? LIAISON_FULL : LIAISON_BUSY;
    if (s->broken)
        return LIAISON_CORRUPT;
    if (segment_step(s, LINK_ORPHANED, LINK_DESTROYED)) {
        (void)naming_end(s); /* or the next process that wants it */
        wait_wake_all(s);
    }
    return LIAISON_OK;
}

/* ---- the kind -------------------------------------------------------------------------------- */

static void plan(const struct liaison_policy *policy, struct geometry *g)
{
    if (!policy->lifetime)
        g->lifetime = LIAISON_LIFETIME_RECEIVER;
}

/* Messages must be able to wait for what ends it. */
static bool check(const struct geometry *g)
{
    return g->access == LIAISON_ANY && !g->rendezvous &&
           (g->lifetime == LIAISON_LIFETIME_RECEIVER || g->lifetime == LIAISON_LIFETIME_SENDERS);
}

static const struct kind port = {.number = LIAISON_KIND_PORT,
                                 .ways = 1,
                                 .sides = true,
                                 .capacity = LINK_CAPACITY,
                                 .repair = &link_repair,
                                 .plan = plan,
                                 .check = check,
                                 .admit = admit,
                                 .came = came,
                                 .look = look_for_sides,
                                 .watched = watched,
                                 .closely = true,
                                 .end = end,
                                 .closed = closed};
KIND_ENTER(port);
