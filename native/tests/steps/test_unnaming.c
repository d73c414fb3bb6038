/* Removing a link's names never removes one that another link has got meanwhile: before each system
 * call of destroying, opening a half-destroyed link, retiring, ending and cleaning, another process
 * destroys the link, makes another of its name and sends to it. The stopped process then goes on,
 * or is killed. The new link keeps its name and its message; and if it could not be made, because
 * the other was stopped with the lock, it can be made when that has continued or is dead. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "steps/stepper.h"
#include "steps/trees.h"

#define NAME "link"
#define STRIDE 4

static const struct liaison_policy
    port = {.kind = LIAISON_KIND_PORT, .capacity = 2, .max_message = 100},
    endpoint = {.kind = LIAISON_KIND_ENDPOINT, .capacity = -1, .pair_capacity = -1},
    passage = {.capacity = 2, .max_message = 100, .pair_capacity = -1};

static struct outcome {
    volatile int made, sent; /* results of the other process */
} *outcome;

static liaison_mailbox *box, *way_back;
static liaison_space *space;

/* ---- what is stopped ---------------------------------------------------------------------- */

static void have(liaison_space *s)
{
    space = s;
    CHECK_OK(liaison_mailbox_open(s, NAME, LIAISON_CREATE, &tree_policy, &box));
}
static void have_port(liaison_space *s)
{
    CHECK_OK(liaison_mailbox_open(s, NAME, LIAISON_CREATE, &port, &box));
}
static void have_alias(liaison_space *s)
{
    CHECK_OK(liaison_mailbox_open(s, "other", LIAISON_CREATE, &endpoint, &box));
    CHECK_OK(liaison_link_alias(box, NAME));
}
static void have_passage(liaison_space *s)
{
    CHECK_OK(liaison_named_pipe_open(s, NAME, &passage, &box, &way_back));
}
static void destroy(liaison_space *s)
{
    (void)s;
    (void)liaison_mailbox_destroy(box, true);
}
static void end(liaison_space *s)
{
    (void)s;
    liaison_port_end(box);
}
static void retire(liaison_space *s)
{
    (void)s;
    (void)liaison_link_retire(box, NAME);
}
static void open_it(liaison_space *s)
{
    if (liaison_mailbox_open(s, NAME, LIAISON_OPEN, NULL, &box) != LIAISON_OK)
        box = NULL;
}
static void destroy_half(liaison_space *s)
{
    have(s);
    char path[400];
    snprintf(path, sizeof path, "%s/names/" NAME, liaison_space_path(s));
    FILE *file = fopen(path, "r+");
    uint32_t destroyed = 1;
    CHECK(file && fseek(file, 1024, SEEK_SET) == 0 && fwrite(&destroyed, 4, 1, file) == 1);
    fclose(file);
}

static const struct unnaming_case {
    struct tree_case tree;
    bool retires; /* an alias alone: the link goes on */
} cases[] = {
    {{"destroy", tree_nothing, have, destroy, true, true}, false},
    {{"open a half destroyed one", destroy_half, tree_nothing, open_it, true, true}, false},
    {{"clean a half destroyed one", destroy_half, tree_nothing, tree_clean, true, true}, false},
    {{"clean one in nobody's use", have, tree_nothing, tree_clean_all, true, true}, false},
    {{"end a port", tree_nothing, have_port, end, true, true}, false},
    {{"end a named pipe", tree_nothing, have_passage, end, true, true}, false},
    {{"destroy a named pipe", tree_nothing, have_passage, destroy, true, true}, false},
    {{"retire", tree_nothing, have_alias, retire, true, true}, true},
};

/* ---- the other ------------------------------------------------------------------------------ */

/* Destroys the link of the name, if possible, and makes another of that name. Stays. */
static void make_another(void *context)
{
    const struct unnaming_case *c = context;
    liaison_mailbox *m;
    space = tree_open_space();
    if (liaison_mailbox_open(space, NAME, LIAISON_OBSERVE, NULL, &m) == LIAISON_OK) {
        if (c->retires)
            (void)liaison_link_retire(m, NAME);
        else
            (void)liaison_mailbox_destroy(m, true);
        liaison_mailbox_close(m);
    }
    outcome->made = liaison_mailbox_open(space, NAME, LIAISON_CREATE, &tree_policy, &box);
    if (outcome->made == LIAISON_OK)
        outcome->sent = test_send(box, "m", 1, 0);
}

static pid_t other(const struct unnaming_case *c)
{
    struct shared *shared = stepper_shared();
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(60);
        make_another((void *)c);
        shared->phase = 2;
        for (;;)
            pause();
    }
    while (shared->phase != 2)
        usleep(100);
    shared_memory_free(shared, sizeof *shared);
    return pid;
}

static int waits_there(void *context)
{
    uint32_t waiting;
    (void)context;
    CHECK(liaison_mailbox_open(tree_open_space(), NAME, LIAISON_OPEN, &tree_policy, &box) ==
          LIAISON_OK);
    CHECK_OK(liaison_mailbox_waiting(box, &waiting));
    return waiting == 1 ? 0 : 1;
}

static int try_again(void *context)
{
    make_another(context);
    return outcome->sent == LIAISON_OK ? waits_there(NULL) : 1;
}

static int clean_all(void *context)
{
    (void)context;
    tree_clean_all(tree_open_space());
    return 0;
}

static int make_many(void *context)
{
    (void)context;
    CHECK_OK(liaison_mailbox_open(tree_open_space(), "many", LIAISON_CREATE, &tree_policy, &box));
    return 0;
}

static int failures;
static unsigned long trials, held_up;

