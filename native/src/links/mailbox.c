/* mailbox.c — opening a link, closing it, and ending it. */
#include <errno.h>
#include <stdlib.h>

#include "base/process.h"
#include "links/endpoint.h"
#include "links/handle.h"
#include "links/pipe.h"
#include "links/port.h"
#include "parts/receipt.h"
#include "space/member.h"
#include "waiting/bell.h"
#include "waiting/wait.h"

liaison_mailbox *handle_create(struct segment *s)
{
    liaison_mailbox *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->segment = s;
    note32(&m->holds, 1);
    m->bells[RECEIVERS].door = m->bells[SENDERS].door = DOORBELL_NONE;
    spin_begin(&m->spin);
    /* Senders that begin in different places get in each other's way less. */
    note32(&m->cursor, glance32(&s->slot) * 37 % s->geometry.cells);
    return m;
}

/* What stands where a port was to be created. */
static int taken_by(struct segment *other)
{
    if (!segment_is_port(other))
        return LIAISON_MISMATCH;
    return observe32(&other->header->state) == LINK_ORPHANED ? LIAISON_ORPHANED : LIAISON_BUSY;
}

static int begin_burying(struct segment *s)
{
    if (!segment_is_port(s) || observe32(&s->header->state) != LINK_ORPHANED)
        return LIAISON_NOT_FOUND;
    int r = segment_attach(s);
    return r == LIAISON_OK ? port_bury_begin(s) : r;
}

int liaison_mailbox_open(liaison_space *space, const char *name, enum liaison_open how,
                         const struct liaison_policy *policy, liaison_mailbox **out)
{
    static const struct liaison_policy defaults = {.capacity = -1};
    struct segment *s = NULL;
    int r = LIAISON_NOT_FOUND;
    bool fresh = false;
    /* Creating and destroying processes can make either half fail in turn; each failure
     * means that one of them got on. */
    for (int tries = 0; tries < 1000; tries++) {
        if (how & (LIAISON_OPEN | LIAISON_OBSERVE | LIAISON_BURY)) {
            r = segment_open(space, name, policy, how & LIAISON_OPEN, &s);
            if (r != LIAISON_NOT_FOUND || !(how & LIAISON_CREATE))
                break;
        }
        r = segment_create(space, name, policy ? policy : &defaults, &s);
        fresh = r == LIAISON_OK;
        if (r != LIAISON_NAME_TAKEN)
            break;
        if (!(how & LIAISON_OPEN)) {
            /* Taken by a link that is destroyed and only not yet unlinked? Opening it
             * finds out, and removes it. */
            struct segment *other = NULL;
            int o = segment_open(space, name, NULL, false, &other);
            if (o == LIAISON_OK) {
                if (policy && policy->kind == LIAISON_KIND_PORT)
                    r = taken_by(other);
                segment_close(other);
            }
            if (o != LIAISON_NOT_FOUND)
                break;
        }
    }
    if (r == LIAISON_OK && how == LIAISON_BURY) {
        r = begin_burying(s);
        if (r != LIAISON_OK)
            segment_close(s);
    }
    if (r != LIAISON_OK)
        return r;
    liaison_mailbox *m = handle_create(s);
    if (!m) {
        if (how == LIAISON_BURY)
            port_bury_end(s);
        segment_close(s);
        return -ENOMEM;
    }
    m->buries = how == LIAISON_BURY;
    m->receives = segment_is_port(s) && fresh;
    m->sends = segment_is_port(s) && !fresh && (how & LIAISON_OPEN);
    /* What a port's ends are for is known before they are used. */
    if (m->receives)
        segment_tell_role(s, ROLE_RECEIVES);
    if (m->sends) {
        segment_tell_role(s, ROLE_SENDS);
        add32(&s->senders, 1);
        port_sender_came(s);
    }
    *out = m;
    return LIAISON_OK;
}

void liaison_mailbox_interrupt(liaison_mailbox *m)
{
    announce32(&m->closed, 1);
    wait_wake_own(m->segment);
}

void mailbox_let_go(liaison_mailbox *m)
{
    struct segment *s = m->segment;
    if (add32(&m->holds, (uint32_t)-1) != 1)
        return;
    liaison_port_end(m);
    if (m->buries)
        port_bury_end(s);
    if (segment_is_port(s) && m->sends && add32(&s->senders, (uint32_t)-1) == 1)
        port_look(s, true); /* perhaps it was the last */
    bell_close(m, RECEIVERS);
    bell_close(m, SENDERS);
    segment_close(s);
    free(m);
}

void liaison_mailbox_close(liaison_mailbox *m)
{
    if (!m)
        return;
    if (look32(&m->holds) > 1) { /* a set looks at it, and is told to let it go */
        liaison_mailbox_interrupt(m);
        liaison_port_end(m);
    }
    mailbox_let_go(m);
}

int liaison_mailbox_destroy(liaison_mailbox *m, bool force)
{
    struct segment *s = m->segment;
    uint64_t me = 0;
    int r = segment_look(s);
    if (r != LIAISON_OK && r != LIAISON_CORRUPT)
        return r;
    r = member_identity(s->space, &me);
    if (r != LIAISON_OK)
        return r;
    if (!force && s->geometry.creator != me && member_alive(s->space, s->geometry.creator))
        return LIAISON_NOT_OWNER;
    if (segment_is_port(s) && !s->broken) {
        /* With dead letters it is destroyed by who has buried what is in it; or, when that
         * cannot be done, by force and the second time. */
        bool orphan = observe32(&s->header->state) == LINK_ORPHANED;
        if (orphan && force)
            exchange32(&s->header->state, LINK_ORPHANED, LINK_DESTROYED);
        else
            port_bereave(s);
        if (observe32(&s->header->state) == LINK_ORPHANED)
            return LIAISON_OK;
    } else if (!s->broken && !exchange32(&s->header->state, LINK_LIVE, LINK_DESTROYED) &&
               !(segment_is_pipe(s) &&
                 (exchange32(&s->header->state, LINK_ENDED, LINK_DESTROYED) ||
                  exchange32(&s->header->state, LINK_ORPHANED, LINK_DESTROYED)))) {
        return LIAISON_DESTROYED;
    }
    if (s->geometry.kind != LIAISON_KIND_PIPE) {
        char id[40];
        segment_id(&s->geometry, id);
        segment_unlink(s->space, s->device, s->inode, id);
    }
    if (!s->broken)
        wait_wake_all(s);
    return LIAISON_OK;
}

/* ---- ports -------------------------------------------------------------------------- */

void liaison_port_end(liaison_mailbox *m)
{
    endpoint_leave(m);
    if (segment_is_pipe(m->segment))
        pipe_end(m);
    else if (m->receives && !m->segment->broken && port_is_receiver(m->segment))
        port_bereave(m->segment);
}

/* ---- receipts ----------------------------------------------------------------------- */

int liaison_receipt_state(liaison_mailbox *m, const struct liaison_receipt *receipt, int *state,
                          struct liaison_peer *peer)
{
    port_look(m->segment, false);
    return receipt_look(m->segment, receipt, state, peer);
}

int liaison_receipt_wait(liaison_mailbox *m, const struct liaison_receipt *receipt, int state,
                         const struct liaison_wait *wait)
{
    return receipt_await(m->segment, receipt, state, wait, &m->spin, &m->closed);
}

void liaison_receipt_drop(liaison_mailbox *m, struct liaison_receipt *receipt)
{
    if (receipt->epoch == process_epoch())
        receipt_free(m->segment, receipt->index, receipt->generation);
    receipt->index = 0;
}
