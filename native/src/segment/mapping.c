#include "segment/mapping.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/platform.h"
#include "base/process.h"
#include "segment/recover.h"

/* The segments that this process has mapped, by their files' inodes; guarded by process_lock. */
#define BUCKETS 1024u
static struct segment *segments[BUCKETS];

static struct segment **bucket_of(ino_t inode) { return &segments[inode % BUCKETS]; }

struct segment *mapping_begin(struct liaison_space *space, const struct stat *st,
                              const struct geometry *g)
{
    struct segment *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->references = 1;
    s->file = (struct descriptor){-1, st->st_dev, st->st_ino};
    s->token[RECEIVERS] = s->token[SENDERS] = (struct descriptor){-1, g->token[0], g->token[1]};
    s->device = st->st_dev;
    s->inode = st->st_ino;
    note32(&s->last_seen, process_tick());
    s->geometry = *g;
    s->kind = kind_find(g->kind);
    s->ring_mask = g->ring_size - 1;
    s->ring_shift = (uint32_t)__builtin_ctz(g->ring_size);
    s->inline_max = g->stride - CELL_PAYLOAD;
    if (g->max_message && g->max_message < s->inline_max)
        s->inline_max = (uint32_t)g->max_message;
    s->space = space_hold(space);
    return s;
}

void mapping_end(struct segment *s)
{
    space_release(s->space);
    free(s);
}

int mapping_make(struct liaison_space *space, int fd, const struct stat *st,
                 const struct geometry *g, uint64_t at, struct segment **out)
{
    struct segment *s = mapping_begin(space, st, g);
    if (!s)
        return -ENOMEM;
    void *base =
        mmap(NULL, g->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)at);
    if (base == MAP_FAILED) {
        int r = errno == ENODEV ? platform_lacks("shared mappings") : -errno;
        mapping_end(s);
        return r;
    }
    s->base = base;
    s->header = base;
    s->ring = (word64 *)(s->base + g->ring_at);
    s->attachments = (struct attachment *)(s->base + g->attachments_at);
    s->waiters[RECEIVERS] = (struct waiter *)(s->base + g->waiters_at);
    s->waiters[SENDERS] = s->waiters[RECEIVERS] + WAITERS;
    s->receipts = (struct receipt *)(s->base + g->receipts_at);
    s->returned = (word64 *)(s->base + g->returned_at);
    s->cells = s->base + g->cells_at;
    s->index = s->base + g->index_at;
    s->arena = s->base + g->arena_at;
    if (!guard_add(base, g->size, &s->broken)) {
        munmap(base, g->size);
        mapping_end(s);
        return -ENOMEM;
    }
    *out = s;
    return LIAISON_OK;
}

static void unmap(struct segment *s)
{
    if (s->copied) {
        free(s->base);
    } else if (!s->stays) {
        guard_remove(s->base);
        munmap(s->base, s->geometry.size);
    }
    if (s->kind->leave)
        s->kind->leave(s);
    if (s->first)
        segment_close(s->first);
    if (s->stays) /* the guard raises a flag in it */
        space_release(s->space);
    else
        mapping_end(s);
}

static void enlist_locked(struct segment *s)
{
    s->at = bucket_of(s->inode);
    s->next = *s->at;
    if (s->next)
        s->next->at = &s->next;
    *s->at = s;
}

void mapping_enlist(struct segment *s)
{
    process_lock();
    enlist_locked(s);
    process_unlock();
}

static struct segment *find_locked(dev_t device, ino_t inode, bool back)
{
    struct segment *s;
    for (s = *bucket_of(inode); s; s = s->next)
        if (s->inode == inode && s->device == device && (s->first != NULL) == back) {
            s->references++;
            break;
        }
    return s;
}

struct segment *mapping_find(const struct stat *st, bool back)
{
    process_lock();
    struct segment *s = find_locked(st->st_dev, st->st_ino, back);
    process_unlock();
    return s;
}

struct segment *mapping_enlist_or_find(struct segment *s)
{
    process_lock();
    struct segment *other = find_locked(s->device, s->inode, s->first != NULL);
    if (!other)
        enlist_locked(s);
    process_unlock();
    if (other)
        unmap(s);
    return other ? other : s;
}

bool segment_in_use(const struct liaison_space *space, char name[LIAISON_NAME_MAX + 4])
{
    process_lock();
    struct segment *s = NULL;
    for (size_t i = 0; i < BUCKETS && !s; i++)
        for (s = segments[i]; s; s = s->next)
            if (s->space == space && observe(&s->epoch) == process_epoch())
                break;
    if (s)
        memcpy(name, s->geometry.name, sizeof s->geometry.name);
    process_unlock();
    return s != NULL;
}

int mapping_read_header(int file, const struct stat *st, struct header *h)
{
    ssize_t n = pread(file, h, sizeof *h, 0);
    if (n < 0)
        return -errno;
    return n == (ssize_t)sizeof *h ? geometry_check(h, (uint64_t)st->st_size) : LIAISON_CORRUPT;
}

int segment_map(struct liaison_space *space, int file, const struct stat *st, struct segment **out)
{
    struct header h;
    *out = mapping_find(st, false);
    if (*out)
        return LIAISON_OK;
    int r = mapping_read_header(file, st, &h);
    if (r == LIAISON_OK)
        r = mapping_make(space, file, st, &h.geometry, 0, out);
    if (r == LIAISON_OK)
        *out = mapping_enlist_or_find(*out);
    return r;
}

void segment_close(struct segment *s)
{
    process_lock();
    bool last = --s->references == 0;
    if (last) {
        /* Before another thread can open the link again: on a pair it would find this
         * process's place still taken. */
        if (observe(&s->epoch) == process_epoch() && !s->broken)
            recover_leave(s);
        if (s->at)
            *s->at = s->next;
        if (s->next)
            s->next->at = s->at;
    }
    process_unlock();
    if (last)
        unmap(s);
}
