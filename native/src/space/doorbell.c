#include "space/doorbell.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/platform.h"
#include "base/process.h"
#include "space/directory.h"

#define KEPT 16u
#define MARK_LAST 64            /* signals there are */
#define PIPE_SIZE_MAX (1 << 20) /* unless root allowed more */
#define READS 256
#define FRESH ".new-" /* and the bell's name: a directory in which it is made */

static void name_of(uint64_t number, char name[24])
{
    snprintf(name, 24, "%016llx", (unsigned long long)number);
}

/* Whether it is one of this space's: a member could have put any other FIFO in its place. */
static bool is_bell(const struct liaison_space *space, const struct stat *st)
{
    return S_ISFIFO(st->st_mode) && st->st_nlink == 1 &&
           (st->st_mode & 07777) == space->file_mode &&
           (space->file_mode == 0600 ? st->st_uid == space->owner : st->st_gid == space->group);
}

/* Opens a bell; -1, with ENXIO if the file there is not a bell. */
static int open_fifo(const struct liaison_space *space, int bells, const char *name)
{
    struct stat st;
    /* Before it is opened too: opening lets a process go on that waits for the FIFO's other end. */
    if (fstatat(bells, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    int fd = -1;
    /* For reading and writing: then it never reads as ended, and if its owner dies now, writing
     * does not raise SIGPIPE. */
    if (is_bell(space, &st) &&
        (fd = openat(bells, name, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW)) < 0)
        return -1;
    bool seen = fd >= 0 && fstat(fd, &st) == 0;
    if (seen && is_bell(space, &st))
        return fd;
    if (fd >= 0)
        close(fd);
    errno = st.st_nlink == 0 ? ENOENT : ENXIO; /* a cleaner removed it meanwhile */
    return -1;
}

/* Made in a directory that no other user can enter, so its name cannot be another file's, until it
 * has its rights and is open: so no sender rings a bell that its owner cannot hear. */
static int create_fifo(const struct liaison_space *space, int bells, const char *name, int *fifo)
{
    char fresh[32];
    struct shape ours = {geteuid(), 0700, (gid_t)-1};
    snprintf(fresh, sizeof fresh, FRESH "%s", name);
    /* In a shared space the directory's group is handed down. */
    if (mkdirat(bells, fresh, 0700) != 0)
        return -errno;
    if (space->file_mode != 0600)
        ours.mode |= S_ISGID;
    else
        (void)fchmodat(bells, fresh, 0700, 0); /* a umask can take the owner's rights as well */
    int fd = directory_open(bells, fresh, &ours), r = fd < 0 ? fd : 0;
    if (r == 0 &&
        (mkfifoat(fd, name, 0600) != 0 || fchmodat(fd, name, space->file_mode, 0) != 0 ||
         (*fifo = open_fifo(space, fd, name)) < 0 || renameat(fd, name, bells, name) != 0))
        r = -errno;
    if (fd >= 0) {
        unlinkat(fd, name, 0);
        close(fd);
    }
    unlinkat(bells, fresh, AT_REMOVEDIR);
    return r;
}

static bool listen_to(int epoll, int fd)
{
    struct epoll_event readable = {.events = EPOLLIN};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &readable) == 0;
}

/* The marks above these are those of the bells that this process rings. */
static int mark_of(const struct doorbell *bell)
{
    return 1 + (int)(bell->number % (MARK_LAST - KEPT));
}

static int create(struct liaison_space *space, struct doorbell *bell)
{
    int fifo = -1;
    *bell = DOORBELL_NONE;
    int bells = space_part(space, SPACE_BELLS);
    if (bells < 0)
        return space_result(bells);
    char name[24];
    int r = platform_random(&bell->number, sizeof bell->number);
    name_of(bell->number, name);
    if (r == 0 && (bell->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) < 0)
        r = platform_refused(errno) ? platform_lacks("timerfd_create()") : -errno;
    if (r == 0 && (bell->fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        r = platform_refused(errno) ? platform_lacks("epoll_create1()") : -errno;
    if (r == 0 && (!descriptor_mark(bell->timer, mark_of(bell)) ||
                   !descriptor_mark(bell->fd, mark_of(bell)) || !listen_to(bell->fd, bell->timer)))
        r = -errno;
    if (r == 0)
        r = create_fifo(space, bells, name, &fifo);
    if (r == 0) {
        r = descriptor_keep(&bell->fifo, fifo);
        if (r == 0 && !listen_to(bell->fd, fifo))
            r = -errno;
        if (r != 0)
            unlinkat(bells, name, 0);
    }
    if (r != 0) {
        const int made[] = {fifo, bell->timer, bell->fd};
        for (int i = 0; i < 3; i++)
            if (made[i] >= 0)
                close(made[i]);
        *bell = DOORBELL_NONE;
    }
    close(bells);
    return r == -ENOENT ? -EAGAIN : space_result(r);
}

int doorbell_create(struct liaison_space *space, struct doorbell *bell)
{
    /* A cleaner removes bells that nobody has open, and cannot tell one that is just being
     * made from one whose maker died. */
    int r = create(space, bell);
    for (int tries = 0; r == -EAGAIN && tries < 100; tries++)
        r = create(space, bell);
    return r;
}

void doorbell_close(struct doorbell *bell)
{
    /* If a part is missing, the others cannot be told from other files: then only the FIFO is
     * closed. */
    if (doorbell_stands(bell)) {
        close(bell->timer);
        close(bell->fd);
    }
    descriptor_close(&bell->fifo);
    *bell = DOORBELL_NONE;
}

/* If all descriptors were closed in between, all numbers of a bell can be another bell's: the
 * FIFO's inode shows that, a mark does not. */
bool doorbell_stands(const struct doorbell *bell)
{
    return descriptor_number(&bell->fifo) >= 0 && descriptor_marked(bell->timer, mark_of(bell)) &&
           descriptor_marked(bell->fd, mark_of(bell));
}

/* Bells that were rung lately: opening one takes longer than all the rest of a message, and fstat
 * as long as sending it, so they are recognised by a mark. `holder`: the epoch of the process of
 * which a thread uses it. */
static struct kept {
    word64 holder;
    uint64_t number;
    int fd; /* + 1; 0: none */
} kept[KEPT];

static bool hold(struct kept *k)
{
    uint64_t me = process_epoch(), holder = look(&k->holder);
    return holder != me && replace(&k->holder, holder, me); /* a parent's thread is not here */
}

static int mark_of_kept(const struct kept *k) { return MARK_LAST - (int)(k - kept); }

static bool still_kept(const struct kept *k)
{
    return k->fd != 0 && descriptor_marked(k->fd - 1, mark_of_kept(k));
}

static bool strike(int fd)
{
    return write(fd, "", 1) == 1 || errno == EAGAIN; /* a full pipe is readable enough */
}

/* Gives the bell's descriptor; or -1, and whether it is certain that the bell has no owner. */
static int open_bell(struct liaison_space *space, uint64_t number, bool *settled)
{
    int bells = space_part(space, SPACE_BELLS);
    if (bells < 0) {
        *settled = bells == -ENOENT;
        return -1;
    }
    char name[24];
    name_of(number, name);
    int fd = open_fifo(space, bells, name);
    /* A file that is not a doorbell has no owner either. */
    *settled = fd < 0 && (errno == ENOENT || errno == ENXIO);
    close(bells);
    return fd;
}

bool doorbell_ring(struct liaison_space *space, uint64_t number)
{
    struct kept *k = &kept[number % KEPT];
    /* Whether it is certain that the owner hears it, or that there is none. */
    bool held = hold(k), settled = true;
    if (held && still_kept(k)) {
        if (k->number == number) {
            settled = strike(k->fd - 1);
            publish(&k->holder, 0);
            return settled;
        }
        close(k->fd - 1);
    }
    if (held)
        k->fd = 0;
    int fd = open_bell(space, number, &settled);
    if (fd >= 0) {
        settled = strike(fd);
        if (held && descriptor_mark(fd, mark_of_kept(k))) {
            k->number = number;
            k->fd = fd + 1;
        } else {
            close(fd);
        }
    }
    if (held)
        publish(&k->holder, 0);
    return settled;
}

bool doorbell_quiet(const struct doorbell *bell)
{
    struct pollfd p = {.fd = bell->fd, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

bool doorbell_silence(const struct doorbell *bell)
{
    int fifo = descriptor_number(&bell->fifo);
    if (fifo < 0)
        return false;
    /* As much as a pipe can hold and no more: others may write while this reads, and a writer that
     * never stops only makes it readable again. */
    char drain[PIPE_SIZE_MAX / READS];
    for (int i = 0; i < READS && read(fifo, drain, sizeof drain) == sizeof drain; i++)
        ;
    return true;
}

void doorbell_remind(struct doorbell *bell, int64_t nanoseconds)
{
    /* In a stream of messages the time that was set for the last one is kept: that saves two
     * calls. */
    int64_t now = process_now(), left = (int64_t)glance(&bell->due) - now;
    if (left >= nanoseconds / 2 && left <= nanoseconds)
        return;
    struct itimerspec t = {.it_value = {nanoseconds / 1000000000, nanoseconds % 1000000000}};
    if (descriptor_marked(bell->timer, mark_of(bell)) &&
        timerfd_settime(bell->timer, 0, &t, NULL) == 0)
        note(&bell->due, (uint64_t)(now + nanoseconds));
}

static void forget(struct kept *k, const uint64_t *number)
{
    if (!hold(k))
        return;
    if (!number || k->number == *number) {
        if (still_kept(k))
            close(k->fd - 1);
        k->fd = 0;
    }
    publish(&k->holder, 0);
}

void doorbell_forget(void)
{
    for (uint32_t i = 0; i < KEPT; i++)
        forget(&kept[i], NULL);
}

void doorbell_remove(struct liaison_space *space, uint64_t number)
{
    forget(&kept[number % KEPT], &number);
    int bells = space_part(space, SPACE_BELLS);
    if (bells < 0)
        return;
    char name[24];
    name_of(number, name);
    unlinkat(bells, name, 0);
    close(bells);
}

/* Removes what a dead maker has left. A living maker whose directory is removed makes another. */
static bool clean_fresh(int bells, const char *fresh, const struct stat *st)
{
    struct shape same = {st->st_uid, st->st_mode & 07777, (gid_t)-1};
    if (!S_ISDIR(st->st_mode) || strncmp(fresh, FRESH, sizeof FRESH - 1) != 0)
        return false;
    int fd = directory_open(bells, fresh, &same);
    if (fd < 0)
        return false;
    unlinkat(fd, fresh + sizeof FRESH - 1, 0);
    close(fd);
    return unlinkat(bells, fresh, AT_REMOVEDIR) == 0;
}

void doorbell_sweep(int bells)
{
    DIR *listing = directory_list(bells);
    struct stat st;
    for (struct dirent *e; listing && (e = readdir(listing)) != NULL;)
        if (fstatat(bells, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            clean_fresh(bells, e->d_name, &st);
    if (listing)
        closedir(listing);
}

uint32_t doorbell_clean(struct liaison_space *space)
{
    uint32_t n = 0;
    int bells = space_part(space, SPACE_BELLS);
    DIR *listing = bells < 0 ? NULL : fdopendir(bells);
    if (!listing) {
        if (bells >= 0)
            close(bells);
        return 0;
    }
    struct dirent *e;
    while ((e = readdir(listing)) != NULL) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(bells, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            n += clean_fresh(bells, e->d_name, &st);
            continue;
        }
        int fd = is_bell(space, &st)
                     ? openat(bells, e->d_name, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW)
                     : -1;
        if (fd >= 0)
            close(fd);
        else if (is_bell(space, &st) && errno == ENXIO && unlinkat(bells, e->d_name, 0) == 0)
            n++; /* it has no reader */
    }
    closedir(listing);
    return n;
}
