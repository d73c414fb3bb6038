/* Whatever a kernel, a sandbox or a file system lacks, links work, or report what is lacking: with
 * each optional call of the engine refused, without /proc, without /dev/shm, on a file system of 1
 * MiB, and at the limits of a process. No abort, no signal, no hang, and no errno that means
 * something else. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/platform.h"
#include "check.h"
#include "sandbox.h"
#include "segment/segment.h"
#include "space/draft.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif
#define NOEXEC_SEAL 8u

#define SKIPPED 77
#define LARGE 3000000u

/* ---- everything -------------------------------------------------------------------------- */

static uint8_t large[LARGE], got[LARGE];

static int through(liaison_mailbox *out, liaison_mailbox *in, uint32_t size)
{
    memset(large, (int)(size % 251), size);
    int r = test_send(out, large, size, SECOND);
    if (r != LIAISON_OK)
        return r;
    CHECK(test_receive(in, got, sizeof got, SECOND) == (int64_t)size);
    CHECK(memcmp(large, got, size) == 0);
    return LIAISON_OK;
}

/* A small message and a large one, for which memory is reserved then. */
static void both(liaison_mailbox *out, liaison_mailbox *in, int expected)
{
    CHECK_OK(through(out, in, 10));
    CHECK_RESULT(expected, through(out, in, LARGE));
    CHECK_OK(through(out, in, 20));
}

static int child_sends(void *m) { return test_send(m, "child", 5, SECOND); }

/* A forked child is another process: it can die holding a message, which is then returned. */
static int child_dies_holding(void *m)
{
    struct liaison_delivery d;
    struct liaison_wait wait = {.timeout = SECOND};
    CHECK_OK(liaison_mailbox_take(m, &wait, &d));
    CHECK(d.attempt == 1);
    kill(getpid(), SIGKILL);
    return 1;
}

static void forks(liaison_mailbox *m)
{
    char text[8];
    struct liaison_delivery d;
    struct liaison_wait wait = {.timeout = SECOND};
    CHECK(test_wait(test_child(child_sends, m)) == 0);
    CHECK(test_receive(m, text, sizeof text, SECOND) == 5);
    CHECK_OK(test_send(m, "back", 4, SECOND));
    CHECK(test_wait(test_child(child_dies_holding, m)) == -SIGKILL);
    CHECK_OK(liaison_mailbox_take(m, &wait, &d));
    CHECK(d.attempt == 2 && d.size == 4);
    CHECK_OK(liaison_mailbox_acknowledge(m, &d));
}

static void several(liaison_space *space, liaison_mailbox *m)
{
    struct liaison_several *q;
    struct liaison_wait wait = {.timeout = SECOND};
    uint64_t tags[4];
    size_t count;
    CHECK_OK(liaison_several_open(space, &q));
    CHECK_OK(liaison_several_add(q, m, 7));
    CHECK_OK(test_send(m, "x", 1, 0));
    CHECK_OK(liaison_several_wait(q, &wait, tags, 4, &count));
    CHECK(count == 1 && tags[0] == 7);
    CHECK(test_receive(m, got, sizeof got, 0) == 1);
    wait.timeout = SECOND / 100;
    CHECK_RESULT(LIAISON_EMPTY, liaison_several_wait(q, &wait, tags, 4, &count));
    liaison_several_close(q);
}

