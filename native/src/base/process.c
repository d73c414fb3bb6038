#include "base/process.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/platform.h"

/* The kernel zeroes this page in a forked child (MADV_WIPEONFORK): one load tells a child
 * that it is one, also where it was made by a bare clone() that runs no fork handlers.
 * Comparing getpid() would cost a system call an operation. */
static word64 *epoch_page;
static word64 last_epoch;
/* If the kernel or a sandbox does not offer that (Linux before 4.14), each operation makes that
 * system call: {epoch 32 | pid 32}. The fork handler notices a child that has its parent's number
 * in another pid namespace. Rejected: Unsupported, because this is only slower; it misses nothing
 * but a bare clone() into a new pid namespace by a process that is number 1 in its own. */
static word64 epoch_of_pid;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned cores = 1;

/* Held across fork, so that the child never finds the tables half changed. */
static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }
/* The page as well: emulators (qemu-user) accept the advice, and do not wipe it. */
static void after_fork_in_child(void)
{
    note(&epoch_of_pid, 0);
    if (epoch_page)
        note(epoch_page, 0);
    pthread_mutex_unlock(&lock);
}

static void begin(void)
{
    size_t size = platform_page();
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED && madvise(page, size, MADV_WIPEONFORK) == 0)
        epoch_page = page;
    else if (page != MAP_FAILED)
        munmap(page, size);
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cores = (unsigned)CPU_COUNT(&set);
}

static uint64_t epoch_by_pid(void)
{
    uint32_t pid = (uint32_t)getpid();
    uint64_t w = observe(&epoch_of_pid);
    while ((uint32_t)w != pid) {
        uint64_t mine = (add(&last_epoch, 1) + 1) << 32 | pid;
        w = replace(&epoch_of_pid, w, mine) ? mine : observe(&epoch_of_pid);
    }
    return w >> 32;
}

uint64_t process_epoch(void)
{
    if (epoch_page) {
        uint64_t epoch = glance(epoch_page);
        if (epoch)
            return epoch;
    } else {
        pthread_once(&once, begin);
        if (!epoch_page)
            return epoch_by_pid();
    }
    /* First use in this process; of threads that race here, one names the epoch. */
    uint64_t mine = add(&last_epoch, 1) + 1;
    return replace(epoch_page, 0, mine) ? mine : observe(epoch_page);
}

void process_lock(void)
{
    process_epoch();
    pthread_mutex_lock(&lock);
}

void process_unlock(void) { pthread_mutex_unlock(&lock); }

unsigned process_cores(void) { return cores; }

int64_t process_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

uint32_t process_tick(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint32_t)((uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000);
}

/* CLOCK_MONOTONIC through the vDSO costs some 20 ns, which is fine for bounding a spin of
 * microseconds; raw counters would need calibrating and differ between machines. */
int64_t process_ticks(void) { return process_now(); }

double process_started(void)
{
    struct timespec real, boot;
    clock_gettime(CLOCK_REALTIME, &real);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    double now = (double)real.tv_sec + (double)real.tv_nsec / 1e9;
    char text[1024];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return now;
    text[n] = 0;
    char *p = strrchr(text, ')'); /* the command may hold anything, even this */
    unsigned long long ticks;
    if (!p || sscanf(p + 1,
                     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                     "%*d %llu",
                     &ticks) != 1)
        return now;
    double up = (double)boot.tv_sec + (double)boot.tv_nsec / 1e9;
    return now - up + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

void process_command(char *text, size_t size)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    if (n < 0)
        n = 0;
    while (n > 0 && text[n - 1] == 0)
        n--;
    for (ssize_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 127)
            text[i] = ' '; /* NULs between arguments, and nothing that moves a cursor */
    text[n] = 0;
}
