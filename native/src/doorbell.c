#include "doorbell.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "process.h"

#define PIPE_SIZE_MAX (1 << 20) /* unless root allowed more */
#define READS 256

static void path_of(uint64_t number, char path[40])
{
    snprintf(path, 40, "bells/%016llx", (unsigned long long)number);
}

static int create(struct liaison_space *space, struct doorbell *bell)
{
    *bell = (struct doorbell){0, -1, -1, -1};
    int directory = space_directory(space);
    if (directory < 0)
        return space_result(directory);
    char path[40], fresh[48];
    int r = LIAISON_OK;
    mode_t mode = space->file_mode;
    struct epoll_event readable = {.events = EPOLLIN};
    if (getrandom(&bell->number, sizeof bell->number, 0) != sizeof bell->number) {
        close(directory);
        return -EIO;
    }
    path_of(bell->number, path);
    snprintf(fresh, sizeof fresh, "bells/.new-%016llx", (unsigned long long)bell->number);
    /* Under another name until it is open: nobody rings what nobody hears. */
    if (mkfifoat(directory, fresh, mode) != 0)
        r = space_result(-errno);
    else if (fchmodat(directory, fresh, mode, 0) != 0 ||
             /* For writing too, so that it never reads as ended. */
             (bell->fifo = openat(directory, fresh, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW)) <
                 0 ||
             (bell->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) < 0 ||
             (bell->fd = epoll_create1(EPOLL_CLOEXEC)) < 0 ||
             epoll_ctl(bell->fd, EPOLL_CTL_ADD, bell->fifo, &readable) != 0 ||
             epoll_ctl(bell->fd, EPOLL_CTL_ADD, bell->timer, &readable) != 0 ||
             renameat(directory, fresh, directory, path) != 0) {
        r = space_result(-errno);
        unlinkat(directory, fresh, 0);
        doorbell_close(bell);
    }
    close(directory);
    return r;
}

int doorbell_create(struct liaison_space *space, struct doorbell *bell)
{
    /* A cleaner removes bells that nobody has open, and cannot tell one that is just being
     * made from one whose maker died. */
    int r = create(space, bell);
    for (int tries = 0; r == LIAISON_NOT_FOUND && tries < 100; tries++)
        r = create(space, bell);
    return r;
}

void doorbell_close(struct doorbell *bell)
{
    if (bell->fifo >= 0)
        close(bell->fifo);
    if (bell->timer >= 0)
        close(bell->timer);
    if (bell->fd >= 0)
        close(bell->fd);
    *bell = (struct doorbell){0, -1, -1, -1};
}

/* Bells that were rung lately: opening one takes longer than all the rest of a message. Whoever
 * closes all descriptors closes these too, and their numbers may then be other files'. So each
 * bears a mark: the signal that it would send if it had an owner and were asked to. Another file
 * has this one only where somebody chose the same, for the same number, in this process. To look at
 * it takes half the time of fstat, which took as long as sending the message. `holder`: the epoch
 * of the process of which a thread uses it. */
#define KEPT 16u
#define MARK_LAST 64 /* signals there are */
static struct kept {
    word64 holder;
    uint64_t number;
    int fd; /* + 1; 0: none */
} kept[KEPT];

static bool hold(struct kept *k)
{
    uint64_t me = process_epoch(), holder = look(&k->holder);
    return holder != me && exchange(&k->holder, holder, me); /* a parent's thread is not here */
}

static int mark_of(const struct kept *k) { return MARK_LAST - (int)(k - kept); }

static bool still_kept(const struct kept *k)
{
    if (k->fd == 0)
        return false;
    int mark = fcntl(k->fd - 1, F_GETSIG);
    /* Asked once more, unless it was closed: who takes it for closed leaks it. */
    if (mark < 0 && errno != EBADF)
        mark = fcntl(k->fd - 1, F_GETSIG);
    return mark == mark_of(k);
}

static bool strike(int fd)
{
    return write(fd, "", 1) == 1 || errno == EAGAIN; /* a full pipe is readable enough */
}

/* Gives the bell's descriptor; -1 with whether there is nobody to hear it. */
static int open_bell(struct liaison_space *space, uint64_t number, bool *nobody)
{
    int directory = space_directory(space);
    if (directory < 0) {
        *nobody = directory == -ENOENT;
        return -1;
    }
    char path[40];
    struct stat st;
    path_of(number, path);
    /* For reading too: if its owner dies now, writing must not raise SIGPIPE. */
    int fd = openat(directory, path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    *nobody = fd < 0 && errno == ENOENT;
    close(directory);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode) ||
                    (space->file_mode == 0600 && st.st_uid != space->owner))) {
        *nobody = true; /* what is no doorbell has nobody to hear it */
        close(fd);
        fd = -1;
    }
    return fd;
}

bool doorbell_ring(struct liaison_space *space, uint64_t number)
{
    struct kept *k = &kept[number % KEPT];
    bool held = hold(k), heard = true;
    if (held && still_kept(k)) {
        if (k->number == number) {
            heard = strike(k->fd - 1);
            publish(&k->holder, 0);
            return heard;
        }
        close(k->fd - 1);
    }
    if (held)
        k->fd = 0;
    int fd = open_bell(space, number, &heard);
    if (fd >= 0) {
        heard = strike(fd);
        if (held && fcntl(fd, F_SETSIG, mark_of(k)) == 0) {
            k->number = number;
            k->fd = fd + 1;
        } else {
            close(fd);
        }
    }
    if (held)
        publish(&k->holder, 0);
    return heard;
}

bool doorbell_quiet(const struct doorbell *bell)
{
    struct pollfd p = {.fd = bell->fd, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

void doorbell_silence(const struct doorbell *bell)
{
    /* As much as a pipe can hold and no more: others may write while this reads, and who
     * never stops is only heard again. */
    char drain[PIPE_SIZE_MAX / READS];
    for (int i = 0; i < READS && read(bell->fifo, drain, sizeof drain) == sizeof drain; i++)
        ;
}

void doorbell_remind(const struct doorbell *bell, int64_t nanoseconds)
{
    struct itimerspec t = {.it_value = {nanoseconds / 1000000000, nanoseconds % 1000000000}};
    timerfd_settime(bell->timer, 0, &t, NULL);
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
    int directory = space_directory(space);
    if (directory < 0)
        return;
    char path[40];
    path_of(number, path);
    unlinkat(directory, path, 0);
    close(directory);
}

uint32_t doorbell_clean(struct liaison_space *space)
{
    uint32_t n = 0;
    int directory = space_directory(space);
    if (directory < 0)
        return 0;
    int bells = openat(directory, "bells", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    close(directory);
    DIR *listing = bells < 0 ? NULL : fdopendir(bells);
    if (!listing) {
        if (bells >= 0)
            close(bells);
        return 0;
    }
    struct dirent *e;
    while ((e = readdir(listing)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int fd = openat(bells, e->d_name, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0)
            close(fd);
        else if (errno == ENXIO && unlinkat(bells, e->d_name, 0) == 0) /* no reader */
            n++;
    }
    closedir(listing);
    return n;
}