static int files(liaison_space *space, enum liaison_space_part part)
{
    int fd, n = 0;
    CHECK_OK(liaison_space_directory(space, part, &fd));
    DIR *listing = fdopendir(fd);
    CHECK(listing);
    for (struct dirent *e; (e = readdir(listing)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(listing);
    return n;
}

/* All that opens, reserves, names, waits and cleans. `growth`: the result of a message for which
 * more is to be reserved. */
static void everything(int growth)
{
    liaison_space *space = test_space();
    liaison_mailbox *m, *again, *reader, *writer, *out, *in;
    struct liaison_policy memory = {.capacity = 8, .memory = 8 << 20, .pair_capacity = -1};
    struct liaison_cleaned cleaned;
    int fd;
    CHECK_OK(liaison_mailbox_open(space, "box", LIAISON_OPEN_OR_CREATE, NULL, &m));
    CHECK_RESULT(LIAISON_NAME_TAKEN,
                 liaison_mailbox_open(space, "box", LIAISON_CREATE, NULL, &again));
    CHECK(files(space, LIAISON_SPACE_LINKS) == 1 && files(space, LIAISON_SPACE_NAMES) == 1);
    both(m, m, growth);
    forks(m);
    several(space, m);
    CHECK_OK(liaison_mailbox_doorbell(m, &fd));
    CHECK_OK(test_send(m, "x", 1, 0));
    CHECK(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 1000) == 1);
    CHECK_OK(liaison_space_clean(space, true, &cleaned));
    CHECK(cleaned.links == 0 && cleaned.nameless == 0);

    CHECK_OK(liaison_mailbox_open(space, "fixed", LIAISON_CREATE, &memory, &again));
    both(again, again, LIAISON_OK);
    CHECK_OK(liaison_mailbox_destroy(again, true));
    liaison_mailbox_close(again);

    CHECK_OK(liaison_pipe_create(space, NULL, &reader, &writer));
    both(writer, reader, growth);
    liaison_mailbox_close(writer);
    liaison_mailbox_close(reader);

    CHECK_OK(liaison_named_pipe_open(space, "pipe", NULL, &out, &in));
    struct liaison_delivery none;
    int r = test_send(out, large, LARGE, SECOND);
    CHECK_RESULT(growth, r);
    CHECK_RESULT(LIAISON_EMPTY, liaison_mailbox_try_take(in, &none));
    liaison_mailbox_close(out);
    liaison_mailbox_close(in);

    CHECK_OK(liaison_mailbox_destroy(m, true));
    liaison_mailbox_close(m);
    CHECK_OK(liaison_space_clean(space, true, &cleaned));
    CHECK(files(space, LIAISON_SPACE_LINKS) == 0 && files(space, LIAISON_SPACE_NAMES) == 0);
    liaison_space_close(space);
}

/* Parts that are mapped or reserved on their own begin at a page, also if pages are large. */
static void alignment(const void *context)
{
    (void)context;
    for (uint32_t cells = 1; cells < 5000; cells += 997)
        for (uint64_t memory = 0; memory < 10 << 20; memory += 999999) {
            struct geometry g = {.cells = cells, .memory = memory};
            CHECK_OK(geometry_plan(&g));
            CHECK(g.index_at % PAGE_MOST == 0 && g.arena_at % PAGE_MOST == 0);
            CHECK(g.size % PAGE_MOST == 0 && g.size >= g.arena_at + g.arena_limit);
        }
}

/* On a file system of 1 MiB: NO_SPACE where more is wanted, and no signal. */
static void everything_small(void)
{
    liaison_space *space = test_space();
    liaison_mailbox *m, *reader, *writer;
    struct liaison_policy policy = {.capacity = 8, .memory = 4 << 20, .pair_capacity = -1};
    CHECK_RESULT(LIAISON_NO_SPACE,
                 liaison_mailbox_open(space, "large", LIAISON_CREATE, &policy, &m));
    CHECK(files(space, LIAISON_SPACE_LINKS) == 0);
    CHECK_OK(liaison_mailbox_open(space, "box", LIAISON_CREATE, NULL, &m));
    policy.memory = 0;
    CHECK_OK(liaison_named_pipe_open(space, "pipe", &policy, &writer, &reader));
    both(m, m, LIAISON_NO_SPACE);
    several(space, m);
    CHECK_OK(test_send(writer, "x", 1, 0));
    CHECK_RESULT(LIAISON_NO_SPACE, test_send(writer, large, LARGE, 0));
}

/* ---- in a process of its own ---------------------------------------------------------------- */

/* Which has not used the engine before: what is lacking is found out at first use. */
static int run(void (*body)(const void *), const void *context)
{
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(60);
        body(context);
        test_space_end();
        _exit(0);
    }
    return test_wait(pid);
}

static const char *filter;
static int failed, skipped;

