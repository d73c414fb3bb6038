/* endpoint.c — a process's own name.
 *
 * An endpoint is a link whose turn one process has, from its claim until the handle is closed or it
 * dies. Messages to it lie in links of their own, one for each sender; the endpoint's own messages
 * are introductions, each the id of a new sender. If they have no room nothing is lost: the process
 * that takes as many introductions as there is room for then searches for links itself.
 */
#include "links/handle.h"
#include "links/link.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "links/turn.h"
#include "parts/cell.h"
#include "parts/ring.h"
#include "segment/mapping.h"
#include "segment/naming.h"
#include "segment/opening.h"
#include "space/member.h"

int liaison_link_alias(liaison_mailbox *m, const char *name)
{
    for (int tries = 0;; tries++) {
        int r = segment_look(m->segment);
        if (r == LIAISON_OK)
            r = naming_add(m->segment, name);
        if (r != LIAISON_NAME_TAKEN || naming_again(tries) != LIAISON_OK)
            return r;
        /* A destroyed link may still have the name. Opening it shows that, and removes the name. */
        struct segment *other;
        int o = segment_open(m->segment->space, name, NULL, false, &other);
        if (o == LIAISON_OK)
            segment_close(other);
        if (o != LIAISON_NOT_FOUND)
            return r;
    }
}

int liaison_link_retire(liaison_mailbox *m, const char *name)
{
    int r = segment_look(m->segment);
    return r == LIAISON_OK ? naming_remove(m->segment, name) : r;
}

static int names_of(liaison_space *space, int links, int directory, const char *id,
                    char names[LIAISON_NAMES_NOTED][LIAISON_NAME_MAX + 4], size_t *count, bool *all)
{
    struct stat st;
    struct segment *s;
    int file,
        r = name_valid(id) ? space_file(space, links, id, O_RDWR, &file, &st) : LIAISON_INVALID;
    if (r != LIAISON_OK)
        return r;
    r = segment_map(space, file, &st, &s);
    if (r == LIAISON_OK) {
        *count = naming_list(s, directory, names);
        *all = fstat(file, &st) == 0 && st.st_nlink <= *count + 1; /* and its permanent one */
        segment_close(s);
    }
    close(file);
    return r;
}

int liaison_link_names(liaison_space *space, const char *id,
                       char names[LIAISON_NAMES_NOTED][LIAISON_NAME_MAX + 4], size_t *count,
                       bool *all)
{
    int links, directory;
    space_hold(space);
    int r = space_links_and_names(space, &links, &directory);
    if (r == LIAISON_OK) {
        r = names_of(space, links, directory, id, names, count, all);
        close(links);
        close(directory);
    }
    space_release(space);
    return r;
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
    /* Announced, now look: a process that ends an unused endpoint announces that, and looks for a
     * claim. */
    if (segment_spare(s) != LINK_LIVE) {
        turn_leave(s);
        return LIAISON_DESTROYED;
    }
    segment_tell_role(s, ROLE_RECEIVES);
    publish(&m->claimed, epoch);
    /* The previous process may have died between removing a name and counting the change. */
    naming_changed(s);
    return LIAISON_OK;
}

/* Each claim is a change, and no other process makes one before. */
bool liaison_endpoint_first(liaison_mailbox *m)
{
    return observe(&m->segment->header->naming) >> 1 == 1;
}

bool liaison_endpoint_heard(liaison_mailbox *m)
{
    struct segment *s = m->segment;
    return ring_count(s) + cell_count_returned(s) == 0 && !s->broken;
}

static void end(liaison_mailbox *m)
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
        (void)member_peer(s->space, identity, 0, peer);
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

/* ---- the kind ------------------------------------------------------------------------------- */

#define INTRODUCTIONS 16u
#define INTRODUCTION_MAX 64u
#define PAIR_CAPACITY 256u

static void plan(const struct liaison_policy *policy, struct geometry *g)
{
    g->pair_capacity = policy->pair_capacity < 0 ? PAIR_CAPACITY : (uint32_t)policy->pair_capacity;
}

static bool check(const struct geometry *g)
{
    return g->access == LIAISON_ANY && g->max_message != 0 && !g->rendezvous &&
           g->lifetime <= LIAISON_LIFETIME_RECEIVER && g->pair_capacity <= LIAISON_CAPACITY_MAX;
}

static const struct kind endpoint = {.number = LIAISON_KIND_ENDPOINT,
                                     .ways = 1,
                                     .capacity = INTRODUCTIONS,
                                     .max_message = INTRODUCTION_MAX,
                                     .repair = &link_repair,
                                     .plan = plan,
                                     .check = check,
                                     .end = end};
KIND_ENTER(endpoint);
