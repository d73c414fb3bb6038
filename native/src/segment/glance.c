#include "segment/glance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "segment/mapping.h"

/* Copies bytes of the file. */
static int copy_part(int file, void *to, uint64_t at, uint64_t size)
{
    ssize_t n = size ? pread(file, to, size, (off_t)at) : 0;
    return n < 0 ? -errno : (uint64_t)n == size ? LIAISON_OK : LIAISON_CORRUPT;
}

#define TRIES 8

/* Copies the label of a header again, so that all of it is one name. The call copies in any order:
 * so the word that selects the half is read before and after. */
static int copy_label(int file, struct header *h)
{
    uint64_t before = 0, after; /* 0: no label has been set yet, so the copy is whole */
    for (int tries = 0; tries < TRIES; tries++, before = after) {
        int r = copy_part(file, &after, offsetof(struct header, naming), sizeof after);
        if (r != LIAISON_OK)
            return r;
        note(&h->naming, after);
        if (after == before)
            break;
        r = copy_part(file, h->label, offsetof(struct header, label), sizeof h->label);
        if (r != LIAISON_OK)
            return r;
    }
    return LIAISON_OK;
}

/* How much of a file a glance copies rather than maps: about where both take equally long. */
#define COPIED 65536u

int segment_glance(struct liaison_space *space, int file, const struct stat *st, bool counts,
                   struct segment **out)
{
    struct header h;
    const struct geometry *g = &h.geometry;
    int r = mapping_read_header(file, st, &h);
    if (r == LIAISON_OK)
        r = copy_label(file, &h);
    if (r != LIAISON_OK)
        return r;
    struct segment *s = mapping_begin(space, st, g);
    if (!s)
        return -ENOMEM;
    s->header = &h; /* until it has its copy */
    uint64_t waiting = 0;
    for (uint32_t i = 0; i < 2 * WAITER_WORDS; i++)
        waiting |= glance(&h.waiters[i / WAITER_WORDS][i % WAITER_WORDS]);
    uint64_t users = glance32(&h.attachments_top);
    users = (users < g->attachments ? users : g->attachments) * sizeof(struct attachment);
    uint64_t cells = g->cells_at - g->returned_at + (uint64_t)segment_cells(s) * g->stride;
    /* The ring, if `counts`, and the attachments; then the waiters, and the cells. */
    uint64_t first = counts ? g->ring_at : g->attachments_at;
    uint64_t size[] = {g->attachments_at + users - first,
                       counts && waiting ? 2 * WAITERS * sizeof(struct waiter) : 0,
                       counts ? cells : 0};
    uint64_t total = sizeof h + size[0] + size[1] + size[2];
    if (total > COPIED || (counts && glance(&h.arena_size) != 0)) {
        mapping_end(s);
        return mapping_make(space, file, st, g, 0, out);
    }
    uint8_t *copy =
        aligned_alloc(_Alignof(struct header), round_up(total, _Alignof(struct header)));
    if (!copy) {
        mapping_end(s);
        return -ENOMEM;
    }
    s->base = copy;
    s->copied = true;
    s->header = memcpy(copy, &h, sizeof h);
    copy += sizeof h;
    s->ring = (word64 *)copy;
    s->attachments = (struct attachment *)(copy + (g->attachments_at - first));
    r = copy_part(file, copy, first, size[0]);
    copy += size[0];
    s->waiters[RECEIVERS] = (struct waiter *)copy;
    s->waiters[SENDERS] = s->waiters[RECEIVERS] + WAITERS;
    if (r == LIAISON_OK)
        r = copy_part(file, copy, g->waiters_at, size[1]);
    copy += size[1];
    s->returned = (word64 *)copy;
    s->cells = copy + (g->cells_at - g->returned_at);
    if (r == LIAISON_OK)
        r = copy_part(file, copy, g->returned_at, size[2]);
    if (r == LIAISON_OK)
        *out = s;
    else
        segment_close(s);
    return r;
}