static void test(const char *name, void (*body)(const void *), const void *context)
{
    if (filter && !strstr(name, filter))
        return;
    int code = run(body, context);
    if (code == SKIPPED)
        skipped++;
    else if (code != 0)
        failed++;
    if (code != 0)
        printf("%s: %s\n", name, code == SKIPPED ? "NOT CHECKED, see above" : "FAILED");
}

static void skip(const char *why, int error)
{
    fprintf(stderr, "NOT CHECKED: %s: %s\n", why, strerror(error));
    exit(SKIPPED);
}

/* ---- calls that are refused --------------------------------------------------------------------
 */

struct taken {
    const char *name;
    int growth;          /* LIAISON_OK, or the result where more memory is to be reserved */
    const char *lacking; /* what everything ends at, rather than working */
    struct refusal refusals[8];
};

#define WHOLE(call, error) {SYS_##call, -1, 0, 0, error}
#define FLAG(call, argument, flag, error) {SYS_##call, argument, flag, flag, error}
#define COMMAND(call, argument, value, error) {SYS_##call, argument, UINT32_MAX, value, error}
#define TMPFILE(error) FLAG(openat, 2, O_TMPFILE, error)
#define POPULATE(error) COMMAND(madvise, 2, MADV_POPULATE_WRITE, error)
#define WIPE(error) COMMAND(madvise, 2, MADV_WIPEONFORK, error)

static const struct taken all_taken[] = {
    {"nothing", 0, NULL, {{0}}},
    {"no O_TMPFILE", 0, NULL, {TMPFILE(EOPNOTSUPP)}},
    {"no O_TMPFILE, an old kernel", 0, NULL, {TMPFILE(EISDIR)}},
    {"no O_TMPFILE, a sandbox", 0, NULL, {TMPFILE(EPERM)}},
    {"no link by descriptor",
     0,
     NULL,
     {FLAG(linkat, 4, AT_SYMLINK_FOLLOW, ENOENT), FLAG(linkat, 4, AT_EMPTY_PATH, ENOENT)}},
    {"no link by descriptor, a sandbox",
     0,
     NULL,
     {FLAG(linkat, 4, AT_SYMLINK_FOLLOW, EPERM), FLAG(linkat, 4, AT_EMPTY_PATH, EINVAL)}},
    {"no link by /proc", 0, NULL, {FLAG(linkat, 4, AT_SYMLINK_FOLLOW, ENOENT)}},
    {"no hard links", 0, "hard links", {WHOLE(linkat, EPERM)}},
    {"no linkat", 0, "hard links", {WHOLE(linkat, ENOSYS)}},
    {"no RENAME_NOREPLACE", 0, NULL, {WHOLE(renameat2, EINVAL)}},
    {"no renameat2", 0, NULL, {WHOLE(renameat2, ENOSYS)}},
    {"no getrandom", 0, NULL, {WHOLE(getrandom, ENOSYS)}},
    {"no memfd_create", 0, NULL, {WHOLE(memfd_create, ENOSYS)}},
    {"no memfd_create, a sandbox", 0, NULL, {WHOLE(memfd_create, EPERM)}},
    {"no MFD_NOEXEC_SEAL", 0, NULL, {FLAG(memfd_create, 1, NOEXEC_SEAL, EINVAL)}},
    {"no MADV_POPULATE_WRITE", 0, NULL, {POPULATE(EINVAL)}},
    {"no MADV_POPULATE_WRITE, a sandbox", 0, NULL, {POPULATE(EPERM)}},
    {"no MADV_WIPEONFORK", 0, NULL, {WIPE(EINVAL)}},
    {"no MADV_WIPEONFORK, a sandbox", 0, NULL, {WIPE(EPERM)}},
    {"no MADV_DONTFORK", 0, "MADV_DONTFORK", {COMMAND(madvise, 2, MADV_DONTFORK, EINVAL)}},
    {"no fallocate", 0, NULL, {WHOLE(fallocate, EOPNOTSUPP)}},
    {"no fallocate, a sandbox", 0, NULL, {WHOLE(fallocate, ENOSYS)}},
    {"no fallocate, no populate",
     LIAISON_UNSUPPORTED,
     NULL,
     {WHOLE(fallocate, EPERM), POPULATE(EINVAL)}},
    {"no OFD locks",
     0,
     "OFD locks",
     {COMMAND(fcntl, 1, F_OFD_SETLK, EINVAL), COMMAND(fcntl, 1, F_OFD_GETLK, EINVAL)}},
    {"no OFD locks, a sandbox",
     0,
     "OFD locks",
     {COMMAND(fcntl, 1, F_OFD_SETLK, EPERM), COMMAND(fcntl, 1, F_OFD_GETLK, EACCES)}},
    {"no timerfd", 0, "timerfd_create()", {WHOLE(timerfd_create, EPERM)}},
    {"no epoll", 0, "epoll_create1()", {WHOLE(epoll_create1, ENOSYS)}},
    {"no flock", 0, "flock()", {WHOLE(flock, ENOSYS)}},
    /* As a kernel with pages of 64 KiB refuses them. */
    {"no mapping from between pages of 64 KiB",
     0,
     NULL,
     {FLAG(mmap, 5, 1u << 12, EINVAL), FLAG(mmap, 5, 1u << 13, EINVAL),
      FLAG(mmap, 5, 1u << 14, EINVAL), FLAG(mmap, 5, 1u << 15, EINVAL)}},
    {"all that can be lacking",
     0,
     NULL,
     {TMPFILE(EOPNOTSUPP), FLAG(linkat, 4, AT_SYMLINK_FOLLOW, ENOENT),
      FLAG(linkat, 4, AT_EMPTY_PATH, EINVAL), WHOLE(renameat2, ENOSYS), WHOLE(getrandom, ENOSYS),
      WHOLE(memfd_create, ENOSYS), POPULATE(EINVAL), WIPE(EINVAL)}},
};

