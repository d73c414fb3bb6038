#include "links/port.h"

#include "base/process.h"
#include "links/pipe.h"
#include "links/recover.h"
#include "parts/cell.h"
#include "parts/ring.h"
#include "parts/turn.h"
#include "segment/naming.h"
#include "space/member.h"
#include "waiting/wait.h"

bool port_is_receiver(const struct segment *s)
{
    return observe(&s->epoch) == process_epoch() && glance(&s->identity) == s->geometry.creator;
}

void port_bereave(struct segment *s)
{
    bool letters = s->geometry.dead_letters[0] != 0;
    uint32_t next = letters ? LINK_ORPHANED : LINK_DESTROYED;
    if (!segment_step(s, LINK_LIVE, next) && !segment_step(s, LINK_ENDED, next))
        return;
    if (!letters)
        (void)naming_end(s); /* or whoever asks for the name */
    wait_wake_all(s);
}

void port_sender_came(struct segment *s)
{
    if (segment_is_port(s))
        announce32(&s->header->sender_came, 1);
}

/* Whether senders have come and all have gone again. That one came is looked at first: it was
 * said by one who had its place already. */
static bool senders_gone(struct segment *s)
{
    if (!look32(&s->header->sender_came) || observe32(&s->senders) != 0)
        return false; /* nobody yet; or somebody in this very process */
    uint32_t top = observe32(&s->header->attachments_top);
    for (uint32_t i = 0; i < top && i < s->geometry.attachments; i++) {
        uint64_t identity = observe(&s->attachments[i].identity);
        if (identity != s->geometry.creator && member_alive(s->space, identity))
            return false;
    }
    return true;
}

void port_look(struct segment *s, bool at_once)
{
    if (__builtin_expect(!segment_has_sides(s), 1))
        return;
    uint32_t now = process_tick();
    bool news = segment_is_pipe(s) && (pipe_news(s) || pipe_over(s));
    if (now == glance32(&s->last_look) && !at_once && !news)
        return;
    note32(&s->last_look, now);
    if (segment_is_pipe(s)) {
        pipe_look(s);
        return;
    }
    uint32_t state = segment_state(s);
    if (state != LINK_LIVE && state != LINK_ENDED)
        return;
    if (!port_is_receiver(s)) {
        if (!member_alive(s->space, s->geometry.creator))
            port_bereave(s);
    } else if (state == LINK_LIVE && s->geometry.lifetime == LIAISON_LIFETIME_SENDERS &&
               senders_gone(s)) {
        if (segment_step(s, LINK_LIVE, LINK_ENDED))
            wait_wake_all(s);
    }
}

bool port_watched(const struct segment *s)
{
    return segment_is_pipe(s) ||
           (segment_is_port(s) &&
            (!port_is_receiver(s) || s->geometry.lifetime == LIAISON_LIFETIME_SENDERS));
}

int port_admit(const struct segment *s)
{
    uint32_t state = segment_state(s);
    if (!segment_is_port(s) || state == LINK_LIVE)
        return LIAISON_OK;
    return state == LINK_ORPHANED ? LIAISON_ORPHANED : LIAISON_NOT_FOUND;
}

int port_bury_begin(struct segment *s)
{
    uint64_t epoch = process_epoch(), before = observe(&s->burying);
    /* The turn is the process's: its threads need one of their own. A value that a parent
     * left is another process's. */
    if (before == epoch || !exchange(&s->burying, before, epoch))
        return LIAISON_BUSY;
    int r = turn_enter(s);
    if (r != LIAISON_OK)
        publish(&s->burying, 0);
    return r;
}

void port_bury_end(struct segment *s)
{
    if (observe(&s->burying) != process_epoch())
        return;
    if (observe(&s->epoch) == process_epoch() && !s->broken)
        turn_leave(s);
    publish(&s->burying, 0);
}

int port_buried(struct segment *s)
{
    if (!ring_close(s))
        return LIAISON_FULL;
    recover_dead(s, true);
    if (!ring_drained(s))
        return LIAISON_FULL;
    /* From here on a message is in a cell that is leased or returned, and each cell is read
     * once: whoever gives one back meanwhile cannot slip from one count into the other. */
    bool returned = false, leased = false;
    for (uint32_t x = 0; x < s->geometry.cells; x++) {
        uint32_t state = cell_state(look(&segment_cell(s, x)->header));
        returned |= state == CELL_RETURNED;
        leased |= state == CELL_LEASED;
    }
    if (returned || leased)
        return returned ? LIAISON_FULL : LIAISON_BUSY;
    if (s->broken)
        return LIAISON_CORRUPT;
    if (segment_step(s, LINK_ORPHANED, LINK_DESTROYED)) {
        (void)naming_end(s); /* or whoever asks for the name */
        wait_wake_all(s);
    }
    return LIAISON_OK;
}
