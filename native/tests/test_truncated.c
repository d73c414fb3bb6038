/* Wherever a file is truncated while it is in use, its users get CORRUPT and survive; and SIGBUS
 * still works as before for the rest of the program. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "victim.h"

static liaison_space *space;

static const struct liaison_policy policies[] = {
    {.capacity = 8, .memory = 65536},
    {.capacity = 3, .max_message = 100},
    {.capacity = 8, .memory = 65536, .access = LIAISON_EXCLUSIVE},
    {.capacity = 0, .memory = 65536},
    {.capacity = 70},
};
#define POLICIES (sizeof policies / sizeof *policies)

static void path_to(const char *what, char path[PATH_MAX + 64])
{
    snprintf(path, PATH_MAX + 64, "%s/%s", liaison_space_path(space), what);
}

static void cut(const char *what, uint64_t size)
{
    char path[PATH_MAX + 64];
    path_to(what, path);
    CHECK(truncate(path, (off_t)size) == 0);
}

static liaison_mailbox *create(const char *name, const struct liaison_policy *policy)
{
    liaison_mailbox *m;
    CHECK_OK(liaison_mailbox_open(space, name, LIAISON_CREATE, policy, &m));
    return m;
}

/* Gives up a mailbox whose file is no longer what it was. */
static void done_with(liaison_mailbox *m)
{
    int r = liaison_mailbox_destroy(m, true);
    CHECK(r == LIAISON_OK || r == LIAISON_DESTROYED);
    liaison_mailbox_close(m);
}

static void still_works(const char *name)
{
    liaison_mailbox *m = create(name, &policies[0]);
    char text[8];
    CHECK_OK(test_send(m, "x", 1, 0));
    CHECK(test_receive(m, text, sizeof text, 0) == 1);
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
}

/* Just before, at and behind the beginning of each part. */
static unsigned cuts(const liaison_mailbox *m, uint64_t sizes[64])
{
    const struct geometry *g = &victim_segment((liaison_mailbox *)m)->geometry;
    const uint64_t parts[] = {
        PAGE,           g->attachments_at, g->waiters_at, g->receipts_at,     g->cells_at,
        g->returned_at, g->index_at,       g->arena_at,   g->arena_at + PAGE, g->size};
    unsigned n = 0;
    sizes[n++] = 0;
    sizes[n++] = 1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        sizes[n++] = parts[i] - 1;
        if (parts[i] < g->size)
            sizes[n++] = parts[i];
        if (parts[i] + PAGE < g->size)
            sizes[n++] = parts[i] + PAGE;
    }
    return n;
}

static void between_any_two_operations(void)
{
    struct progress *p = progress_new();
    for (size_t i = 0; i < POLICIES; i++)
        for (unsigned size = 0, n = 1; size < n; size++)
            for (unsigned first = 0; first < 16; first++) {
                uint64_t sizes[64];
                struct victim v = {.space = space,
                                   .name = "cut",
                                   .mailbox = create("cut", &policies[i]),
                                   .progress = p,
                                   .seed = first + 1,
                                   .longest = 30000};
                n = cuts(v.mailbox, sizes);
                if (policies[i].capacity) {
                    struct liaison_wait wait = {.timeout = 0};
                    CHECK_OK(liaison_mailbox_loan(v.mailbox, 90, true, &wait, &v.loan));
                    CHECK_OK(liaison_mailbox_send_loan(v.mailbox, &v.loan, 0, &wait, &v.receipt));
                    CHECK_OK(test_send(v.mailbox, "x", 1, 0));
                    CHECK_OK(liaison_mailbox_try_take(v.mailbox, &v.delivery));
                    CHECK_OK(liaison_mailbox_loan(v.mailbox, 90, false, &wait, &v.loan));
                    v.kept = true;
                }
                cut("names/cut", sizes[size]);
                victim_round(&v, first);
                if (sizes[size] == 0) {
                    struct liaison_statistics all;
                    CHECK_RESULT(LIAISON_CORRUPT, liaison_mailbox_statistics(v.mailbox, &all));
                    CHECK_RESULT(LIAISON_CORRUPT, test_send(v.mailbox, "x", 1, FOREVER));
                }
                done_with(v.mailbox);
            }
    still_works("cut");
}

