/* A process that changes the word on which another sleeps, each time just before it falls asleep,
 * prevents neither Ctrl-C, nor its deadline, nor its sleep. */
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "links/around.h"
#include "links/handle.h"
#include "waiting/wait.h"

#define ASKED 20 /* times, before the answer is yes */

static liaison_mailbox *box;
static enum waiter_role role;
static int asked;

static bool at_last(void *context)
{
    (void)context;
    return ++asked > ASKED;
}

/* Of whichever entry the sleeper has. */
static int toggle(void *context)
{
    (void)context;
    for (uint32_t i = 0; i < 4; i++)
        note32(&box->segment->waiters[role][i].signal, SIGNAL_WOKEN);
    return LIAISON_EMPTY;
}

static int wait_beneath(int64_t timeout)
{
    struct liaison_wait wait = {.timeout = timeout, .interrupted = at_last};
    asked = 0;
    return wait_until(&(struct waiting){.segment = box->segment,
                                        .role = role,
                                        .wait = &wait,
                                        .around = &links_around,
                                        .spin = &box->spin,
                                        .closed = &box->closed,
                                        .pending = LIAISON_EMPTY,
                                        .attempt = toggle});
}

static long sleeps(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

static void a_waiter_is_interrupted_and_sleeps(void)
{
    for (role = RECEIVERS; role <= SENDERS; role++) {
        long before = sleeps();
        CHECK_RESULT(LIAISON_INTERRUPTED, wait_beneath(FOREVER));
        CHECK(sleeps() - before >= ASKED / 2);
    }
}

static void a_waiter_ends_in_time(void)
{
    role = RECEIVERS;
    CHECK_RESULT(LIAISON_EMPTY, wait_beneath(SECOND / 100));
}

/* Sets and receipts sleep with the same function. */
static void each_round_counts(void)
{
    struct liaison_wait wait = {.timeout = FOREVER, .interrupted = at_last};
    struct sleeping sleeping;
    word32 word = 1;
    int r = 0;
    long before = sleeps();
    asked = 0;
    sleeping_begin(&sleeping, &wait, 0);
    for (int i = 0; r == 0 && i < 10000; i++)
        r = sleeping_sleep(&sleeping, &word, 0);
    CHECK_RESULT(LIAISON_INTERRUPTED, r);
    CHECK(sleeps() - before >= ASKED / 2);
}

int main(void)
{
    alarm(60); /* it was never asked */
    box = test_mailbox(test_space(), "toggled", 1);
    a_waiter_is_interrupted_and_sleeps();
    a_waiter_ends_in_time();
    each_round_counts();
    liaison_mailbox_close(box);
    return 0;
}