static void take(const struct taken *t)
{
    size_t n = 0;
    while (n < sizeof t->refusals / sizeof *t->refusals && t->refusals[n].error)
        n++;
    int error = sandbox_refuse(t->refusals, n);
    if (error)
        skip("no seccomp filter can be installed", error);
}

/* In a space, or where there is not even one. */
static int first_result(void)
{
    char root[128];
    liaison_space *space;
    liaison_mailbox *m;
    int fd;
    snprintf(root, sizeof root, "%s/root", test_directory());
    int r = liaison_space_open(root, geteuid(), "test", true, -1, &space);
    if (r == LIAISON_OK)
        r = liaison_mailbox_open(space, "box", LIAISON_OPEN_OR_CREATE, NULL, &m);
    if (r == LIAISON_OK)
        r = liaison_mailbox_doorbell(m, &fd);
    return r;
}

static void lacks(const void *context)
{
    const struct taken *t = context;
    take(t);
    int r = first_result();
    const char *missing = liaison_missing();
    if (r != LIAISON_UNSUPPORTED || strcmp(missing, t->lacking) != 0) {
        fprintf(stderr, "gave %d, for want of %s\n", r, missing);
        exit(1);
    }
}

static void works(const void *context)
{
    const struct taken *t = context;
    take(t);
    everything(t->growth);
    if (t->growth)
        CHECK(strcmp(liaison_missing(), "fallocate()") == 0);
}

/* ---- drafts that have a name ------------------------------------------------------------------
 */

/* `growth`: how many names there are then. */
static const struct taken dying[] = {
    {"before it is locked", 0, NULL, {TMPFILE(EOPNOTSUPP), WHOLE(flock, SANDBOX_KILL)}},
    {"before it has its mode", 0, NULL, {TMPFILE(EOPNOTSUPP), WHOLE(fchmod, SANDBOX_KILL)}},
    {"before it has its size", 0, NULL, {TMPFILE(EOPNOTSUPP), WHOLE(ftruncate, SANDBOX_KILL)}},
    {"while it reserves", 0, NULL, {TMPFILE(EOPNOTSUPP), WHOLE(fallocate, SANDBOX_KILL)}},
    {"before it has its header", 0, NULL, {TMPFILE(EOPNOTSUPP), WHOLE(pwrite64, SANDBOX_KILL)}},
    {"when it is complete", 0, NULL, {TMPFILE(EOPNOTSUPP), WHOLE(renameat, SANDBOX_KILL)}},
    {"before it is named", 0, NULL, {TMPFILE(EOPNOTSUPP), COMMAND(linkat, 4, 0, SANDBOX_KILL)}},
    {"when it is named", 1, NULL, {TMPFILE(EOPNOTSUPP), COMMAND(flock, 1, LOCK_UN, SANDBOX_KILL)}},
};

