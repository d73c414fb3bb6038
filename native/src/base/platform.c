#include "base/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/order.h"
#include "liaison.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PIECE (16 << 20) /* bytes reserved at a time: a few milliseconds */
#define RETRIES 1000     /* of a piece, with all signals held back */

size_t platform_page(void)
{
    static word64 page;
    if (glance(&page) == 0)
        note(&page, (uint64_t)sysconf(_SC_PAGESIZE));
    return (size_t)glance(&page);
}

bool platform_refused(int error)
{
    return error == ENOSYS || error == EINVAL || error == EOPNOTSUPP || error == EPERM ||
           error == EACCES;
}

/* ---- what is lacking ----------------------------------------------------------------- */

static _Thread_local const char *missing;

int platform_lacks(const char *what)
{
    missing = what;
    return -ENOSYS;
}

const char *liaison_missing(void)
{
    const char *what = missing;
    missing = NULL;
    return what ? what : "a system call";
}

/* ---- random bytes ---------------------------------------------------------------------- */

int platform_random(void *bytes, size_t size)
{
    ssize_t n;
    do
        n = getrandom(bytes, size, 0);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)size)
        return 0;
    if (n < 0 && !platform_refused(errno))
        return -errno;
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, bytes, size);
    if (fd >= 0)
        close(fd);
    return n == (ssize_t)size ? 0 : platform_lacks("getrandom()");
}

/* ---- reserving memory ------------------------------------------------------------------ */

static bool (*interrupted)(void *);
static void *interrupted_context;

void liaison_heed(bool (*f)(void *), void *context)
{
    interrupted_context = context;
    interrupted = f;
}

bool platform_may_reach(off_t end)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
           (rlim_t)end <= limit.rlim_cur;
}

static int fill_with_zeros(int fd, off_t from, off_t length)
{
    static const char zeros[65536];
    for (off_t at = 0; at < length;) {
        size_t left = (size_t)(length - at);
        ssize_t n = pwrite(fd, zeros, left < sizeof zeros ? left : sizeof zeros, from + at);
        if (n > 0)
            at += n;
        else if (n == 0 || errno != EINTR)
            return n == 0 ? -EIO : -errno;
    }
    return 0;
}

static int reserve_piece(int fd, off_t from, off_t length, bool alone)
{
    /* Not posix_fallocate(): its substitute writes zeros, over what other processes may have
     * written. */
    if (fallocate(fd, 0, from, length) == 0)
        return 0;
    if (errno == EINVAL || !platform_refused(errno))
        return -errno;
    return alone ? fill_with_zeros(fd, from, length) : platform_lacks("fallocate()");
}

/* When a signal comes, handled or not, the kernel frees all that the call has reserved; a timer
 * that is faster than a piece would keep it from ever ending. So signals are blocked. */
static int reserve_undisturbed(int fd, off_t from, off_t length, bool alone)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = reserve_piece(fd, from, length, alone);
    for (int tries = 0; r == -EINTR && tries < RETRIES; tries++)
        r = reserve_piece(fd, from, length, alone);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

int platform_reserve(int fd, off_t from, off_t length, bool alone)
{
    for (off_t at = 0; at < length; at += PIECE) {
        off_t piece = length - at < PIECE ? length - at : PIECE;
        int r = reserve_piece(fd, from + at, piece, alone);
        if (r == -EINTR)
            r = reserve_undisturbed(fd, from + at, piece, alone);
        if (r != 0)
            return r;
        if (alone && at + piece < length && interrupted && interrupted(interrupted_context))
            return LIAISON_INTERRUPTED;
    }
    return 0;
}

/* Emulators (qemu-user) accept any advice and do nothing, so the first result is checked. */
static bool populated(void *at)
{
    static word32 seen;
    unsigned char in_memory = 0;
    if (!glance32(&seen) && mincore(at, 1, &in_memory) == 0 && !(in_memory & 1))
        return false;
    note32(&seen, 1);
    return true;
}

int platform_populate(void *start, size_t length)
{
    static word32 lacking;
    if (glance32(&lacking))
        return -ENOSYS;
    for (size_t at = 0; at < length; at += PIECE) {
        size_t piece = length - at < PIECE ? length - at : PIECE;
        int tries = 0;
        while (madvise((char *)start + at, piece, MADV_POPULATE_WRITE) != 0) {
            if (platform_refused(errno)) {
                note32(&lacking, 1);
                return -ENOSYS;
            }
            if (errno != EINTR || ++tries == RETRIES)
                return -errno;
        }
    }
    if (!populated(start)) {
        note32(&lacking, 1);
        return -ENOSYS;
    }
    return 0;
}
