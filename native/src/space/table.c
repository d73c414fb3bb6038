#include "space/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/platform.h"
#include "base/process.h"
#include "space/draft.h"

static int create(int directory, mode_t mode)
{
    struct preamble p = {.magic = TABLE_MAGIC, .version = TABLE_VERSION, .members = MEMBERS};
    struct stat st;
    struct draft draft;
    int r = platform_random(p.id, sizeof p.id);
    if (r == 0)
        r = platform_may_reach(TABLE_SIZE) ? draft_begin(&draft, directory, 0600) : -EFBIG;
    if (r != 0)
        return r;
    r = platform_reserve(draft.fd, 0, sizeof(struct members_page), true);
    if (r == 0 && (fchmod(draft.fd, mode) != 0 || ftruncate(draft.fd, TABLE_SIZE) != 0 ||
                   fstat(draft.fd, &st) != 0))
        r = -errno;
    if (r == 0) {
        p.inode = st.st_ino;
        ssize_t n = pwrite(draft.fd, &p, sizeof p, 0);
        r = n == (ssize_t)sizeof p ? 0 : n < 0 ? -errno : -EIO;
    }
    if (r == 0)
        r = draft_name(&draft, directory, MEMBERS_NAME);
    draft_end(&draft);
    return r;
}

int table_create(int directory, mode_t mode)
{
    int r = create(directory, mode);
    return r == -EAGAIN ? create(directory, mode) : r; /* see draft_name() */
}

/* What the file begins with. */
struct head {
    struct preamble preamble;
    uint64_t comings;
};
_Static_assert(offsetof(struct head, comings) == offsetof(struct members_page, comings), "drawn");

/* Opens the file of its name, and checks that it was made there. */
static int open_named(const struct liaison_space *space, int directory, int *fd, struct stat *st,
                      struct head *head)
{
    const struct preamble *p = &head->preamble;
    int r = space_file(space, directory, MEMBERS_NAME, O_RDWR, fd, st);
    if (r != LIAISON_OK)
        return r;
    ssize_t n = pread(*fd, head, sizeof *head, 0);
    if (n < 0)
        r = -errno;
    else if (st->st_nlink == 0) /* since it was opened */
        r = LIAISON_NOT_FOUND;
    else if (st->st_nlink != 1) /* a hard link to some other file of ours */
        r = LIAISON_DENIED;
    else if (st->st_size < TABLE_SIZE || n != (ssize_t)sizeof *head || p->magic != TABLE_MAGIC ||
             p->inode != st->st_ino)
        r = LIAISON_FOREIGN;
    else if (p->version != TABLE_VERSION || p->members != MEMBERS)
        r = LIAISON_VERSION;
    else if (table_is_removed(head->comings))
        r = LIAISON_DESTROYED;
    if (r != LIAISON_OK)
        close(*fd);
    return r;
}

int table_find(struct liaison_space *space, int directory)
{
    int fd;
    struct stat st;
    struct head head;
    int r = open_named(space, directory, &fd, &st, &head);
    if (r == LIAISON_NOT_FOUND) {
        int e = table_create(directory, space->file_mode);
        r = e == 0 || e == -EEXIST ? open_named(space, directory, &fd, &st, &head)
                                   : space_result(e);
    }
    if (r != LIAISON_OK)
        return r;
    close(fd);
    space->probe.device = st.st_dev;
    space->probe.inode = st.st_ino;
    memcpy(space->table, head.preamble.id, sizeof space->table);
    return LIAISON_OK;
}

int table_open(struct liaison_space *space, int *fd)
{
    int directory = space_directory(space);
    if (directory < 0)
        return space_result(directory);
    struct stat st;
    struct head head;
    int r = open_named(space, directory, fd, &st, &head);
    if (r == LIAISON_OK && !(descriptor_is(&space->probe, &st) &&
                             memcmp(head.preamble.id, space->table, sizeof space->table) == 0)) {
        close(*fd);
        r = LIAISON_FOREIGN;
    }
    if (r == LIAISON_DESTROYED)
        r = LIAISON_NOT_FOUND;
    else if (r == LIAISON_NOT_FOUND || r == LIAISON_VERSION || r == LIAISON_FOREIGN)
        r = space_stands(space) ? LIAISON_FOREIGN : LIAISON_NOT_FOUND;
    if (r == LIAISON_FOREIGN || r == LIAISON_NOT_FOUND)
        publish32(&space->lost, (uint32_t)r);
    return r;
}

int table_map(int fd, int protection, off_t at, size_t size, void **part)
{
    *part = mmap(NULL, size, protection, MAP_SHARED | MAP_NORESERVE, fd, at);
    if (*part == MAP_FAILED)
        return -errno;
    if (madvise(*part, size, MADV_DONTFORK) == 0)
        return 0;
    int r = platform_refused(errno) ? platform_lacks("MADV_DONTFORK") : -errno;
    munmap(*part, size);
    return r;
}

bool table_intact(const struct liaison_space *space, int fd)
{
    struct preamble p;
    return pread(fd, &p, sizeof p, 0) == (ssize_t)sizeof p && p.magic == TABLE_MAGIC &&
           memcmp(p.id, space->table, sizeof p.id) == 0;
}

int table_lost(struct liaison_space *space)
{
    uint32_t now = process_tick(), last = glance32(&space->last_seen);
    int fd;
    if (now - last >= 1000 && replace32(&space->last_seen, last, now) &&
        table_open(space, &fd) == LIAISON_OK)
        close(fd);
    return (int)observe32(&space->lost);
}
