#include "space/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/order.h"
#include "base/platform.h"

/* Prefixes of names. With sixteen random digits: a directory that is being made. With its own inode
 * number: one that is being removed; a directory that was moved there by mistake has another
 * number, and is left alone. */
#define FRESH ".liaison-new-"
#define OLD ".liaison-old-"
#define DIGITS 16
#define TRIES 100
#define OFTEN 64u

bool directory_fits(const struct stat *st, const struct shape *shape)
{
    return S_ISDIR(st->st_mode) && st->st_uid == shape->owner &&
           (st->st_mode & 07777) == shape->mode &&
           (shape->group == (gid_t)-1 || st->st_gid == shape->group);
}

bool directory_trusted(const struct stat *st, uid_t owner)
{
    return (st->st_uid == 0 || st->st_uid == geteuid() || st->st_uid == owner) &&
           ((st->st_mode & 022) == 0 || (st->st_mode & S_ISVTX) != 0);
}

static int fill_nothing(int fd, const struct shape *shape)
{
    (void)fd;
    (void)shape;
    return 0;
}
static void clear_nothing(int fd) { (void)fd; }
const struct content directory_empty = {fill_nothing, clear_nothing, clear_nothing};

static void name_of(const char *prefix, uint64_t number, char name[40])
{
    snprintf(name, 40, "%s%016llx", prefix, (unsigned long long)number);
}

