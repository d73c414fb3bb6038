/* A process that is killed before any system call that can change files, while it creates, opens,
 * destroys, closes, rings or cleans, leaves a space in which the next process finds the link of
 * before or of after, can create it anew, and in which cleaning leaves nothing without an owner.
 *
 * The operations on names are made of system calls: a kill before each leaves every state that the
 * directory passes through. Then cleaning, which is the recovery here, is killed before each of its
 * own calls. The content of the directories is checked without the engine. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "steps/stepper.h"
#include "steps/trees.h"

static unsigned long kills[2];
static int failures;

/* Kills `run` before its k-th system call that can change files. False when there are fewer. */
static bool kill_before(struct tree_run *run, int k)
{
    pid_t pid = tree_start(run);
    bool within = true;
    for (int i = 0; i < k && within; i++)
        within = stepper_system_call(pid, run->shared);
    stepper_kill(pid);
    shared_memory_free(run->shared, sizeof *run->shared);
    return within;
}

static const struct tree_case *now;

/* In a fresh process: the link works, or is gone, or can be made; then all can be cleaned. */
static int survive(void *context)
{
    (void)context;
    alarm(60);
    liaison_space *space = tree_open_space();
    liaison_mailbox *m, *other;
    struct liaison_cleaned out;
    char text[8];
    int r = liaison_mailbox_open(space, "link", LIAISON_OPEN, NULL, &m);
    if (r == LIAISON_ORPHANED) {
        tree_drain(space);
        r = liaison_mailbox_open(space, "link", LIAISON_OPEN, NULL, &m);
    }
    if (r != LIAISON_OK && r != LIAISON_NOT_FOUND)
        return 10 + r;
    if (r == LIAISON_OK ? !now->may_exist : !now->may_be_missing)
        return 1;
    if (r == LIAISON_NOT_FOUND)
        CHECK_OK(liaison_mailbox_open(space, "link", LIAISON_CREATE, &tree_policy, &m));
    /* One complete link: also under its permanent name, and for a second opener. */
    CHECK_OK(liaison_mailbox_open(space, "link", LIAISON_OPEN, &tree_policy, &other));
    while (test_receive(m, text, sizeof text, 0) == 1)
        ;
    CHECK_OK(test_send(m, "x", 1, 0));
    CHECK(test_receive(other, text, sizeof text, 0) == 1);
    CHECK_OK(liaison_space_clean(space, true, &out));
    CHECK_OK(liaison_mailbox_open(space, "link", LIAISON_OPEN, NULL, &other)); /* in use: stays */
    if (tree_count("links") != 1)
        return 2;
    CHECK_OK(liaison_mailbox_destroy(m, true));
    return 0;
}

static const char *judge(void)
{
    static char text[100];
    int r = test_wait(test_child(survive, NULL));
    if (r == 0 && tree_count("links") + tree_count("names") == 0 && tree_count("bells") == 0)
        return NULL;
    snprintf(text, sizeof text, "result %d; left: %d links, %d names, %d bells", r,
             tree_count("links"), tree_count("names"), tree_count("bells"));
    return text;
}

static void violation(int k, int j, const char *what)
{
    printf("VIOLATION in '%s', killed at system call %d, cleaning at %d: %s\n", now->name, k, j,
           what);
    fflush(stdout);
    failures++;
}

static bool try_one(const struct tree_case *c, int k, int j, bool *cleaned)
{
    now = c;
    tree_empty();
    tree_make_before(c);
    bool within = kill_before(&(struct tree_run){.ready = c->ready, .operate = c->operate}, k);
    if (j >= 0) {
        *cleaned =
            !kill_before(&(struct tree_run){.ready = tree_nothing, .operate = tree_clean}, j);
        kills[1]++;
    } else {
        kills[0]++;
    }
    const char *s = judge();
    if (s)
        violation(k, j, s);
    return within;
}

static int clean_now(void *context)
{
    (void)context;
    tree_clean(tree_open_space());
    return 0;
}

/* A process that asks for a doorbell gets one even if another cleans before any of its calls: a
 * doorbell that is being made looks like one that a dead maker left. */
static void clean_beside_a_bell(const struct tree_case *c)
{
    bool within = true;
    for (int k = 0; within; k++) {
        tree_empty();
        tree_make_before(c);
        struct tree_run run = {.ready = c->ready, .operate = c->operate};
        pid_t pid = tree_start(&run);
        for (int i = 0; i <= k && within; i++)
            within = stepper_name(pid, run.shared);
        CHECK(test_wait(test_child(clean_now, NULL)) == 0);
        bool ended = stepper_finish(pid, run.shared);
        /* It ends without giving the doorbell up: if it did not get one, there is none. */
        if (within && (!ended || tree_count("bells") != 1)) {
            printf("VIOLATION in '%s', cleaned beside its call %d: %d bells\n", c->name, k,
                   tree_count("bells"));
            failures++;
        }
        shared_memory_free(run.shared, sizeof *run.shared);
    }
}

int main(int argc, char **argv)
{
    stepper_required();
    bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
    tree_begin(false);
    for (size_t i = 0; i < tree_cases_count; i++) {
        if (argc > 1 && !all && !strstr(tree_cases[i].name, argv[1]))
            continue;
        int k = 0;
        bool cleaned = false;
        while (try_one(&tree_cases[i], k, -1, &cleaned))
            k++;
        /* Cleaning killed in turn; of the first kills a sample. */
        for (int first = all ? 0 : (int)i % 6; first < k; first += all ? 1 : 6) {
            cleaned = false;
            for (int j = 0; !cleaned; j += all ? 1 : 3)
                try_one(&tree_cases[i], first, j, &cleaned);
        }
        if (strcmp(tree_cases[i].name, "ask for a doorbell") == 0)
            clean_beside_a_bell(&tree_cases[i]);
        printf("%-36s %3d kills\n", tree_cases[i].name, k);
        fflush(stdout);
    }
    printf("%lu kills at system calls, %lu more in cleaning; %d violations\n", kills[0], kills[1],
           failures);
    return failures != 0;
}
