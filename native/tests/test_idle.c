/* How often an idle link wakes those who wait at it, in each way of waiting: counted, not timed.
 *
 * A process waits for a while, at first in short slices, and then the kernel counts how often it
 * wakes. A waiter that must notice a death looks every 3 ms (CARE_WATCH), or every 32 ms
 * (CARE_SIDE); any other does not wake once in a second. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "check.h"

#define SETTLED 800000  /* us: the slice of two seconds has begun */
#define COUNTED 500000  /* us */
#define RARELY 3        /* wake-ups; none is due */
#define NOW_AND_THEN 30 /* of a slice of 32 ms: 16, on a machine that runs them in time */

static liaison_space *space;

/* ---- kinds ------------------------------------------------------------------------------------
 */

static liaison_mailbox *mailbox(void)
{
    static int n;
    char name[32];
    snprintf(name, sizeof name, "idle-%d-%d", getpid(), n++);
    return test_mailbox(space, name, 4);
}

static liaison_mailbox *exclusive(void)
{
    liaison_mailbox *m;
    char name[32];
    snprintf(name, sizeof name, "turns-%d", getpid());
    const struct liaison_policy policy = {.capacity = 4, .access = LIAISON_EXCLUSIVE};
    CHECK_OK(liaison_mailbox_open(space, name, LIAISON_CREATE, &policy, &m));
    return m;
}

static liaison_mailbox *port(void)
{
    liaison_mailbox *m;
    char name[32];
    snprintf(name, sizeof name, "port-%d", getpid());
    const struct liaison_policy policy = {.kind = LIAISON_KIND_PORT, .capacity = 4};
    CHECK_OK(liaison_mailbox_open(space, name, LIAISON_CREATE, &policy, &m));
    return m;
}

static liaison_mailbox *pipe_reader(void)
{
    liaison_mailbox *reader, *writer;
    CHECK_OK(liaison_pipe_create(space, NULL, &reader, &writer));
    return reader;
}

static liaison_mailbox *named_pipe(void)
{
    liaison_mailbox *in, *out;
    char name[32];
    snprintf(name, sizeof name, "pipe-%d", getpid());
    CHECK_OK(liaison_named_pipe_open(space, name, NULL, &out, &in));
    return in;
}

/* ---- ways of waiting --------------------------------------------------------------------------
 */

static void blocking(liaison_mailbox *m)
{
    char text[16];
    (void)test_receive(m, text, sizeof text, FOREVER);
}

static void in_a_set(liaison_mailbox *m)
{
    liaison_several *set;
    uint64_t tag;
    size_t count;
    const struct liaison_wait wait = {.timeout = FOREVER};
    CHECK_OK(liaison_several_open(space, &set));
    CHECK_OK(liaison_several_add(set, m, 0));
    (void)liaison_several_wait(set, &wait, &tag, 1, &count);
}

/* As an event loop does. */
static void by_descriptor(liaison_mailbox *m)
{
    struct pollfd p = {.events = POLLIN};
    struct liaison_delivery d;
    CHECK_OK(liaison_mailbox_doorbell(m, &p.fd));
    while (liaison_mailbox_try_take(m, &d) == LIAISON_EMPTY)
        CHECK(poll(&p, 1, -1) == 1);
}

static const struct {
    const char *name;
    liaison_mailbox *(*open)(void);
    void (*wait)(liaison_mailbox *m);
    long most;
} cases[] = {
    {"a mailbox, blocking", mailbox, blocking, RARELY},
    {"a mailbox, in a set", mailbox, in_a_set, RARELY},
    {"a mailbox, by descriptor", mailbox, by_descriptor, RARELY},
    {"an exclusive mailbox, blocking", exclusive, blocking, RARELY},
    {"an exclusive mailbox, by descriptor", exclusive, by_descriptor, RARELY},
    {"a port, blocking", port, blocking, RARELY},
    {"a port, in a set", port, in_a_set, RARELY},
    {"a port, by descriptor", port, by_descriptor, RARELY},
    {"a pipe, blocking", pipe_reader, blocking, NOW_AND_THEN},
    {"a pipe, in a set", pipe_reader, in_a_set, NOW_AND_THEN},
    {"a pipe, by descriptor", pipe_reader, by_descriptor, RARELY}, /* the token tells */
    {"a named pipe, blocking", named_pipe, blocking, NOW_AND_THEN},
    {"a named pipe, in a set", named_pipe, in_a_set, NOW_AND_THEN},
    {"a named pipe, by descriptor", named_pipe, by_descriptor, NOW_AND_THEN},
};
#define CASES (sizeof cases / sizeof *cases)

static int wait_for_ever(void *context)
{
    size_t i = (size_t)(uintptr_t)context;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    cases[i].wait(cases[i].open());
    return 0;
}

static long sleeps_of(pid_t pid)
{
    char path[64], line[128];
    long n = -1;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *status = fopen(path, "re");
    while (status && fgets(line, sizeof line, status))
        sscanf(line, "voluntary_ctxt_switches: %ld", &n);
    CHECK(status && fclose(status) == 0 && n >= 0);
    return n;
}

int main(void)
{
    pid_t pids[CASES];
    long before[CASES];
    int failed = 0;
    space = test_space();
    for (size_t i = 0; i < CASES; i++)
        pids[i] = test_child(wait_for_ever, (void *)(uintptr_t)i);
    usleep(SETTLED);
    for (size_t i = 0; i < CASES; i++)
        before[i] = sleeps_of(pids[i]);
    usleep(COUNTED);
    for (size_t i = 0; i < CASES; i++) {
        long n = sleeps_of(pids[i]) - before[i];
        if (n > cases[i].most)
            failed++;
        if (n > cases[i].most || getenv("LIAISON_ALL"))
            fprintf(stderr, "%s: woken %ld times\n", cases[i].name, n);
        kill(pids[i], SIGKILL);
        CHECK(test_wait(pids[i]) == -SIGKILL); /* it waited all the time */
    }
    return failed;
}
