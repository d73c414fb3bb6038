/* inspection.c — looking at a link without taking part in it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "links/handle.h"
#include "links/inspection.h"
#include "parts/arena.h"
#include "parts/cell.h"
#include "parts/ring.h"
#include "segment/glance.h"
#include "segment/mapping.h"
#include "segment/naming.h"
#include "segment/opening.h"
#include "space/member.h"
#include "waiting/wait.h"

/* A link whose space was removed can still be inspected, but it has no users any more. */
static int with_its_space(int r)
{
    return r == LIAISON_NOT_FOUND ? LIAISON_OK : segment_with_its_space(r);
}

int liaison_mailbox_peer(liaison_mailbox *m, uint64_t identity, int32_t pid,
                         struct liaison_peer *peer)
{
    return with_its_space(member_peer(m->segment->space, identity, pid, peer));
}

int liaison_mailbox_waiting(liaison_mailbox *m, uint32_t *count)
{
    struct segment *s = m->segment;
    int r = segment_look(s);
    if (r == LIAISON_OK)
        *count = ring_count(s) + cell_count_returned(s);
    return s->broken ? LIAISON_CORRUPT : r;
}

/* All but its bytes, and the details of its creator. */
static void info_of(struct segment *s, struct liaison_info *info)
{
    const struct geometry *g = &s->geometry;
    memset(info, 0, sizeof *info);
    info->policy.kind = g->kind;
    info->policy.access = g->access;
    info->policy.capacity = g->rendezvous ? 0 : (int64_t)g->cells;
    info->policy.max_message = g->max_message;
    info->policy.memory = g->memory;
    info->policy.max_deliveries = g->max_deliveries;
    info->policy.lifetime = g->lifetime;
    memcpy(info->policy.dead_letters, g->dead_letters, sizeof info->policy.dead_letters);
    segment_id(g, info->id);
    info->policy.pair_capacity = g->kind == LIAISON_KIND_ENDPOINT ? (int64_t)g->pair_capacity : -1;
    naming_label(s, info->name);
    info->max_processes = g->attachments;
    uint64_t arena = arena_largest(s);
    info->largest = arena > s->inline_max ? arena : s->inline_max;
    info->creator.identity = g->creator;
}

void liaison_mailbox_describe(liaison_mailbox *m, struct liaison_info *info)
{
    info_of(m->segment, info);
}

int liaison_mailbox_info(liaison_mailbox *m, struct liaison_info *info)
{
    struct segment *s = m->segment;
    const struct geometry *g = &s->geometry;
    info_of(s, info);
    int r = with_its_space(member_peer(s->space, g->creator, 0, &info->creator));
    int links = space_part(s->space, SPACE_LINKS);
    struct stat st;
    if (g->kind == LIAISON_KIND_PIPE && fstat(descriptor_number(&s->file), &st) == 0)
        info->bytes = (uint64_t)st.st_blocks * 512;
    if (links >= 0) {
        if (fstatat(links, info->id, &st, AT_SYMLINK_NOFOLLOW) == 0)
            info->bytes = (uint64_t)st.st_blocks * 512;
        close(links);
    }
    return r;
}

int liaison_mailbox_attached(liaison_mailbox *m, struct liaison_attached *list, size_t max,
                             size_t *count)
{
    struct segment *s = m->segment;
    uint32_t top = observe32(&s->header->attachments_top);
    *count = 0;
    for (uint32_t i = 0; i < top && i < s->geometry.attachments && *count < max; i++) {
        uint64_t identity = observe(&s->attachments[i].identity);
        if (identity == 0)
            continue;
        struct liaison_attached *a = &list[*count];
        int r = member_peer(s->space, identity, 0, &a->peer);
        if (r != LIAISON_OK)
            return with_its_space(r);
        if (!a->peer.alive)
            continue;
        uint32_t roles = glance32(&s->attachments[i].roles);
        a->sends = roles & ROLE_SENDS;
        a->receives = roles & ROLE_RECEIVES;
        a->held = glance32(&s->attachments[i].held);
        ++*count;
    }
    return LIAISON_OK;
}

int liaison_space_peer(liaison_space *space, uint64_t identity, struct liaison_peer *peer)
{
    return member_peer(space, identity, 0, peer);
}

/* Opens it if looking may have to do more than that. */
static int look_at(struct liaison_space *space, int names, const char *name, bool counts,
                   struct segment **out, struct stat *st)
{
    int fd;
    int r = name_of_link_valid(name) ? space_file(space, names, name, O_RDWR, &fd, st)
                                     : LIAISON_INVALID;
    if (r != LIAISON_OK)
        return r;
    r = segment_glance(space, fd, st, counts, out);
    close(fd);
    if (r == LIAISON_OK && !segment_is_at_home(&(*out)->geometry, space)) {
        segment_close(*out);
        r = LIAISON_FOREIGN;
    }
    if (r != LIAISON_OK || !((*out)->kind->sides || st->st_nlink < 2 ||
                             segment_gone(&(*out)->geometry, segment_state(*out))))
        return r;
    segment_close(*out);
    return segment_find(space, names, name, out, st);
}