static bool try_one(const struct unnaming_case *c, int k, bool die)
{
    tree_empty();
    tree_make_before(&c->tree);
    *outcome = (struct outcome){-1, -1};
    struct tree_run run = {.ready = c->tree.ready, .operate = c->tree.operate};
    pid_t pid = tree_start(&run);
    bool within = true;
    for (int i = 0; i <= k && within; i++)
        within = stepper_name(pid, run.shared);
    pid_t maker = other(c);
    const char *s = NULL;
    if (within && die)
        stepper_kill(pid);
    else if (!stepper_finish(pid, run.shared))
        s = "it did not come to its end";
    bool made = outcome->made == LIAISON_OK;
    held_up += !made;
    if (made && outcome->sent != LIAISON_OK)
        s = "what was made cannot be sent to";
    /* An alias that could not be removed is still the endpoint's. */
    bool refused =
        outcome->made == LIAISON_DESTROYED || (c->retires && outcome->made == LIAISON_NAME_TAKEN);
    if (!made && !(within && refused))
        s = "it could not be made, and nobody was in the way";
    if (!s && test_wait(test_child(made ? waits_there : try_again, (void *)c)) != 0)
        s = made ? "another's name was taken away" : "it can still not be made";
    kill(maker, SIGKILL);
    test_wait(maker);
    CHECK(test_wait(test_child(clean_all, NULL)) == 0);
    if (!s && tree_count("links") + tree_count("names") != 0)
        s = "something is left";
    if (s) {
        printf("VIOLATION in '%s', stopped at call %d%s: %s (%d, %d)\n", c->tree.name, k,
               die ? " and killed" : "", s, outcome->made, outcome->sent);
        fflush(stdout);
        failures++;
    }
    trials++;
    shared_memory_free(run.shared, sizeof *run.shared);
    return within;
}

/* ---- among many ----------------------------------------------------------------------------- */

#define MANY 3000

static void have_aliases(liaison_space *s)
{
    char name[20];
    CHECK_OK(liaison_mailbox_open(s, NAME, LIAISON_CREATE, &endpoint, &box));
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "alias%d", i);
        CHECK_OK(liaison_link_alias(box, name));
    }
}
static void have_too_many_aliases(liaison_space *s)
{
    char name[20];
    have_aliases(s);
    for (int i = 3; i < 40; i++) {
        snprintf(name, sizeof name, "alias%d", i);
        CHECK_OK(liaison_link_alias(box, name));
    }
}
static void retire_one(liaison_space *s)
{
    (void)s;
    CHECK_OK(liaison_link_retire(box, "alias1"));
}

static int calls_of(void (*ready)(liaison_space *), void (*operate)(liaison_space *))
{
    struct tree_run run = {.ready = ready, .operate = operate};
    pid_t pid = tree_start(&run);
    int calls = 0;
    while (stepper_name(pid, run.shared))
        calls++;
    CHECK(stepper_finish(pid, run.shared));
    shared_memory_free(run.shared, sizeof *run.shared);
    return calls;
}

static void grow(void)
{
    char from[300], to[300];
    CHECK(test_wait(test_child(make_many, NULL)) == 0);
    snprintf(from, sizeof from, "%s/trees/names/many", tree_directory);
    for (int i = 0; i < MANY; i++) {
        snprintf(to, sizeof to, "%s/trees/names/many%d", tree_directory, i);
        CHECK(link(from, to) == 0);
    }
}

/* Other links' names cost nothing: there are as many calls among thousands of names, which take
 * several calls to read, as among few. And aliases for which the header has no room are found all
 * the same. */
static void among_many(void)
{
    static const struct {
        const char *name;
        void (*ready)(liaison_space *), (*operate)(liaison_space *);
        int left; /* names */
    } each[] = {{"destroy", have, destroy, 0},
                {"destroy, aliases", have_aliases, destroy, 0},
                {"retire", have_aliases, retire_one, 3},
                {"end a port", have_port, end, 0},
                {"destroy, too many aliases", have_too_many_aliases, destroy, 0}};
    int calls[2][sizeof each / sizeof *each];
    for (int among = 0; among < 2; among++)
        for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
            tree_empty();
            if (among)
                grow();
            calls[among][i] = calls_of(each[i].ready, each[i].operate);
            if (tree_count("names") != each[i].left + (among ? MANY + 1 : 0)) {
                printf("VIOLATION in '%s': %d names are left\n", each[i].name, tree_count("names"));
                failures++;
            }
        }
    for (size_t i = 0; i + 1 < sizeof each / sizeof *each; i++)
        if (calls[0][i] != calls[1][i]) {
            printf("VIOLATION in '%s': %d calls, and %d among many\n", each[i].name, calls[0][i],
                   calls[1][i]);
            failures++;
        }
    tree_empty();
}

int main(int argc, char **argv)
{
    stepper_required();
    bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
    tree_begin(false);
    outcome = shared_memory(sizeof *outcome);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct unnaming_case *c = &cases[i];
        if (argc > 1 && !all && !strstr(c->tree.name, argv[1]))
            continue;
        int k = 0;
        for (bool within = true; within; k++) {
            unsigned long before = held_up;
            within = try_one(c, k, false);
            /* While it has the lock the other waits for it, so only a sample of these is tried;
             * test_trees checks what kills leave there. */
            if (within && (held_up == before || all))
                try_one(c, k, true);
            else if (within)
                k += STRIDE - 1;
        }
        printf("%-28s %3d system calls\n", c->tree.name, k - 1);
        fflush(stdout);
    }
    if (argc < 2 || all || strstr("among many", argv[1]))
        among_many();
    printf("%lu trials, in %lu of them one was in the other's way; %d violations\n", trials,
           held_up, failures);
    return failures != 0;
}
