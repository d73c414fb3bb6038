/* What this machine can do at best, in C: the yardstick beside every figure of the benchmark.
 *
 *     limits [--milliseconds N] [spin futex pipe socket copy carry call]...
 *
 * prints one JSON object. A ping-pong is two processes that take turns, pinned to two cores, and is
 * given in nanoseconds a round trip; `copy` is memcpy in GB/s; `carry` is what two
 * processes on two cores carry, one copying 1 MiB after the other into shared memory and the other
 * copying it out, in GB/s; `call` is one system call in nanoseconds. What needs two cores is null
 * on a machine with one.
 *
 * C11 and the calls of Linux, no library: any compiler builds it alone:
 *     cc -O2 -std=c11 limits.c -o limits
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SAMPLES = 400000 };

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void give_up(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- cores ---------------------------------------------------------------------------------- */

static int core_of(int cpu)
{
    char path[96];
    int core = -1;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/core_id", cpu);
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%d", &core) != 1)
            core = -1;
        fclose(file);
    }
    return core;
}

/* Two hardware threads of one core share its first cache and would flatter the machine, so the
 * second processor is taken from another core where there is one. */
static int choose_cpus(int chosen[2])
{
    cpu_set_t allowed;
    int second_best = -1;
    chosen[0] = -1;
    if (sched_getaffinity(0, sizeof allowed, &allowed))
        return 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        if (chosen[0] < 0) {
            chosen[0] = cpu;
        } else if (core_of(cpu) != core_of(chosen[0])) {
            chosen[1] = cpu;
            return 1;
        } else if (second_best < 0) {
            second_best = cpu;
        }
    }
    chosen[1] = second_best;
    return second_best >= 0;
}

static void pin(int cpu)
{
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    if (sched_setaffinity(0, sizeof only, &only))
        give_up("sched_setaffinity");
}

static void relax(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield");
#endif
}

/* ---- the ways to take turns ------------------------------------------------------------------ */

/* Each direction has its own cache line: a shared one would measure false sharing. */
struct board {
    _Alignas(128) _Atomic uint32_t turn[2][32];
};

struct link {
    struct board *board;
    int file[2];  /* what side 0 and side 1 read and write */
    int other[2]; /* the second pipe; for a socket the same files */
};

struct way {
    const char *name;
    void (*tell)(struct link *, int to, uint32_t turn);
    void (*await)(struct link *, int side, uint32_t turn);
};

/* release pairs with the acquire in spin_await; the turn is all that is carried. */
static void spin_tell(struct link *link, int to, uint32_t turn)
{
    atomic_store_explicit(link->board->turn[to], turn, memory_order_release);
}

static void spin_await(struct link *link, int side, uint32_t turn)
{
    while (atomic_load_explicit(link->board->turn[side], memory_order_acquire) != turn)
        relax();
}

static void futex_tell(struct link *link, int to, uint32_t turn)
{
    spin_tell(link, to, turn);
    syscall(SYS_futex, link->board->turn[to], FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void futex_await(struct link *link, int side, uint32_t turn)
{
    while (atomic_load_explicit(link->board->turn[side], memory_order_acquire) != turn)
        syscall(SYS_futex, link->board->turn[side], FUTEX_WAIT, turn - 1, NULL, NULL, 0);
}

static void file_tell(struct link *link, int to, uint32_t turn)
{
    (void)turn;
    if (write(link->other[to], "x", 1) != 1)
        give_up("write");
}

static void file_await(struct link *link, int side, uint32_t turn)
{
    char byte;
    (void)turn;
    if (read(link->file[side], &byte, 1) != 1)
        _exit(0); /* the other side has finished */
}

static const struct way ways[] = {
    {"spin", spin_tell, spin_await},
    {"futex", futex_tell, futex_await},
    {"pipe", file_tell, file_await},
    {"socket", file_tell, file_await},
};

static void open_files(struct link *link, const char *name)
{
    int there[2], back[2];
    if (!strcmp(name, "pipe")) {
        if (pipe(there) || pipe(back))
            give_up("pipe");
        link->file[1] = there[0], link->other[1] = there[1];
        link->file[0] = back[0], link->other[0] = back[1];
    } else if (!strcmp(name, "socket")) {
        if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, there))
            give_up("socketpair");
        link->file[0] = link->other[1] = there[0];
        link->file[1] = link->other[0] = there[1];
    }
}