int liaison_space_look(liaison_space *space, int names, const char *name, struct liaison_info *info,
                       struct liaison_user *users, size_t max, size_t *count,
                       struct liaison_statistics *statistics)
{
    struct segment *s;
    struct stat st;
    int r = look_at(space, names, name, statistics != NULL, &s, &st);
    if (r != LIAISON_OK)
        return r;
    info_of(s, info);
    info->bytes = (uint64_t)st.st_blocks * 512;
    uint32_t top = observe32(&s->header->attachments_top);
    *count = 0;
    for (uint32_t i = 0; i < top && i < s->geometry.attachments && *count < max; i++) {
        uint64_t identity = observe(&s->attachments[i].identity);
        uint32_t roles = glance32(&s->attachments[i].roles);
        if (identity)
            users[(*count)++] =
                (struct liaison_user){identity, roles & ROLE_SENDS, roles & ROLE_RECEIVES};
    }
    if (statistics && s->geometry.kind != LIAISON_KIND_ENDPOINT)
        r = inspection_count(s, statistics);
    if (r == LIAISON_OK && s->broken)
        r = LIAISON_CORRUPT;
    segment_close(s);
    return r;
}

int inspection_count(struct segment *s, struct liaison_statistics *out)
{
    int r = segment_look(s);
    if (r != LIAISON_OK)
        return r;
    memset(out, 0, sizeof *out);
    out->taken = glance(&s->header->head);
    out->accepted = glance(&s->header->tail);
    out->returned = cell_count_returned(s);
    out->waiting = ring_count(s) + out->returned;
    uint32_t cells = segment_cells(s);
    out->free = s->geometry.cells - cells;
    for (uint32_t x = 0; x < cells; x++) {
        uint64_t h = glance(&segment_cell(s, x)->header);
        switch (cell_state(h)) {
        case CELL_FREE:
            out->free++;
            break;
        case CELL_LOANED:
            out->loaned++;
            break;
        case CELL_QUEUED: /* the lease is the ring's word, and the holder may be dead */
            out->leased += ring_leases(s, glance(&segment_cell(s, x)->position), x);
            break;
        case CELL_LEASED: /* or its sender has taken it back, and it was never delivered */
            out->leased += cell_deliveries(h) != 0;
            break;
        }
    }
    out->receivers_waiting = wait_count(s, RECEIVERS);
    out->senders_waiting = wait_count(s, SENDERS);
    out->arena_size = observe(&s->header->arena_size);
    out->arena_limit = s->geometry.arena_limit;
    out->arena_used = arena_used(s);
    return s->broken ? LIAISON_CORRUPT : LIAISON_OK;
}

int liaison_mailbox_statistics(liaison_mailbox *m, struct liaison_statistics *out)
{
    return inspection_count(m->segment, out);
}

/* ThreadSanitizer checks memcpy() itself, whatever the caller's attributes. */
#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread"))) static void copy_bytes(uint8_t *to, const uint8_t *from,
                                                              uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        ((volatile uint8_t *)to)[i] = from[i];
}
#else
#define copy_bytes memcpy
#endif

/* Copies a message that others may take meanwhile. The copy is good if `word` still says
 * `value` afterwards: while it does, the cell does not change. */
__attribute__((no_sanitize("thread"))) static bool copy_message(struct segment *s, uint32_t x,
                                                                const word64 *word, uint64_t value,
                                                                struct liaison_delivery *d)
{
    struct cell *c = segment_cell(s, x);
    const uint8_t *data;
    uint64_t size;
    memset(d, 0, sizeof *d);
    if (cell_payload(s, x, &data, &size) != LIAISON_OK)
        return false;
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        return false;
    copy_bytes(copy, data, size);
    d->data = copy;
    d->size = size;
    d->format = glance32(&c->format);
    d->attempt = cell_deliveries(observe(&c->header));
    d->cell = x;
    d->sender_pid = (int32_t)glance32(&c->sender_pid);
    d->sender = glance(&c->sender);
    d->position = glance(&c->position);
    if (look(word) == value && !s->broken)
        return true;
    free(copy);
    return false;
}

int liaison_mailbox_peek(liaison_mailbox *m, size_t max, liaison_visit visit, void *context)
{
    struct segment *s = m->segment;
    int r = segment_look(s);
    if (r != LIAISON_OK)
        return r;
    struct liaison_delivery d;
    bool more = true;
    uint64_t after = 0;
    bool any = false;
    /* The returned messages first, in order: each time the oldest that is younger than the last
     * one. */
    for (uint32_t n = cell_count_returned(s); n > 0 && max > 0 && more; n--) {
        uint32_t best = UINT32_MAX;
        uint64_t best_header = 0, best_position = 0;
        for (uint32_t x = 0; x < segment_cells(s); x++) {
            uint64_t h = observe(&segment_cell(s, x)->header);
            uint64_t p = glance(&segment_cell(s, x)->position);
            if (cell_state(h) != CELL_RETURNED || (any && (int64_t)(p - after) <= 0) ||
                (best != UINT32_MAX && (int64_t)(p - best_position) >= 0))
                continue;
            best = x;
            best_header = h;
            best_position = p;
        }
        if (best == UINT32_MAX)
            break;
        any = true;
        after = best_position;
        if (copy_message(s, best, &segment_cell(s, best)->header, best_header, &d)) {
            more = visit(context, &d);
            free((void *)d.data);
            max--;
        }
    }
    uint64_t p = glance(&s->header->head);
    for (uint32_t i = 0; i < 2 * s->geometry.ring_size && max > 0 && more; i++, p++) {
        uint64_t w = observe(ring_at(s, p));
        if (ring_cycle(w) != cycle_of(s, p) || ring_state(w) == RING_TAKEN)
            continue;
        if (ring_state(w) == RING_EMPTY)
            break;
        if (ring_cell(w) >= segment_cells(s))
            return LIAISON_CORRUPT;
        if (copy_message(s, ring_cell(w), ring_at(s, p), w, &d)) {
            more = visit(context, &d);
            free((void *)d.data);
            max--;
        }
    }
    return s->broken ? LIAISON_CORRUPT : LIAISON_OK;
}