static bool leads_to(int parent, const char *name, int fd)
{
    struct stat named, opened;
    return fstat(fd, &opened) == 0 && fstatat(parent, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

/* Nothing of another user's is opened, let alone locked or emptied. */
static int open_own(int parent, const char *name)
{
    struct stat named;
    if (fstatat(parent, name, &named, AT_SYMLINK_NOFOLLOW) != 0)
        return -errno;
    if (named.st_uid != geteuid())
        return -EACCES;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Locks one that is being made, so that one process alone makes or removes it. The kernel releases
 * the lock when that process ends, unless a child that was forked meanwhile lives on. Result: a
 * descriptor; -EBUSY when another process has the lock, -ENOENT when it was renamed or removed
 * meanwhile, or another negative errno. */
static int seize(int parent, const char *fresh)
{
    int fd = open_own(parent, fresh), r = 0;
    if (fd < 0)
        return fd;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        r = errno == EWOULDBLOCK      ? -EBUSY
            : platform_refused(errno) ? platform_lacks("flock()")
                                      : -errno;
    else if (!leads_to(parent, fresh, fd))
        r = -ENOENT;
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

static void unmake(int parent, const char *fresh, int fd, const struct content *content)
{
    content->clear(fd);
    unlinkat(parent, fresh, AT_REMOVEDIR);
}

/* Empties and removes a directory that cannot be found any more. Several processes may do this at
 * once, and none waits. It tries again if a process that had found the directory before has put
 * something there meanwhile. */
static int finish(int parent, const char *old, int fd, const struct content *content, int most)
{
    int r = -ENOTEMPTY;
    for (int tries = 0; r == -ENOTEMPTY && tries < most; tries++) {
        content->empty(fd);
        if (unlinkat(parent, old, AT_REMOVEDIR) == 0 || errno == ENOENT)
            r = 0;
        else
            r = errno == EEXIST ? -ENOTEMPTY : -errno;
    }
    return r;
}

/* Without RENAME_NOREPLACE (before Linux 3.15) a directory still replaces none but an empty one: of
 * makers that race, the one whose directory was replaced finds it gone, and begins again: see
 * liaison_space_open(). */
static int reveal(int parent, const char *fresh, const char *name)
{
    struct stat st;
    if (renameat2(parent, fresh, parent, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (!platform_refused(errno))
        return -errno;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    if (renameat(parent, fresh, parent, name) == 0)
        return 0;
    return errno == ENOTEMPTY || errno == ENOTDIR ? -EEXIST : -errno;
}

int directory_remove(int parent, const char *name, int fd, const struct content *content)
{
    char old[40];
    struct stat st;
    int r = fstat(fd, &st) == 0 ? lock_file(fd, LOCK_PATIENCE) : -errno;
    if (r != 0)
        return r == -EWOULDBLOCK ? -EBUSY : platform_refused(-r) ? platform_lacks("flock()") : r;
    name_of(OLD, st.st_ino, old);
    /* Removing the name needs this lock: between the check and the renaming no other process can
     * have removed it, and a third have made another directory. */
    if (!leads_to(parent, name, fd))
        r = -ENOENT;
    else if (renameat(parent, name, parent, old) != 0)
        r = -errno;
    /* Something that takes no locks has put another directory there: move that back. */
    if (r == 0 && !leads_to(parent, old, fd)) {
        (void)reveal(parent, old, name);
        r = -ENOENT;
    }
    unlock_file(fd);
    return r == 0 ? finish(parent, old, fd, content, TRIES) : r;
}

static bool is_called(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 && strspn(name + n, "0123456789abcdef") == DIGITS &&
           !name[n + DIGITS];
}

static bool is_old(int fd, const char *name)
{
    char own[40];
    struct stat st;
    if (fstat(fd, &st) != 0)
        return false;
    name_of(OLD, st.st_ino, own);
    return strcmp(name, own) == 0;
}

DIR *directory_list(int directory)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (!listing && fd >= 0)
        close(fd);
    return listing;
}

void directory_sweep(int parent, const struct content *content)
{
    DIR *listing = directory_list(parent);
    for (struct dirent *e; listing && (e = readdir(listing)) != NULL;) {
        bool old = is_called(e->d_name, OLD);
        if (!old && !is_called(e->d_name, FRESH))
            continue;
        int left = old ? open_own(parent, e->d_name) : seize(parent, e->d_name);
        if (left < 0)
            continue;
        if (old && is_old(left, e->d_name))
            (void)finish(parent, e->d_name, left, content, 1);
        else if (!old)
            unmake(parent, e->d_name, left, content);
        close(left);
    }
    if (listing)
        closedir(listing);
}

void directory_remove_files(int fd)
{
    DIR *listing = directory_list(fd);
    for (struct dirent *e; listing && (e = readdir(listing)) != NULL;)
        unlinkat(fd, e->d_name, 0); /* which removes no directory, nor "." */
    if (listing)
        closedir(listing);
}

static int make_once(int parent, const char *name, const struct shape *shape,
                     const struct content *content)
{
    char fresh[40];
    uint64_t random;
    int r = platform_random(&random, sizeof random);
    if (r != 0)
        return r;
    name_of(FRESH, random, fresh);
    /* The mode once more, by name: a umask can take the owner's rights as well, and nobody else can
     * rename it here. */
    if (mkdirat(parent, fresh, 0700) != 0)
        return -errno; /* ENOENT: the parent is being removed */
    if (fchmodat(parent, fresh, 0700, 0) != 0)
        return errno == ENOENT ? -EBUSY : -errno;
    int fd = seize(parent, fresh);
    if (fd == -ENOENT || fd == -EBUSY)
        return -EBUSY; /* a sweeper took it for a dead maker's, and removes it */
    if (fd < 0) {
        unlinkat(parent, fresh, AT_REMOVEDIR);
        return fd;
    }
    r = 0;
    /* The group and its bit first: what is made within has them then too. */
    if ((shape->group != (gid_t)-1 && fchown(fd, (uid_t)-1, shape->group) != 0) ||
        fchmod(fd, (shape->mode & S_ISGID) | 0700) != 0)
        r = -errno;
    if (r == 0)
        r = content->fill(fd, shape);
    if (r == 0 && fchmod(fd, shape->mode) != 0)
        r = -errno;
    if (r == 0)
        r = reveal(parent, fresh, name);
    if (r != 0)
        unmake(parent, fresh, fd, content);
    flock(fd, LOCK_UN); /* which a child that was forked meanwhile would keep: see lock.h */
    close(fd);
    return r;
}

int directory_make(int parent, const char *name, const struct shape *shape,
                   const struct content *content)
{
    int r = make_once(parent, name, shape, content);
    for (int tries = 0; r == -EBUSY && tries < TRIES; tries++)
        r = make_once(parent, name, shape, content);
    /* Sweeping reads all names, so a process that makes ten thousand directories does not do it for
     * each. */
    static word32 made;
    uint32_t n = add32(&made, 1);
    if (n < OFTEN || n % OFTEN == 0)
        directory_sweep(parent, content);
    return r;
}

int directory_open(int parent, const char *name, const struct shape *shape)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* Another user's root of shared spaces may be searched, not read. */
    if (fd < 0 && errno == EACCES)
        fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct stat st;
    int r = fstat(fd, &st) != 0 ? -errno : directory_fits(&st, shape) ? fd : -EACCES;
    if (r < 0)
        close(fd);
    return r;
}
