#include "space/table.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
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

/* Opens what has its name, and sees that it was made there. */
static int open_named(const struct liaison_space *space, int directory, int *fd, struct stat *st,
                      struct preamble *p)
{
    int r = space_file(space, directory, MEMBERS_NAME, O_RDWR, fd, st);
    if (r != LIAISON_OK)
        return r;
    ssize_t n = pread(*fd, p, sizeof *p, 0);
    if (n < 0)
        r = -errno;
    else if (st->st_nlink != 1) /* a hard link to some other file of ours */
        r = LIAISON_DENIED;
    else if (st->st_size < TABLE_SIZE || n != (ssize_t)sizeof *p || p->magic != TABLE_MAGIC ||
             p->inode != st->st_ino)
        r = LIAISON_FOREIGN;
    else if (p->version != TABLE_VERSION || p->members != MEMBERS)
        r = LIAISON_VERSION;
    if (r != LIAISON_OK)
        close(*fd);
    return r;
}

int table_find(struct liaison_space *space, int directory)
{
    int fd;
    struct stat st;
    struct preamble p;
    int r = open_named(space, directory, &fd, &st, &p);
    if (r == LIAISON_NOT_FOUND) {
        int e = table_create(directory, space->file_mode);
        r = e == 0 || e == -EEXIST ? open_named(space, directory, &fd, &st, &p) : space_result(e);
    }
    if (r != LIAISON_OK)
        return r;
    close(fd);
    space->probe.device = st.st_dev;
    space->probe.inode = st.st_ino;
    memcpy(space->table, p.id, sizeof p.id);
    return LIAISON_OK;
}

int table_open(struct liaison_space *space, int *fd)
{
    int directory = space_directory(space);
    if (directory < 0)
        return space_result(directory);
    struct stat st;
    struct preamble p;
    int r = open_named(space, directory, fd, &st, &p);
    if (r == LIAISON_NOT_FOUND || r == LIAISON_VERSION)
        r = LIAISON_FOREIGN;
    if (r == LIAISON_OK &&
        !(descriptor_is(&space->probe, &st) && memcmp(p.id, space->table, sizeof p.id) == 0)) {
        close(*fd);
        r = LIAISON_FOREIGN;
    }
    if (r == LIAISON_FOREIGN)
        publish32(&space->lost, 1);
    return r;
}

bool table_intact(const struct liaison_space *space, int fd)
{
    struct preamble p;
    return pread(fd, &p, sizeof p, 0) == (ssize_t)sizeof p && p.magic == TABLE_MAGIC &&
           memcmp(p.id, space->table, sizeof p.id) == 0;
}

bool table_lost(struct liaison_space *space)
{
    uint32_t now = process_tick(), last = glance32(&space->last_seen);
    int fd;
    if (now - last >= 1000 && replace32(&space->last_seen, last, now) &&
        table_open(space, &fd) == LIAISON_OK)
        close(fd);
    return observe32(&space->lost);
}