static int ascending(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static uint32_t at(const uint32_t *sorted, size_t count, double part)
{
    size_t index = (size_t)(part * (double)count);
    return sorted[index < count ? index : count - 1];
}

static void ping_pong(const struct way *way, const int cpus[2], uint64_t budget)
{
    static uint32_t samples[MOST_SAMPLES];
    struct link link = {.file = {-1, -1}, .other = {-1, -1}};
    link.board =
        mmap(NULL, sizeof *link.board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (link.board == MAP_FAILED)
        give_up("mmap");
    open_files(&link, way->name);

    int arrived[2]; /* closed by the child when it is on its core: until then this one stands aside
                     */
    if (pipe(arrived))
        give_up("pipe");
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        give_up("fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(cpus[1]);
        close(arrived[0]);
        close(arrived[1]);
        for (uint32_t turn = 1;; turn++) {
            way->await(&link, 1, turn);
            way->tell(&link, 0, turn);
        }
    }

    char nothing;
    close(arrived[1]);
    if (read(arrived[0], &nothing, 1) != 0)
        give_up("read");
    close(arrived[0]);
    uint32_t turn = 0;
    uint64_t began = clock_ns(), before = began;
    size_t count = 0;
    /* The first tenth warms caches. One reading of the clock
     * a round trip: what one sample ends with, the next one begins with. */
    while (before - began < budget && count < MOST_SAMPLES) {
        turn++;
        way->tell(&link, 1, turn);
        way->await(&link, 0, turn);
        uint64_t now = clock_ns();
        if (now - began > budget / 10)
            samples[count++] = (uint32_t)(now - before);
        before = now;
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    for (int side = 0; side < 2; side++) {
        if (link.file[side] >= 0)
            close(link.file[side]);
        if (link.other[side] >= 0 && link.other[side] != link.file[!side])
            close(link.other[side]);
    }
    munmap(link.board, sizeof *link.board);

    qsort(samples, count, sizeof *samples, ascending);
    printf("{\"p50\": %u, \"p99\": %u, \"p999\": %u, \"samples\": %zu}", at(samples, count, 0.5),
           at(samples, count, 0.99), at(samples, count, 0.999), count);
}

/* ---- memory and the kernel ------------------------------------------------------------------- */

/* The median copy, not the mean: one preemption in the middle of a copy is not a slow memory. */
static double copy_speed(size_t size, uint64_t budget)
{
    enum { MOST = 2000 };
    static uint32_t samples[MOST];
    char *from = malloc(size), *to = malloc(size);
    if (!from || !to)
        give_up("malloc");
    memset(from, 1, size);
    memset(to, 2, size);
    size_t repeats = size < (1u << 20) ? 16 : 1, count = 0;
    uint64_t began = clock_ns();
    while (count < 3 || (count < MOST && clock_ns() - began < budget)) {
        uint64_t before = clock_ns();
        for (size_t i = 0; i < repeats; i++) {
            memcpy(to, from, size);
            __asm__ volatile("" : : "r"(to) : "memory"); /* keep every copy */
        }
        samples[count++] = (uint32_t)((clock_ns() - before) / repeats);
    }
    qsort(samples, count, sizeof *samples, ascending);
    free(from);
    free(to);
    uint32_t median = at(samples, count, 0.5);
    return median ? (double)size / median : 0;
}

/* The least that carrying bytes from process to process takes: a copy in and a copy out, through as
 * many places as the benchmark's links hold. */
static double carry_speed(const int cpus[2], uint64_t budget)
{
    enum { PLACES = 8, SIZE = 1 << 20 };
    struct {
        _Alignas(128) _Atomic uint64_t sent;
        _Alignas(128) _Atomic uint64_t received;
        _Alignas(4096) char places[PLACES][SIZE];
    } *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *own = malloc(SIZE);
    if (shared == MAP_FAILED || !own)
        give_up("memory");
    memset(own, 1, SIZE);
    memset(shared->places, 2, sizeof shared->places);
    pid_t child = fork();
    if (child < 0)
        give_up("fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(cpus[1]);
        for (uint64_t i = 0;; i++) {
            while (atomic_load_explicit(&shared->received, memory_order_acquire) + PLACES <= i)
                relax();
            memcpy(shared->places[i % PLACES], own, SIZE);
            atomic_store_explicit(&shared->sent, i + 1, memory_order_release);
        }
    }
    uint64_t began = 0, passed = 0, i = 0;
    for (; i < 2 * PLACES || passed < budget; i++) {
        while (atomic_load_explicit(&shared->sent, memory_order_acquire) <= i)
            relax();
        if (i == PLACES)
            began = clock_ns();
        memcpy(own, shared->places[i % PLACES], SIZE);
        __asm__ volatile("" : : "r"(own) : "memory");
        atomic_store_explicit(&shared->received, i + 1, memory_order_release);
        passed = i >= PLACES ? clock_ns() - began : 0;
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    munmap(shared, sizeof *shared);
    free(own);
    return (double)(i - PLACES) * SIZE / (double)passed;
}

static double call_cost(uint64_t budget)
{
    uint64_t count = 0, began = clock_ns(), passed;
    do {
        for (int i = 0; i < 1000; i++)
            syscall(SYS_getppid);
        count += 1000;
        passed = clock_ns() - began;
    } while (passed < budget);
    return (double)passed / (double)count;
}

/* ---- the program ----------------------------------------------------------------------------- */

static int wanted(const char *name, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return 1;
    return count == 0;
}

int main(int count, char **arguments)
{
    uint64_t budget = 100 * 1000000u;
    count--, arguments++;
    if (count >= 2 && !strcmp(arguments[0], "--milliseconds")) {
        budget = strtoull(arguments[1], NULL, 10) * 1000000u;
        count -= 2, arguments += 2;
    }
    if (count && arguments[0][0] == '-') {
        puts("limits [--milliseconds N] [spin futex pipe socket copy carry call]...");
        return strcmp(arguments[0], "--help") != 0;
    }

    int cpus[2] = {-1, -1};
    int two = choose_cpus(cpus);
    cpu_set_t everywhere;
    sched_getaffinity(0, sizeof everywhere, &everywhere);
    const char *comma = "";
    printf("{");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (!wanted(ways[i].name, count, arguments))
            continue;
        printf("%s\"%s\": ", comma, ways[i].name);
        comma = ", ";
        if (two) {
            pin(cpus[0]);
            ping_pong(&ways[i], cpus, budget);
            sched_setaffinity(0, sizeof everywhere, &everywhere);
        } else {
            printf("null");
        }
    }
    if (wanted("copy", count, arguments)) {
        printf("%s\"copy\": {\"64 KiB\": %.2f, \"1 MiB\": %.2f, \"64 MiB\": %.2f}", comma,
               copy_speed(64u << 10, budget / 3), copy_speed(1u << 20, budget / 3),
               copy_speed(64u << 20, budget / 3));
        comma = ", ";
    }
    if (wanted("carry", count, arguments)) {
        printf("%s\"carry\": ", comma);
        comma = ", ";
        if (two) {
            pin(cpus[0]);
            printf("%.2f", carry_speed(cpus, budget));
            sched_setaffinity(0, sizeof everywhere, &everywhere);
        } else {
            printf("null");
        }
    }
    if (wanted("call", count, arguments))
        printf("%s\"call\": %.1f", comma, call_cost(budget / 4));
    puts("}");
    return 0;
}