#if !defined(__SANITIZE_THREAD__)
/* ---- at any moment ---------------------------------------------------------------------- */

#define THREADS 3

static void *work(void *context)
{
    struct victim *v = context;
    for (unsigned i = 0; !v->progress->stop; i++)
        victim_round(v, i);
    return NULL;
}

struct cutting {
    struct progress *progress;
    uint64_t after, size;
};
static int cut_in(void *context)
{
    const struct cutting *c = context;
    alarm(60);
    while (c->progress->rounds < c->after)
        ;
    cut("names/cut", c->size);
    return 0;
}

static void while_threads_work(void)
{
    uint32_t dice = 3;
    for (unsigned i = 0; i < 60; i++) {
        struct cutting c = {.progress = progress_new(), .after = test_random(&dice) % 20};
        liaison_mailbox *m = create("cut", &policies[i % POLICIES]);
        struct victim v[THREADS];
        pthread_t thread[THREADS];
        uint64_t sizes[64];
        unsigned n = cuts(m, sizes);
        c.size = i < 10 ? 0 : sizes[test_random(&dice) % n];
        pid_t cutter = test_child(cut_in, &c);
        for (uint32_t t = 0; t < THREADS; t++) {
            v[t] = (struct victim){.space = space,
                                   .name = "cut",
                                   .mailbox = m,
                                   .progress = c.progress,
                                   .seed = 10 * i + t + 1,
                                   .longest = 3000000};
            CHECK(pthread_create(&thread[t], NULL, work, &v[t]) == 0);
        }
        CHECK(test_wait(cutter) == 0);
        for (uint64_t end = c.progress->rounds + 10 * THREADS; c.progress->rounds < end;)
            usleep(100);
        c.progress->stop = 1;
        for (int t = 0; t < THREADS; t++)
            CHECK(pthread_join(thread[t], NULL) == 0);
        alarm(0);
        if (c.size == 0)
            CHECK_RESULT(LIAISON_CORRUPT, test_send(m, "x", 1, FOREVER));
        done_with(m);
        munmap(c.progress, sizeof *c.progress);
    }
    still_works("cut");
}

static void *receive_forever(void *context)
{
    char text[8];
    CHECK(test_receive(context, text, sizeof text, FOREVER) == -LIAISON_CORRUPT);
    return NULL;
}

static void while_threads_sleep(void)
{
    liaison_mailbox *m = create("cut", &policies[0]);
    pthread_t thread[THREADS];
    struct liaison_statistics all = {0};
    for (int t = 0; t < THREADS; t++)
        CHECK(pthread_create(&thread[t], NULL, receive_forever, m) == 0);
    while (all.receivers_waiting < THREADS)
        CHECK_OK(liaison_mailbox_statistics(m, &all));
    cut("names/cut", 0);
    for (int t = 0; t < THREADS; t++)
        CHECK(pthread_join(thread[t], NULL) == 0);
    done_with(m);
}

#endif

/* ---- other files ------------------------------------------------------------------------ */

