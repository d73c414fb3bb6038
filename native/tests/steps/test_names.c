/* A process that is killed at any instruction of setting an endpoint's label, or before any system
 * call of renaming, retiring and claiming, leaves an endpoint that has the old name or the new one,
 * is reached by it, and can be taken by the next process. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "steps/stepper.h"

/* Of several words, so that one that is half written is neither. */
#define OLD "the-name-that-it-had-at-first-of-more-than-four-words"
#define NEW "another-name-which-has-nothing-in-common-with-that-one"

static const struct liaison_policy policy = {
    .kind = LIAISON_KIND_ENDPOINT, .capacity = -1, .pair_capacity = -1};
static char directory[200];
static liaison_mailbox *endpoint;
static int failures;

static void have(void)
{
    CHECK_OK(liaison_mailbox_open(test_space_in(directory, "names"), OLD, LIAISON_OPEN_OR_CREATE,
                                  &policy, &endpoint));
}
static void have_claimed(void)
{
    have();
    CHECK_OK(liaison_endpoint_claim(endpoint));
}
static void have_alias(void)
{
    have_claimed();
    CHECK_OK(liaison_link_alias(endpoint, NEW));
}
static void have_renamed(void)
{
    have_alias();
    CHECK_OK(liaison_link_set_label(endpoint, NEW));
}
static void claim(void) { CHECK_OK(liaison_endpoint_claim(endpoint)); }
static void label(void) { liaison_link_set_label(endpoint, NEW); }
static void rename_it(void)
{
    CHECK_OK(liaison_link_alias(endpoint, NEW));
    CHECK_OK(liaison_link_set_label(endpoint, NEW));
}
static void retire(void) { CHECK_OK(liaison_link_retire(endpoint, OLD)); }
static void destroy(void) { CHECK_OK(liaison_mailbox_destroy(endpoint, true)); }

static const struct names_case {
    const char *name;
    void (*before)(void);
    void (*operate)(void);
    bool by_instruction; /* from the beginning: it makes no system calls */
    bool old_may_lead_nowhere, may_be_gone;
} cases[] = {
    {"say the name", have_alias, label, true, false, false},
    {"claim", have, claim, true, false, false},
    {"rename", have_claimed, rename_it, false, false, false},
    {"retire", have_renamed, retire, false, true, false},
    {"destroy, two names", have_renamed, destroy, false, true, true},
};

static void prepare(void *context) { ((const struct names_case *)context)->before(); }
static void operate(void *context) { ((const struct names_case *)context)->operate(); }

/* The version that an earlier sender remembers. */
static uint64_t version_before;

static int count(const char *part)
{
    char path[300];
    snprintf(path, sizeof path, "%s/names/%s", directory, part);
    return test_entries(path);
}

static int judge(void *context)
{
    const struct names_case *c = context;
    alarm(60);
    liaison_space *space = test_space_in(directory, "names");
    struct liaison_cleaned out;
    CHECK_OK(liaison_space_clean(space, false, &out)); /* a name that was left aside comes back */
    liaison_mailbox *old = NULL, *new = NULL, *m;
    int r = liaison_mailbox_open(space, OLD, LIAISON_OBSERVE, NULL, &old);
    int q = liaison_mailbox_open(space, NEW, LIAISON_OBSERVE, NULL, &new);
    if (r != LIAISON_OK && (r != LIAISON_NOT_FOUND || !c->old_may_lead_nowhere))
        return 1;
    if (r != LIAISON_OK && q != LIAISON_OK)
        return c->may_be_gone && count("links") == 0 && count("names") == 0 ? 0 : 2;
    m = r == LIAISON_OK ? old : new;
    char called[LIAISON_NAME_MAX + 4];
    liaison_link_label(m, called);
    if (strcmp(called, OLD) != 0 && strcmp(called, NEW) != 0)
        return 3;
    if ((strcmp(called, NEW) == 0 ? q : r) != LIAISON_OK)
        return 4; /* it is not reached by its label */
    CHECK_OK(liaison_mailbox_open(space, called, LIAISON_OPEN_OR_CREATE, &policy, &m));
    if (liaison_endpoint_claim(m) != LIAISON_OK)
        return 5;
    /* A sender that remembers the old name must notice that it is not a name of it any more. */
    if (r == LIAISON_NOT_FOUND && liaison_link_version(m) == version_before)
        return 6;
    CHECK_OK(liaison_mailbox_destroy(m, true));
    return count("links") == 0 && count("names") == 0 ? 0 : 7;
}

static int look_first(void *context)
{
    /* By another process, with the memory of an earlier run gone: the version that there was. */
    const struct names_case *c = context;
    c->before();
    int fd = open(getenv("LIAISON_TEST_VERSION"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    uint64_t version = liaison_link_version(endpoint);
    CHECK(write(fd, &version, sizeof version) == sizeof version);
    CHECK_OK(liaison_mailbox_destroy(endpoint, true));
    return 0;
}

/* Kills at the k-th system call, and then so many instructions on. */
static bool try_one(const struct names_case *c, long k, long on)
{
    struct shared *shared = stepper_shared();
    struct body body = {prepare, operate, (void *)c, shared};
    pid_t pid = stepper_start(&body);
    bool within = true;
    for (long i = 0; i < k && within; i++)
        within = stepper_system_call(pid, shared);
    for (long i = 0; i < on && within; i++)
        within = stepper_step(pid, shared);
    stepper_kill(pid);
    shared_memory_free(shared, sizeof *shared);
    int r = test_wait(test_child(judge, (void *)c));
    if (r != 0) {
        printf("VIOLATION in '%s', killed at call %ld and %ld on: result %d\n", c->name, k, on, r);
        fflush(stdout);
        failures++;
        char command[400];
        snprintf(command, sizeof command, "rm -rf %s/names", directory);
        CHECK(system(command) == 0);
    }
    return within;
}

int main(int argc, char **argv)
{
    stepper_required();
    bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
    liaison_space_close(test_space());
    snprintf(directory, sizeof directory, "%s/here", getenv("LIAISON_ROOT"));
    char path[256];
    snprintf(path, sizeof path, "%s/version", getenv("LIAISON_ROOT"));
    setenv("LIAISON_TEST_VERSION", path, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct names_case *c = &cases[i];
        if (argc > 1 && !all && !strstr(c->name, argv[1]))
            continue;
        CHECK(test_wait(test_child(look_first, (void *)c)) == 0);
        FILE *file = fopen(path, "r");
        CHECK(file && fread(&version_before, sizeof version_before, 1, file) == 1);
        fclose(file);
        long calls = 0, on = 0;
        while (!c->by_instruction && try_one(c, calls, 0))
            calls++;
        /* From the last call on, or from the beginning where there is none. */
        while (try_one(c, calls ? calls - 1 : 0, on))
            on += on > 200 && !all ? 41 : 1;
        printf("%-24s %3ld calls, %5ld instructions\n", c->name, calls, on);
        fflush(stdout);
    }
    printf("%d violations\n", failures);
    return failures != 0;
}
