#include "links/handle.h"

#include <stdlib.h>

#include "base/process.h"
#include "segment/mapping.h"
#include "waiting/wait.h"

liaison_mailbox *handle_create(struct segment *s)
{
    liaison_mailbox *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->segment = s;
    note32(&m->holds, 1);
    readiness_init(&m->readiness[RECEIVERS]);
    readiness_init(&m->readiness[SENDERS]);
    spin_begin(&m->spin);
    linger_begin(&m->lingers[RECEIVERS], LINGER_RECEIVING, s->geometry.cells);
    linger_begin(&m->lingers[SENDERS], LINGER_SENDING, s->geometry.cells);
    /* Senders that begin at different cells disturb each other less. */
    note32(&m->cursor, glance32(&s->slot) * 37 % segment_cells(s));
    return m;
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
    if (s->kind->closed)
        s->kind->closed(m);
    readiness_close(&m->readiness[RECEIVERS], s, RECEIVERS);
    readiness_close(&m->readiness[SENDERS], s, SENDERS);
    segment_close(s);
    free(m);
}

void liaison_mailbox_keep_memory(liaison_mailbox *m)
{
    process_lock();
    m->segment->stays = true;
    process_unlock();
}

void liaison_mailbox_close(liaison_mailbox *m)
{
    if (!m)
        return;
    if (look32(&m->holds) > 1) { /* a set looks at it, and must be woken to let it go */
        liaison_mailbox_interrupt(m);
        liaison_port_end(m);
    }
    mailbox_let_go(m);
}

void liaison_port_end(liaison_mailbox *m)
{
    if (m->segment->kind->end)
        m->segment->kind->end(m);
}
