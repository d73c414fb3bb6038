/* If a sleeper is called for a message, and is stopped or killed before it takes it, another
 * sleeper takes it within milliseconds.
 *
 * All sleepers have slept for so long that their slices are two seconds. So a message that is taken
 * within one second is taken because of the call, and any other was left waiting. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "check.h"
#include "links/handle.h"
#include "parts/waiters.h"

#define DEEP 750u /* ms: the slice of 512 ms is over, and that of 2048 has begun */

static liaison_space *space;
static volatile int *came; /* messages that were received, or sent by those who waited for room */

/* ---- sleepers ------------------------------------------------------------------------------- */

struct crowd {
    const char *link;
    enum waiter_role role;
    int threads;
};

static void *wait_at_it(void *context)
{
    const struct crowd *c = context;
    char text[16];
    liaison_mailbox *m;
    CHECK_OK(liaison_mailbox_open(space, c->link, LIAISON_OPEN, NULL, &m));
    do {
        if (c->role == RECEIVERS)
            CHECK(test_receive(m, text, sizeof text, FOREVER) >= 0);
        else
            CHECK_OK(test_send(m, "more", 4, FOREVER));
        __atomic_fetch_add(came, 1, __ATOMIC_SEQ_CST);
    } while (c->role == RECEIVERS);
    pause();
    return NULL;
}

static int begin_crowd(void *context)
{
    const struct crowd *c = context;
    pthread_t thread;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 1; i < c->threads; i++)
        CHECK(pthread_create(&thread, NULL, wait_at_it, context) == 0);
    wait_at_it(context);
    return 0;
}

static uint32_t asleep(const struct segment *s, enum waiter_role role, uint32_t for_at_least)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < WAITERS; i++) {
        const struct waiter *e = &s->waiters[role][i];
        n += look32(&e->signal) == SIGNAL_WAITING &&
             process_tick() - (uint32_t)glance(&e->detail) >= for_at_least;
    }
    return n;
}

/* The oldest are the crowd's that begins first. */
static pid_t crowd(liaison_mailbox *m, const struct crowd *c)
{
    uint32_t before = asleep(m->segment, c->role, 0);
    pid_t pid = test_child(begin_crowd, (void *)c);
    while (asleep(m->segment, c->role, 0) < before + (uint32_t)c->threads)
        sched_yield();
    return pid;
}

static void let_them_sleep(liaison_mailbox *m, enum waiter_role role, uint32_t all)
{
    while (asleep(m->segment, role, DEEP) < all)
        usleep(1000);
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK(test_wait(pid) == -SIGKILL);
}

static void stop(pid_t pid)
{
    int status;
    kill(pid, SIGSTOP);
    CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
}

/* Before the slices are over. */
static void all_have_come(const char *what, int expected)
{
    int64_t until = process_now() + SECOND;
    while (*came < expected && process_now() < until)
        sched_yield();
    if (*came != expected) {
        printf("VIOLATION: %s: %d of %d\n", what, *came, expected);
        exit(1);
    }
}

/* ---- how the called one does not come ------------------------------------------------------- */

enum fate { STOPPED, STOPPED_AND_KILLED, KILLED_AS_IT_WAKES };

/* Left at the end of its sleep, before it has run. */
static void trace_its_sleep(pid_t pid)
{
    int status;
    CHECK(ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0);
    CHECK(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0);
    CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
    CHECK(ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0); /* into the call, which begins anew */
    CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
    CHECK(ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0); /* to its end */
}

static void bring(liaison_mailbox *m, enum waiter_role role, int messages)
{
    char text[16];
    for (int i = 0; i < messages; i++)
        if (role == RECEIVERS)
            CHECK_OK(test_send(m, "hello", 5, m->segment->geometry.rendezvous ? SECOND : 0));
        else
            CHECK(test_receive(m, text, sizeof text, 0) >= 0);
}