/* Cuts a file off and makes it long again, over and over. */
struct flickering {
    int fd;
    struct progress *progress;
};
static int open_file(const char *what)
{
    char path[PATH_MAX + 64];
    path_to(what, path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static int flicker(void *context)
{
    const struct flickering *f = context;
    struct stat st;
    static uint8_t head[2 * PAGE];
    int fd = f->fd;
    CHECK(fstat(fd, &st) == 0);
    CHECK(pread(fd, head, sizeof head, 0) == sizeof head);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (!f->progress->stop) {
        CHECK(ftruncate(fd, 0) == 0);
        CHECK(pwrite(fd, head, sizeof head, 0) == sizeof head);
        CHECK(ftruncate(fd, st.st_size) == 0);
        f->progress->mutations++;
    }
    return 0;
}

static void a_cleaner_of_what_is_cut_off_lives(void)
{
    liaison_mailbox *m = create("flickers", &policies[1]);
    struct flickering f = {open_file("names/flickers"), progress_new()};
    struct liaison_cleaned cleaned;
    /* A link that was destroyed and is still there, so that the cleaner judges it each time. */
    note32(&victim_segment(m)->header->state, LINK_DESTROYED);
    liaison_mailbox_close(m);
    char path[PATH_MAX + 64];
    path_to("names/flickers", path);
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", f.fd);
    pid_t child = test_child(flicker, &f);
    char link[PATH_MAX + 64], spare[PATH_MAX + 64];
    path_to("spare", spare); /* what has lost its last name cannot be given another */
    CHECK(linkat(AT_FDCWD, self, AT_FDCWD, spare, AT_SYMLINK_FOLLOW) == 0);
    path_to("links/00000000000000000000000000000001", link);
    for (alarm(60); f.progress->mutations < 3000;) {
        (void)linkat(AT_FDCWD, self, AT_FDCWD, link, AT_SYMLINK_FOLLOW);
        (void)linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
        CHECK_OK(liaison_space_clean(space, false, &cleaned));
    }
    alarm(0);
    f.progress->stop = 1;
    CHECK(test_wait(child) == 0);
    unlink(link);
    unlink(path);
    unlink(spare);
    close(f.fd);
}

static int use_while_the_members_flicker(void *context)
{
    struct flickering *f = context;
    liaison_space *own;
    liaison_mailbox *m;
    char root[PATH_MAX], text[8];
    alarm(240);
    CHECK_OK(liaison_root(geteuid(), false, root, sizeof root));
    CHECK_OK(liaison_space_open(root, geteuid(), "test", false, -1, &own));
    CHECK_OK(liaison_mailbox_open(own, "members", LIAISON_CREATE, &policies[0], &m));
    CHECK_OK(test_send(m, "x", 1, 0));
    CHECK(test_receive(m, text, sizeof text, 0) == 1);
    f->fd = open_file("members");
    pid_t child = test_child(flicker, f);
    while (f->progress->mutations < 300) {
        int r = test_send(m, "x", 1, 20000);
        CHECK(r == LIAISON_OK || r == LIAISON_FULL || r == LIAISON_CORRUPT);
        for (int i = 0; i < 3; i++) {
            int64_t n = test_receive(m, text, sizeof text, 20000);
            CHECK(n == 1 || n == -LIAISON_EMPTY || n == -LIAISON_CORRUPT);
        }
    }
    f->progress->stop = 1;
    CHECK(test_wait(child) == 0);
    /* What it had works as before. */
    CHECK_OK(test_send(m, "x", 1, 0));
    CHECK_OK(liaison_mailbox_destroy(m, true));
    liaison_mailbox_close(m);
    liaison_space_close(own);
    return 0;
}

static void a_member_whose_record_is_cut_off_lives(void)
{
    struct flickering f = {-1, progress_new()};
    CHECK(test_wait(test_child(use_while_the_members_flicker, &f)) == 0);
}

/* ---- the signal ------------------------------------------------------------------------- */

static sigjmp_buf way_out;
static volatile sig_atomic_t heard;
static struct sigaction theirs;

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    heard++;
    if (info->si_code > 0)
        siglongjmp(way_out, 1);
}
static void on_plain_signal(int number)
{
    (void)number;
    heard++;
    siglongjmp(way_out, 1);
}
/* What a handler that was installed later must do with a fault that is not its own. */
static uint8_t *own_page;
static void on_signal_pass_on(int number, siginfo_t *info, void *context)
{
    if ((uint8_t *)info->si_addr >= own_page && (uint8_t *)info->si_addr < own_page + PAGE)
        on_signal(number, info, context);
    theirs.sa_sigaction(number, info, context);
}

static void set_handler(void (*handler)(int, siginfo_t *, void *), void (*plain)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    if (handler) {
        action.sa_sigaction = handler;
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
    } else {
        action.sa_handler = plain;
        action.sa_flags = SA_NODEFER;
    }
    CHECK(sigaction(SIGBUS, &action, &theirs) == 0);
}

static void map_own_page(void)
{
    char path[PATH_MAX + 64];
    path_to("own", path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, PAGE) == 0);
    own_page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(own_page != MAP_FAILED && ftruncate(fd, 0) == 0);
    close(fd);
    unlink(path);
}