static liaison_space *shared_space;

static int makes(void *context)
{
    liaison_mailbox *m;
    struct liaison_policy policy = {.capacity = 8, .memory = 1 << 20, .pair_capacity = -1};
    CHECK_OK(liaison_space_introduce(shared_space, "maker")); /* a member, before calls are taken */
    take(context);
    return liaison_mailbox_open(shared_space, "box", LIAISON_CREATE, &policy, &m);
}

/* A maker that dies leaves one file, with the name or without one, which cleaning removes. */
static void dies(const void *context)
{
    const struct taken *t = context;
    struct liaison_cleaned cleaned;
    shared_space = test_space();
    int end = test_wait(test_child(makes, (void *)context));
    if (end == SKIPPED)
        exit(SKIPPED);
    CHECK(end == -SIGSYS);
    CHECK(files(shared_space, LIAISON_SPACE_LINKS) == 1);
    CHECK(files(shared_space, LIAISON_SPACE_NAMES) == t->growth);
    CHECK_OK(liaison_space_clean(shared_space, true, &cleaned));
    CHECK(files(shared_space, LIAISON_SPACE_LINKS) == 0);
    CHECK(files(shared_space, LIAISON_SPACE_NAMES) == 0);
}

static int cleans(void *context)
{
    struct liaison_cleaned cleaned;
    (void)context;
    return liaison_space_clean(shared_space, true, &cleaned);
}

/* That of a living maker is left to it. */
static void lives(const void *context)
{
    struct draft draft;
    int links;
    shared_space = test_space();
    take(context);
    CHECK_OK(liaison_space_directory(shared_space, LIAISON_SPACE_LINKS, &links));
    CHECK_OK(draft_begin(&draft, links, 0600));
    CHECK(test_wait(test_child(cleans, NULL)) == 0);
    CHECK(files(shared_space, LIAISON_SPACE_LINKS) == 1);
    CHECK_OK(draft_publish(&draft, "permanent", links, "name"));
    CHECK(files(shared_space, LIAISON_SPACE_LINKS) == 2);
    draft_end(&draft);
    CHECK(files(shared_space, LIAISON_SPACE_LINKS) == 2);
}

/* ---- name spaces --------------------------------------------------------------------------------
 */

static void own_mounts(void)
{
    int uid = (int)geteuid(), gid = (int)getegid();
    if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0)
        skip("no mount namespace can be made", errno);
    if (uid != 0) { /* still ourselves: what is ours is judged by it */
        char map[64];
        int fd = open("/proc/self/uid_map", O_WRONLY);
        int n = snprintf(map, sizeof map, "%d %d 1", uid, uid);
        CHECK(write(fd, map, (size_t)n) == n && close(fd) == 0);
        CHECK((fd = open("/proc/self/setgroups", O_WRONLY)) >= 0 && write(fd, "deny", 4) == 4);
        CHECK(close(fd) == 0 && (fd = open("/proc/self/gid_map", O_WRONLY)) >= 0);
        n = snprintf(map, sizeof map, "%d %d 1", gid, gid);
        CHECK(write(fd, map, (size_t)n) == n && close(fd) == 0);
    }
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        skip("mounts cannot be made private", errno);
}

static void put_over(const char *path, const char *options)
{
    if (mount("tmpfs", path, "tmpfs", 0, options) != 0)
        skip(path, errno);
}

static void without_proc(const void *context)
{
    own_mounts();
    put_over("/proc", "mode=755");
    take(context);
    everything(LIAISON_OK);
}

