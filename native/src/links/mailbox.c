/* mailbox.c — opening a link and destroying it. */
#include <errno.h>
#include <stdlib.h>

#include "base/process.h"
#include "links/around.h"
#include "links/handle.h"
#include "links/link.h"
#include "links/pipe.h"
#include "links/port.h"
#include "parts/receipt.h"
#include "segment/mapping.h"
#include "segment/naming.h"
#include "segment/opening.h"
#include "space/member.h"
#include "waiting/awaiting.h"
#include "waiting/wait.h"

int liaison_mailbox_open(liaison_space *space, const char *name, enum liaison_open how,
                         const struct liaison_policy *policy, liaison_mailbox **out)
{
    struct liaison_policy wanted = policy ? *policy : (struct liaison_policy){.capacity = -1};
    if (!wanted.kind)
        wanted.kind = LIAISON_KIND_MAILBOX;
    struct segment *s = NULL;
    int r = LIAISON_NOT_FOUND;
    bool fresh = false;
    /* Processes that create and destroy can make either half fail in turn; each failure means that
     * one of them got on, or that one was stopped between destroying a link and removing its
     * name. */
    for (int tries = 0;; tries++) {
        r = naming_again(tries);
        if (r != LIAISON_OK)
            return r;
        if (how & (LIAISON_OPEN | LIAISON_OBSERVE | LIAISON_DRAIN)) {
            r = segment_open(space, name, policy, how & LIAISON_OPEN, &s);
            if (r != LIAISON_NOT_FOUND || !(how & LIAISON_CREATE))
                break;
        }
        r = segment_create(space, name, &wanted, &s);
        fresh = r == LIAISON_OK;
        if (r != LIAISON_NAME_TAKEN)
            break;
        if (!(how & LIAISON_OPEN)) {
            /* A destroyed link may still have the name. Opening it shows that, and removes the
             * name. */
            struct segment *other = NULL;
            int o = segment_open(space, name, NULL, false, &other);
            if (o == LIAISON_OK) {
                if (wanted.kind == LIAISON_KIND_PORT)
                    r = port_taken_by(other);
                segment_close(other);
            }
            if (o != LIAISON_NOT_FOUND)
                break;
        }
    }
    if (r == LIAISON_OK && how == LIAISON_DRAIN) {
        r = port_drain_begin(s);
        if (r != LIAISON_OK)
            segment_close(s);
    }
    if (r != LIAISON_OK)
        return r;
    liaison_mailbox *m = handle_create(s);
    if (!m) {
        if (how == LIAISON_DRAIN)
            port_drain_end(s);
        segment_close(s);
        return -ENOMEM;
    }
    m->drains = how == LIAISON_DRAIN;
    if (is_port(s) && (fresh || (how & LIAISON_OPEN)))
        port_begin(m, fresh);
    *out = m;
    return LIAISON_OK;
}

/* Whether this process may destroy it. */
static int may_destroy(struct segment *s, bool force)
{
    uint64_t me = 0, creator = s->geometry.creator;
    bool alive = false;
    int r = segment_identity(s, &me);
    if (r == LIAISON_OK && !force && creator != me)
        r = segment_with_its_space(member_look(s->space, creator, &alive));
    return r == LIAISON_OK && alive ? LIAISON_NOT_OWNER : r;
}

/* The step of its state. LIAISON_ORPHANED: a port with dead letters is destroyed by the process
 * that has drained it; or, when that cannot be done, by force and the second time. */
static int step_down(struct segment *s, bool force)
{
    if (s->broken)
        return LIAISON_OK;
    if (is_port(s)) {
        if (segment_state(s) != LINK_ORPHANED || !force)
            port_step_down(s);
        else
            segment_step(s, LINK_ORPHANED, LINK_DESTROYED);
        return segment_state(s) == LINK_ORPHANED ? LIAISON_ORPHANED : LIAISON_OK;
    }
    if (segment_step(s, LINK_LIVE, LINK_DESTROYED) ||
        (is_pipe(s) && (segment_step(s, LINK_ENDED, LINK_DESTROYED) ||
                        segment_step(s, LINK_ORPHANED, LINK_DESTROYED))))
        return LIAISON_OK;
    return LIAISON_DESTROYED;
}

int liaison_mailbox_destroy(liaison_mailbox *m, bool force)
{
    struct segment *s = m->segment;
    struct naming naming;
    bool named = !s->kind->nameless;
    int r = segment_look(s);
    if (r == LIAISON_DESTROYED && named)
        (void)naming_end(s); /* its destroyer could not do it */
    if (r == LIAISON_OK || r == LIAISON_CORRUPT)
        r = may_destroy(s, force);
    if (r != LIAISON_OK)
        return r;
    if (named) {
        r = naming_reach(s, &naming, true); /* before anything changes */
        if (r < 0)
            return r;
        named = r == LIAISON_OK;
    }
    int stepped = step_down(s, force);
    if (named) {
        r = stepped == LIAISON_OK ? naming_take_away(s, &naming, NULL) : LIAISON_OK;
        naming_leave(&naming);
    }
    if (stepped == LIAISON_DESTROYED)
        return stepped;
    if (!s->broken)
        wait_wake_all(s);
    return r < 0 ? r : LIAISON_OK; /* a name that is left, the next process that wants it removes */
}

bool liaison_mailbox_vanished(liaison_mailbox *m) { return segment_vanished(m->segment); }

/* ---- receipts ----------------------------------------------------------------------- */

int liaison_receipt_state(liaison_mailbox *m, const struct liaison_receipt *receipt, int *state,
                          struct liaison_peer *peer)
{
    sides_look(m->segment, false);
    return receipt_look(m->segment, receipt, state, peer);
}

int liaison_receipt_wait(liaison_mailbox *m, const struct liaison_receipt *receipt, int state,
                         const struct liaison_wait *wait)
{
    return receipt_await(m->segment, &links_around, receipt, state, wait, &m->spin, &m->closed);
}

void liaison_receipt_drop(liaison_mailbox *m, struct liaison_receipt *receipt)
{
    if (receipt->epoch == process_epoch())
        receipt_free(m->segment, receipt->index, receipt->generation);
    receipt->index = 0;
}

/* ---- the kinds ------------------------------------------------------------------------- */

#define QUEUE_CAPACITY 10u
#define QUEUE_MESSAGE 8192u

static bool check(const struct geometry *g) { return g->lifetime == 0; }
static bool check_queue(const struct geometry *g)
{
    return check(g) && g->max_message != 0 && !g->rendezvous;
}
static bool check_direct(const struct geometry *g) { return check(g) && g->access == LIAISON_PAIR; }

static const struct kind mailbox = {.number = LIAISON_KIND_MAILBOX,
                                    .ways = 1,
                                    .capacity = LINK_CAPACITY,
                                    .repair = &link_repair,
                                    .check = check};
static const struct kind queue = {.number = LIAISON_KIND_QUEUE,
                                  .ways = 1,
                                  .capacity = QUEUE_CAPACITY,
                                  .max_message = QUEUE_MESSAGE,
                                  .repair = &link_repair,
                                  .check = check_queue};
static const struct kind direct = {.number = LIAISON_KIND_DIRECT,
                                   .ways = 1,
                                   .capacity = LINK_CAPACITY,
                                   .repair = &link_repair,
                                   .check = check_direct};
KIND_ENTER(mailbox);
KIND_ENTER(queue);
KIND_ENTER(direct);