static void corrupt_and_alive(void)
{
    liaison_mailbox *m = create("signal", &policies[0]);
    cut("names/signal", 0);
    CHECK_RESULT(LIAISON_CORRUPT, test_send(m, "x", 1, 0));
    done_with(m);
}

static void a_fault_of_its_own_reaches_it(void)
{
    map_own_page();
    int before = heard;
    if (sigsetjmp(way_out, 1) == 0)
        *(volatile uint8_t *)own_page = 1;
    CHECK(heard == before + 1);
    munmap(own_page, PAGE);
    own_page = NULL;
}

static int handler_before(void *unused)
{
    (void)unused;
    set_handler(on_signal, NULL);
    corrupt_and_alive();
    CHECK(heard == 0);
    a_fault_of_its_own_reaches_it();
    raise(SIGBUS);
    CHECK(heard == 2);
    corrupt_and_alive();
    return heard == 2 ? 0 : 1;
}
static int plain_handler_before(void *unused)
{
    (void)unused;
    set_handler(NULL, on_plain_signal);
    corrupt_and_alive();
    a_fault_of_its_own_reaches_it();
    corrupt_and_alive();
    return heard == 1 ? 0 : 1;
}
static int handler_after(void *unused)
{
    (void)unused;
    corrupt_and_alive();
    set_handler(on_signal_pass_on, NULL);
    corrupt_and_alive();
    CHECK(heard == 0);
    a_fault_of_its_own_reaches_it();
    corrupt_and_alive();
    return heard == 1 ? 0 : 1;
}
static int sent_by_default(void *unused)
{
    (void)unused;
    set_handler(NULL, SIG_DFL);
    corrupt_and_alive();
    raise(SIGBUS);
    return 0;
}
static int sent_and_ignored(void *unused)
{
    (void)unused;
    set_handler(NULL, SIG_IGN);
    corrupt_and_alive();
    raise(SIGBUS);
    corrupt_and_alive(); /* still guarded */
    return 0;
}
static int own_fault(void *handler)
{
    set_handler(NULL, handler ? SIG_IGN : SIG_DFL);
    corrupt_and_alive();
    map_own_page();
    *(volatile uint8_t *)own_page = 1;
    return 0;
}

static void the_programs_own_handling_of_the_signal_goes_on(void)
{
    CHECK(test_wait(test_child(handler_before, NULL)) == 0);
    CHECK(test_wait(test_child(plain_handler_before, NULL)) == 0);
    CHECK(test_wait(test_child(handler_after, NULL)) == 0);
    CHECK(test_wait(test_child(sent_by_default, NULL)) == -SIGBUS);
    CHECK(test_wait(test_child(sent_and_ignored, NULL)) == 0);
    CHECK(test_wait(test_child(own_fault, NULL)) == -SIGBUS);
    CHECK(test_wait(test_child(own_fault, "ignored")) == -SIGBUS);
}

int main(void)
{
    space = test_space();
    /* First: the engine takes the signal once in a process, and these are all children. */
    the_programs_own_handling_of_the_signal_goes_on();
    a_member_whose_record_is_cut_off_lives();
    between_any_two_operations();
#if !defined(__SANITIZE_THREAD__)
    /* It takes the guard's new pages for a write to all of them, which they are, and which cannot
     * be avoided when a file is truncated. */
    while_threads_sleep();
    while_threads_work();
#endif
    a_cleaner_of_what_is_cut_off_lives();
    liaison_space_close(space);
    return 0;
}