/* It is reported as lacking, and no process makes it, not even as root. */
static void without_shm(const void *context)
{
    char root[128];
    liaison_space *space;
    (void)context;
    own_mounts();
    put_over("/dev", "mode=755");
    unsetenv("LIAISON_ROOT");
    CHECK_OK(liaison_root(geteuid(), false, root, sizeof root));
    CHECK_RESULT(LIAISON_UNSUPPORTED,
                 liaison_space_open(root, geteuid(), "test", true, -1, &space));
    CHECK(strcmp(liaison_missing(), "/dev/shm") == 0);
    CHECK_RESULT(LIAISON_UNSUPPORTED,
                 liaison_space_open(root, geteuid(), "test", false, -1, &space));
    CHECK(access("/dev/shm", F_OK) != 0);
}

static void little_shm(const void *context)
{
    own_mounts();
    put_over("/dev/shm", "size=1m,mode=1777");
    take(context);
    everything_small();
}

/* ---- limits of a process, which are not the file system's ---------------------------------------
 */

static void set_limit(int resource, rlim_t value)
{
    struct rlimit limit;
    CHECK(getrlimit((__rlimit_resource_t)resource, &limit) == 0);
    limit.rlim_cur = value;
    CHECK(setrlimit((__rlimit_resource_t)resource, &limit) == 0);
}

/* -EFBIG, and not SIGXFSZ, which kills a program that is not Python. */
static void small_files(const void *context)
{
    liaison_mailbox *m;
    (void)context;
    liaison_space *space = test_space();
    set_limit(RLIMIT_FSIZE, 100 << 10);
    CHECK_RESULT(-EFBIG, liaison_mailbox_open(space, "box", LIAISON_CREATE, NULL, &m));
    CHECK(files(space, LIAISON_SPACE_LINKS) == 0);
    set_limit(RLIMIT_FSIZE, 1 << 10);
    CHECK_RESULT(-EFBIG, liaison_space_introduce(space, "name"));
    CHECK_RESULT(-EFBIG, liaison_space_open("/dev/shm/liaison-test-none", geteuid(), "test", true,
                                            -1, &space));
    CHECK(access("/dev/shm/liaison-test-none", F_OK) != 0 ||
          rmdir("/dev/shm/liaison-test-none") == 0);
}

static void few_descriptors(const void *context)
{
    liaison_mailbox *m;
    (void)context;
    liaison_space *space = test_space();
    liaison_mailbox *first = test_mailbox(space, "first", 1);
    set_limit(RLIMIT_NOFILE, 3);
    CHECK_RESULT(-EMFILE, liaison_mailbox_open(space, "box", LIAISON_CREATE, NULL, &m));
    CHECK_RESULT(-EMFILE, liaison_mailbox_open(space, "first", LIAISON_OPEN, NULL, &m));
    CHECK_OK(through(first, first, 10));
    set_limit(RLIMIT_NOFILE, 64);
}

static void few_addresses(const void *context)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip("a sanitizer needs all addresses itself", ENOMEM);
#endif
    liaison_mailbox *m;
    (void)context;
    liaison_space *space = test_space();
    liaison_mailbox *first = test_mailbox(space, "first", 1);
    set_limit(RLIMIT_AS, 64 << 20);
    void *map = mmap(NULL, 1 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map != MAP_FAILED)
        skip("the limit on addresses has no effect, as under qemu-user", EPERM);
    CHECK_RESULT(-ENOMEM, liaison_mailbox_open(space, "box", LIAISON_CREATE, NULL, &m));
    set_limit(RLIMIT_AS, RLIM_INFINITY);
    CHECK(files(space, LIAISON_SPACE_LINKS) == 1);
    CHECK_OK(through(first, first, 10));
}

/* What each errno of a reservation means. */
struct meaning {
    const char *name;
    int result;
    struct refusal refusal;
};
static const struct meaning meanings[] = {
    {"full", LIAISON_NO_SPACE, WHOLE(fallocate, ENOSPC)},
    {"a quota", -EDQUOT, WHOLE(fallocate, EDQUOT)},
    {"no memory", -ENOMEM, WHOLE(fallocate, ENOMEM)},
    {"a file that is too large", -EFBIG, WHOLE(fallocate, EFBIG)},
    {"a directory that may not be written", LIAISON_DENIED, FLAG(openat, 2, O_CREAT, EACCES)},
};

