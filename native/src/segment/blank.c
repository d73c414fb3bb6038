#include "segment/blank.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/platform.h"
#include "space/member.h"

int blank_header(struct liaison_space *space, const char *name, const struct liaison_policy *policy,
                 struct header *h)
{
    memset(h, 0, sizeof *h);
    struct geometry *g = &h->geometry;
    int r = geometry_of(policy, name, g);
    g->table[0] = space->table[0];
    g->table[1] = space->table[1];
    if (r == LIAISON_OK)
        r = table_lost(space);
    if (r == LIAISON_OK)
        r = member_identity(space, &g->creator);
    if (r == LIAISON_OK)
        r = space_result(platform_random(g->id, sizeof g->id));
    note(&h->arena_size, g->arena_start);
    note32(&h->cells_top, g->cells_start);
    return r;
}

static int reserve_file(int fd, uint64_t from, uint64_t length)
{
    return platform_reserve(fd, (off_t)from, (off_t)length, true);
}

/* One segment, `at` in the file. */
static int lay_out(int fd, const struct header *h, uint64_t at)
{
    const struct geometry *g = &h->geometry;
    int r = reserve_file(fd, at, g->cells_at + (uint64_t)g->cells_start * g->stride);
    if (r == 0 && g->arena_start)
        r = reserve_file(fd, at + g->index_at, geometry_index_size(g));
    if (r == 0)
        r = reserve_file(fd, at + g->arena_at, g->arena_start);
    if (r == 0) {
        ssize_t n = pwrite(fd, h, sizeof *h, (off_t)at);
        r = n < 0 ? -errno : n == (ssize_t)sizeof *h ? 0 : -EIO;
    }
    return r;
}

int blank_fill(int fd, const struct header *h, mode_t mode)
{
    const struct geometry *g = &h->geometry;
    if (!platform_may_reach((off_t)geometry_file_size(g)))
        return -EFBIG;
    if (fchmod(fd, mode) != 0 || ftruncate(fd, (off_t)geometry_file_size(g)) != 0)
        return -errno;
    int r = 0;
    for (uint64_t at = 0; r == 0 && at < geometry_file_size(g); at += g->size)
        r = lay_out(fd, h, at);
    return r;
}
