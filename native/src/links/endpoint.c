#include "links/endpoint.h"

#include <string.h>

#include "base/process.h"
#include "parts/turn.h"
#include "segment/naming.h"
#include "space/member.h"

int liaison_link_alias(liaison_mailbox *m, const char *name)
{
    int r = segment_look(m->segment);
    return r == LIAISON_OK ? naming_add(m->segment, name) : r;
}

int liaison_link_retire(liaison_mailbox *m, const char *name)
{
    int r = segment_look(m->segment);
    return r == LIAISON_OK ? naming_remove(m->segment, name) : r;
}

uint64_t liaison_link_label(liaison_mailbox *m, char label[LIAISON_NAME_MAX + 4])
{
    return naming_label(m->segment, label);
}

int liaison_link_set_label(liaison_mailbox *m, const char *label)
{
    int r = name_valid(label) ? segment_check(m->segment, process_epoch()) : LIAISON_INVALID;
    if (r == LIAISON_OK)
        naming_set_label(m->segment, label);
    return r;
}

uint64_t liaison_link_version(liaison_mailbox *m)
{
    return observe(&m->segment->header->naming) << 1 | (segment_look(m->segment) != LIAISON_OK);
}

int liaison_endpoint_claim(liaison_mailbox *m)
{
    struct segment *s = m->segment;
    uint64_t epoch = process_epoch();
    int r = s->geometry.kind == LIAISON_KIND_ENDPOINT ? segment_check(s, epoch) : LIAISON_MISMATCH;
    if (r == LIAISON_OK)
        r = turn_take_alone(s);
    if (r != LIAISON_OK)
        return r;
    segment_tell_role(s, ROLE_RECEIVES);
    publish(&m->claimed, epoch);
    /* The one before may have died between taking a name away and saying so. */
    naming_changed(s);
    return LIAISON_OK;
}

void endpoint_leave(liaison_mailbox *m)
{
    /* A forked child has a copy of the handle, and its parent has the name. */
    if (observe(&m->claimed) != process_epoch())
        return;
    publish(&m->claimed, 0);
    if (observe(&m->segment->epoch) == process_epoch() && !m->segment->broken)
        turn_leave(m->segment);
}

void liaison_endpoint_holder(liaison_mailbox *m, struct liaison_peer *peer)
{
    struct segment *s = m->segment;
    uint64_t identity = turn_holder(s);
    memset(peer, 0, sizeof *peer);
    if (identity && member_alive(s->space, identity))
        member_peer(s->space, identity, 0, peer);
}

int liaison_space_introduce(liaison_space *space, const char *name)
{
    uint64_t me;
    space_hold(space);
    int r = name[0] == 0 || name_valid(name) ? member_identity(space, &me) : LIAISON_INVALID;
    if (r == LIAISON_OK)
        r = member_introduce(space, name);
    space_release(space);
    return r;
}