static void called_in_vain(const char *name, const struct liaison_policy *policy,
                           enum waiter_role role, int threads, int messages, enum fate fate)
{
    liaison_mailbox *m;
    struct crowd c = {name, role, threads};
    CHECK_OK(liaison_mailbox_open(space, name, LIAISON_CREATE, policy, &m));
    for (int64_t i = 0; role == SENDERS && i < policy->capacity; i++)
        CHECK_OK(test_send(m, "full", 4, 0));
    pid_t first = crowd(m, &c), second = crowd(m, &c);
    let_them_sleep(m, role, 2 * (uint32_t)threads);
    *came = 0;
    if (fate == KILLED_AS_IT_WAKES)
        trace_its_sleep(first);
    else
        stop(first);
    bring(m, role, messages);
    if (fate != STOPPED)
        end(first);
    all_have_come(name, messages);
    if (fate == STOPPED)
        end(first);
    end(second);
    CHECK_OK(liaison_mailbox_destroy(m, true));
    liaison_mailbox_close(m);
}

/* ---- its caller dies, too ------------------------------------------------------------------- */

static int send_one(void *context)
{
    raise(SIGSTOP);
    return test_send(context, "hello", 5, 0);
}

/* Killed at the first instruction after which its message counts. */
static void send_and_die(liaison_mailbox *m)
{
    struct liaison_statistics all = {0};
    int status;
    pid_t pid = test_child(send_one, m);
    CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    CHECK(ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0);
    kill(pid, SIGCONT);
    CHECK(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0);
    while (all.waiting == 0) {
        CHECK(waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status));
        CHECK_OK(liaison_mailbox_statistics(m, &all));
        if (all.waiting == 0)
            CHECK(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
    }
    end(pid);
}

static void both_die(void)
{
    const struct liaison_policy policy = {.capacity = 8};
    struct crowd c = {"both", RECEIVERS, 1};
    liaison_mailbox *m;
    CHECK_OK(liaison_mailbox_open(space, "both", LIAISON_CREATE, &policy, &m));
    pid_t first = crowd(m, &c), second = crowd(m, &c);
    let_them_sleep(m, RECEIVERS, 2);
    *came = 0;
    stop(first);
    send_and_die(m);
    end(first);
    all_have_come("both", 1);
    end(second);
    liaison_mailbox_close(m);
}

/* ---- the cases, all at once, since each takes most of a second ------------------------------- */

static const struct liaison_policy some = {.capacity = 8}, one = {.capacity = 1},
                                   none = {.capacity = 0},
                                   turns = {.capacity = 8, .access = LIAISON_EXCLUSIVE};
static const struct {
    const char *name;
    const struct liaison_policy *policy; /* NULL: both_die() */
    enum waiter_role role;
    int threads, messages;
    enum fate fate;
} cases[] = {
    {"stopped", &some, RECEIVERS, 1, 1, STOPPED},
    {"killed", &some, RECEIVERS, 1, 1, STOPPED_AND_KILLED},
    {"killed-as-it-wakes", &some, RECEIVERS, 1, 1, KILLED_AS_IT_WAKES},
    {"many", &some, RECEIVERS, 40, 5, STOPPED_AND_KILLED},
    {"rendezvous", &none, RECEIVERS, 1, 1, KILLED_AS_IT_WAKES},
    {"the-turn", &turns, RECEIVERS, 1, 1, STOPPED_AND_KILLED},
    {"room", &one, SENDERS, 1, 1, KILLED_AS_IT_WAKES},
    {"its-caller-too", NULL, RECEIVERS, 1, 1, STOPPED_AND_KILLED},
};
#define CASES (sizeof cases / sizeof *cases)

static int try_one(void *context)
{
    size_t i = (size_t)(uintptr_t)context;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    came += i;
    if (cases[i].policy)
        called_in_vain(cases[i].name, cases[i].policy, cases[i].role, cases[i].threads,
                       cases[i].messages, cases[i].fate);
    else
        both_die();
    return 0;
}

int main(void)
{
    pid_t pids[CASES];
    if (getenv("LIAISON_EMULATED")) {
        printf("NOT CHECKED: qemu-user has no ptrace\n");
        return 77;
    }
    space = test_space();
    came = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(came != MAP_FAILED);
    for (size_t i = 0; i < CASES; i++)
        pids[i] = test_child(try_one, (void *)(uintptr_t)i);
    int failed = 0;
    for (size_t i = 0; i < CASES; i++)
        failed += test_wait(pids[i]) != 0;
    return failed;
}
