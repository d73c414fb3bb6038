#include "segment/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/platform.h"
#include "base/process.h"
#include "space/table.h"

/* The segment's file, opened once more. 0 or a negative errno. */
static int reopen(struct segment *s, int *fd, struct stat *st)
{
    char id[40];
    if (s->kind->nameless) { /* no path leads to it: only by the descriptor that is kept */
        int kept = descriptor_number(&s->file);
        *fd = kept < 0 ? kept : fcntl(kept, F_DUPFD_CLOEXEC, 0);
        if (*fd >= 0 && fstat(*fd, st) == 0 && descriptor_is(&s->file, st))
            return 0;
        if (*fd >= 0)
            close(*fd);
        return platform_lacks("MADV_POPULATE_WRITE");
    }
    int links = space_part(s->space, SPACE_LINKS);
    if (links < 0)
        return links;
    segment_id(&s->geometry, id);
    int r = space_file(s->space, links, id, O_RDWR, fd, st);
    close(links);
    if (r != LIAISON_OK || (st->st_ino == s->inode && st->st_dev == s->device))
        return r;
    close(*fd);
    return LIAISON_DESTROYED;
}

static int reserve_in_file(struct segment *s, uint64_t offset, uint64_t length)
{
    int fd;
    struct stat st;
    int r = reopen(s, &fd, &st);
    if (r == -ENOENT || r == LIAISON_NOT_FOUND)
        return LIAISON_DESTROYED; /* removed without liaison, or by its destroyer */
    if (r != 0)
        return r;
    uint64_t at = s->first ? s->geometry.size : 0; /* of a named pipe's way back */
    r = (uint64_t)st.st_size < geometry_file_size(&s->geometry)
            ? LIAISON_CORRUPT
            : platform_reserve(fd, (off_t)(at + offset), (off_t)length, false);
    close(fd);
    return r;
}

int segment_reserve(struct segment *s, uint64_t offset, uint64_t length)
{
    uint64_t page = platform_page();
    uint64_t from = offset / page * page, to = round_up(offset + length, page);
    int r = platform_populate(s->base + from, to - from);
    /* The file shows more: whether it is full, or truncated; and it can do what the mapping cannot.
     */
    if (r == -ENOSYS || r == -EFAULT)
        r = reserve_in_file(s, from, to - from);
    return space_result(r);
}

static bool linked(const struct segment *s)
{
    char id[40], path[64];
    struct stat st;
    int space = space_directory(s->space);
    if (space < 0)
        return space != -ENOENT;
    segment_id(&s->geometry, id);
    snprintf(path, sizeof path, "links/%s", id);
    if (fstatat(space, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno != ENOENT && errno != ENOTDIR; /* other failures are no sign of removal */
    /* The permanent name alone does not count: then the others were removed, and it cannot be
     * opened. */
    return st.st_ino == s->inode && st.st_dev == s->device && st.st_nlink > 1 &&
           space_stands(s->space);
}

bool segment_vanished(struct segment *s)
{
    /* By the coarse clock, because every send asks; the file system is asked once a second. */
    uint32_t now = process_tick(), last = glance32(&s->last_seen);
    if (now - last >= 1000 && replace32(&s->last_seen, last, now) &&
        (table_lost(s->space) != LIAISON_OK || (!s->kind->nameless && !linked(s))))
        note32(&s->vanished, 1);
    if (observe32(&s->space->lost))
        note32(&s->vanished, 1);
    return glance32(&s->vanished);
}
