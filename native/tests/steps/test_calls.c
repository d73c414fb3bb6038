/* Killed at any instruction of a send after its message was accepted, a caller leaves the sleeper
 * that it called awake, and another one standing in, because the called one may not act. If the
 * message was not accepted, the next caller does both.
 *
 * The sleepers are simulated, each by a process: they sleep on their words for ever, as with long
 * slices, so that only a call wakes them. Without --all, a sample of the instructions. */
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/process.h"
#include "links/handle.h"
#include "parts/waiters.h"
#include "steps/caller.h"

#define LONG_AGO 10000u /* ms */
#define SLEEPERS 3

static liaison_space *space;
static char name[16];
static bool all;
static int sleeping; /* how many of them there are */
static unsigned long kills;
static int failures;

static struct sleeper {
    pid_t pid;
    volatile int lies, awake;
    volatile uint32_t signal; /* as it found it when it woke */
} *sleepers;

static int play_a_sleeper(void *context)
{
    struct sleeper *me = context;
    liaison_mailbox *box;
    uint32_t entry;
    CHECK_OK(liaison_mailbox_open(space, name, LIAISON_OPEN, NULL, &box));
    struct segment *s = box->segment;
    uint64_t tick = process_tick() - LONG_AGO;
    CHECK_OK(wait_enter(s, RECEIVERS, WAITER_THREAD, tick, &entry));
    word32 *signal = &s->waiters[RECEIVERS][entry].signal;
    me->lies = 1;
    (void)syscall(SYS_futex, signal, FUTEX_WAIT, SIGNAL_WAITING, NULL, NULL, 0);
    me->signal = look32(signal);
    me->awake = 1;
    pause(); /* its entry stays, and its lock */
    return 0;
}

static int create(void *context)
{
    (void)context;
    liaison_mailbox_close(test_mailbox(space, name, 8));
    return 0;
}

static liaison_mailbox *begin(void)
{
    static int number;
    liaison_mailbox *seen;
    snprintf(name, sizeof name, "c%d", number++);
    CHECK(test_wait(test_child(create, NULL)) == 0);
    CHECK_OK(liaison_mailbox_open(space, name, LIAISON_OBSERVE, NULL, &seen));
    memset(sleepers, 0, SLEEPERS * sizeof *sleepers);
    for (int i = 0; i < sleeping; i++) {
        sleepers[i].pid = test_child(play_a_sleeper, &sleepers[i]);
        while (!sleepers[i].lies || !lies_on_the_futex(sleepers[i].pid, &sleepers[i].awake))
            ;
    }
    return seen;
}

static void end(liaison_mailbox *seen)
{
    for (int i = 0; i < sleeping; i++) {
        kill(sleepers[i].pid, SIGKILL);
        CHECK(test_wait(sleepers[i].pid) == -SIGKILL);
    }
    CHECK_OK(liaison_mailbox_destroy(seen, true));
    liaison_mailbox_close(seen);
}

/* How many are awake: called, and standing in. */
struct awake {
    int called, stand_ins;
};
static struct awake who_is_awake(void)
{
    struct awake n = {0, 0};
    for (int i = 0; i < sleeping; i++)
        if (!lies_on_the_futex(sleepers[i].pid, &sleepers[i].awake)) {
            n.called += sleepers[i].signal == SIGNAL_WOKEN;
            n.stand_ins += sleepers[i].signal == SIGNAL_LIGHTLY;
        }
    return n;
}

/* One is called, another stands in; one more may be called, if the first caller came so far. */
static void judge(const char *when, unsigned long at, int at_most)
{
    struct awake n = who_is_awake();
    if (n.called >= 1 && n.called <= at_most && (sleeping == 1 || n.called + n.stand_ins >= 2) &&
        n.stand_ins <= 1)
        return;
    printf("VIOLATION: %s, of %d asleep, at instruction %lu: %d called, %d stand in\n", when,
           sleeping, at, n.called, n.stand_ins);
    fflush(stdout);
    failures++;
}

static uint64_t accepted(liaison_mailbox *seen)
{
    struct liaison_statistics now;
    CHECK_OK(liaison_mailbox_statistics(seen, &now));
    return now.accepted;
}

static bool killed_at(unsigned long k, bool *within)
{
    liaison_mailbox *seen = begin();
    struct caller c = caller_begin(space, name);
    *within = caller_step(&c, k);
    caller_kill(&c);
    kills++;
    bool counts = accepted(seen) > 0;
    if (counts) {
        judge("when its message counts", k, 1);
    } else {
        caller_send(space, name);
        judge("after the next call", k, 2);
    }
    end(seen);
    return counts;
}

int main(int argc, char **argv)
{
    stepper_required();
    all = argc > 1 && strcmp(argv[1], "--all") == 0;
    space = test_space();
    sleepers = shared_memory(SLEEPERS * sizeof *sleepers);
    unsigned long counted = 0;
    for (sleeping = 1; sleeping <= SLEEPERS; sleeping += 2) {
        bool within = true;
        for (unsigned long k = 0; within; k += all ? 1 : 7)
            counted += killed_at(k, &within);
    }
    printf("%lu kills, %lu after the message counted; %d violations\n", kills, counted, failures);
    liaison_space_close(space);
    return failures != 0;
}
