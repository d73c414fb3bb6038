#include "space/draft.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/order.h"
#include "base/platform.h"
#include "space/directory.h"

#define DRAFT ".draft-"
#define TRIES 100

static word32 names_needed; /* files without a name cannot be made, or given one */

/* Locked, so that it is its maker's alone. The kernel releases the lock when that process ends,
 * unless a child that was forked meanwhile lives on. -EBUSY: it was swept before it was locked. */
static int begin_with_name(struct draft *d, mode_t mode)
{
    uint64_t random;
    struct stat st;
    int r = platform_random(&random, sizeof random);
    if (r != 0)
        return r;
    snprintf(d->name, sizeof d->name, DRAFT "%016llx", (unsigned long long)random);
    d->fd = openat(d->directory, d->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (d->fd < 0) {
        d->name[0] = 0;
        return errno == EEXIST ? -EBUSY : -errno;
    }
    if (flock(d->fd, LOCK_EX | LOCK_NB) != 0)
        r = errno == EWOULDBLOCK      ? -EBUSY
            : platform_refused(errno) ? platform_lacks("flock()")
                                      : -errno;
    else if (fstat(d->fd, &st) != 0)
        r = -errno;
    else if (st.st_nlink == 0)
        r = -EBUSY;
    if (r != 0)
        draft_end(d);
    return r;
}

int draft_begin(struct draft *d, int directory, mode_t mode)
{
    *d = (struct draft){-1, directory, ""};
    if (!glance32(&names_needed)) {
        d->fd = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
        if (d->fd >= 0)
            return 0;
        /* EISDIR: before Linux 3.11. EACCES may come from a sandbox; if it is about rights, the
         * other way fails with it as well.
         */
        if (!platform_refused(errno) && errno != EISDIR)
            return -errno;
    }
    int r = begin_with_name(d, mode);
    for (int tries = 0; r == -EBUSY && tries < TRIES; tries++)
        r = begin_with_name(d, mode);
    if (r == 0)
        note32(&names_needed, 1);
    return r;
}

static int link_by_name(int from, const char *known, int directory, const char *name)
{
    if (linkat(from, known, directory, name, 0) == 0)
        return 0;
    bool none = errno == EPERM || errno == ENOSYS || errno == EOPNOTSUPP;
    return none ? platform_lacks("hard links") : -errno;
}

/* -EAGAIN: not possible here, or any more. */
static int link_by_descriptor(int fd, int directory, const char *name)
{
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, self, directory, name, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    if (errno != ENOENT && errno != ENOTDIR && !platform_refused(errno))
        return -errno;
    /* No /proc here; this needs a capability, or Linux 6.10. */
    if (linkat(fd, "", directory, name, AT_EMPTY_PATH) == 0)
        return 0;
    return errno == ENOENT || platform_refused(errno) ? -EAGAIN : -errno;
}

int draft_name(struct draft *d, int directory, const char *name)
{
    if (d->name[0])
        return link_by_name(d->directory, d->name, directory, name);
    int r = link_by_descriptor(d->fd, directory, name);
    if (r == -EAGAIN)
        note32(&names_needed, 1);
    return r;
}

int draft_publish(struct draft *d, const char *permanent, int directory, const char *name)
{
    bool named = d->name[0];
    int r = 0;
    if (!named)
        r = draft_name(d, d->directory, permanent);
    else if (renameat(d->directory, d->name, d->directory, permanent) != 0)
        r = -errno;
    if (r != 0)
        return r;
    /* Where it lies from now on, if it is not complete. */
    snprintf(d->name, sizeof d->name, "%s", permanent);
    r = named ? link_by_name(d->directory, permanent, directory, name)
              : link_by_descriptor(d->fd, directory, name);
    if (r != 0)
        return r;
    d->name[0] = 0;
    if (named)
        (void)flock(d->fd, LOCK_UN); /* which a mapping of the file would keep */
    return 0;
}

int draft_link(int fd, int from, const char *known, int directory, const char *name)
{
    struct stat ours, named;
    int r = link_by_descriptor(fd, directory, name);
    if (r != -EAGAIN)
        return r;
    r = link_by_name(from, known, directory, name);
    if (r != 0)
        return r;
    /* The known name may have been another file's by then. */
    if (fstat(fd, &ours) == 0 && fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        named.st_ino == ours.st_ino && named.st_dev == ours.st_dev)
        return 0;
    unlinkat(directory, name, 0);
    return -ENOENT;
}

int draft_keep(struct draft *d)
{
    int fd = d->fd;
    if (d->name[0]) {
        unlinkat(d->directory, d->name, 0);
        (void)flock(fd, LOCK_UN);
    }
    *d = (struct draft){-1, -1, ""};
    return fd;
}

void draft_end(struct draft *d)
{
    int fd = draft_keep(d);
    if (fd >= 0)
        close(fd);
}

bool draft_sweep(int directory, const char *name)
{
    struct stat named, opened;
    if (strncmp(name, DRAFT, sizeof DRAFT - 1) != 0)
        return false;
    if (fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(named.st_mode))
        return true;
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return true;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &opened) == 0 &&
        fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        named.st_ino == opened.st_ino && named.st_dev == opened.st_dev)
        unlinkat(directory, name, 0);
    close(fd);
    return true;
}

void draft_sweep_all(int directory)
{
    DIR *listing = directory_list(directory);
    for (struct dirent *e; listing && (e = readdir(listing)) != NULL;)
        draft_sweep(directory, e->d_name);
    if (listing)
        closedir(listing);
}
