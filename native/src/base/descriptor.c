#include "base/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool descriptor_is(const struct descriptor *d, const struct stat *st)
{
    return st->st_dev == d->device && st->st_ino == d->inode;
}

int descriptor_keep(struct descriptor *d, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -errno;
    d->device = st.st_dev;
    d->inode = st.st_ino;
    atomic_store(&d->fd, fd);
    return 0;
}

int descriptor_number(const struct descriptor *d)
{
    struct stat st;
    int fd = atomic_load(&d->fd);
    if (fd < 0)
        return -EBADF;
    /* Asked once more, unless it was closed: who takes it for closed leaks it. */
    if (fstat(fd, &st) != 0 && (errno == EBADF || fstat(fd, &st) != 0))
        return -errno;
    return descriptor_is(d, &st) ? fd : -EBADF;
}

int descriptor_renew(struct descriptor *d, int number, int fresh)
{
    if (atomic_compare_exchange_strong(&d->fd, &number, fresh))
        return fresh;
    close(fresh);
    return number;
}

void descriptor_close(struct descriptor *d)
{
    int fd = descriptor_number(d);
    atomic_store(&d->fd, -1);
    if (fd >= 0)
        close(fd);
}

bool descriptor_mark(int fd, int mark) { return fcntl(fd, F_SETSIG, mark) == 0; }

bool descriptor_marked(int fd, int mark)
{
    int found = fcntl(fd, F_GETSIG);
    /* Asked once more, unless it was closed: who takes it for closed leaks it. */
    if (found < 0 && errno != EBADF)
        found = fcntl(fd, F_GETSIG);
    return found == mark;
}