static void means(const void *context)
{
    const struct meaning *m = context;
    struct refusal refusals[] = {m->refusal, TMPFILE(EACCES)};
    liaison_mailbox *box;
    liaison_space *space = test_space();
    CHECK_OK(liaison_space_introduce(space, "maker"));
    int error = sandbox_refuse(refusals, m->result == LIAISON_DENIED ? 2 : 1);
    if (error)
        skip("no seccomp filter can be installed", error);
    CHECK_RESULT(m->result, liaison_mailbox_open(space, "box", LIAISON_CREATE, NULL, &box));
    CHECK(files(space, LIAISON_SPACE_LINKS) == 0);
}

/* ---- signals
 * ---------------------------------------------------------------------------------------- */

#define MUCH (UINT64_C(96) << 20)

static volatile sig_atomic_t alarms;
static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

static void tick(void)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, 500}, {0, 500}};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &every, NULL) == 0);
}

static bool enough(void *context)
{
    (void)context;
    return alarms > 3;
}

static blkcnt_t blocks(void)
{
    struct statvfs st;
    CHECK(statvfs("/dev/shm", &st) == 0);
    return (blkcnt_t)((st.f_blocks - st.f_bfree) * st.f_frsize);
}

/* Signals that come faster than a piece of memory is reserved do not make it begin again for ever;
 * and it can be interrupted between two pieces, which leaves nothing. */
static void signals(const void *context)
{
    const bool *interrupt = context;
#ifdef __SANITIZE_THREAD__
    skip("the thread sanitizer holds signals back", EINTR);
#endif
    liaison_mailbox *m;
    liaison_space *space = test_space();
    struct liaison_policy policy = {.capacity = 8, .memory = MUCH, .pair_capacity = -1};
    struct statvfs st;
    CHECK(statvfs("/dev/shm", &st) == 0);
    if (st.f_bavail * st.f_bsize < 2 * MUCH)
        skip("/dev/shm is too small for a large reservation", ENOSPC);
    CHECK_OK(liaison_space_introduce(space, "maker"));
    blkcnt_t before = blocks();
    if (*interrupt)
        liaison_heed(enough, NULL);
    tick();
    int r = liaison_mailbox_open(space, "box", LIAISON_CREATE, &policy, &m);
    CHECK_RESULT(*interrupt ? LIAISON_INTERRUPTED : LIAISON_OK, r);
    CHECK(files(space, LIAISON_SPACE_LINKS) == !*interrupt);
    CHECK(alarms > 3);
    if (*interrupt)
        CHECK(blocks() < before + (blkcnt_t)MUCH / 2);
}

int main(int count, char **arguments)
{
    static const struct taken nothing = {.refusals = {{0}}},
                              populate = {.refusals = {POPULATE(EINVAL)}},
                              no_file = {.refusals = {TMPFILE(EOPNOTSUPP)}},
                              empty_path = {.refusals = {FLAG(linkat, 4, AT_EMPTY_PATH, ENOENT)}};
    static const bool no = false, yes = true;
    filter = count > 1 ? arguments[1] : NULL;
    for (size_t i = 0; i < sizeof all_taken / sizeof *all_taken; i++)
        test(all_taken[i].name, all_taken[i].lacking ? lacks : works, &all_taken[i]);
    for (size_t i = 0; i < sizeof dying / sizeof *dying; i++)
        test(dying[i].name, dies, &dying[i]);
    test("alignment", alignment, NULL);
    test("a living maker's draft", lives, &no_file);
    test("no /proc", without_proc, &nothing);
    test("no /proc, no capability", without_proc, &empty_path);
    test("no /dev/shm", without_shm, NULL);
    test("1 MiB of /dev/shm", little_shm, &nothing);
    test("1 MiB of /dev/shm, no MADV_POPULATE_WRITE", little_shm, &populate);
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        test(meanings[i].name, means, &meanings[i]);
    test("ulimit -f", small_files, NULL);
    test("ulimit -n", few_descriptors, NULL);
    test("ulimit -v", few_addresses, NULL);
    test("signals, faster than memory", signals, &no);
    test("signals, one of which interrupts", signals, &yes);
    if (!failed && skipped)
        return SKIPPED;
    return failed != 0;
}
