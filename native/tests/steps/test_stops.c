/* A process that is stopped at any instruction stops no other: others complete their operations,
 * and when it continues it completes its own, or gets a result that it was too late.
 *
 * SIGSTOP at instruction k of send, receive, lease, acknowledge and release, while another
 * process sends, takes and acknowledges. Without --all a sample of the ks. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "steps/world.h"

#define OPERATIONS 100000 /* each k */
#define EVERY 61          /* of a sample */

#define LETTERS                                                                                    \
    {.kind = LIAISON_KIND_PORT, .capacity = 2, .max_message = 60, .dead_letters = "dead"}
#define EVERY_OF_PORT 401 /* they scan every place on the link */

/* clang-format off */
static const struct scenario scenarios[] = {
    {"send", {.capacity = 4}, {{"+A", LEAVES}}, "", "+X", ""},
    {"send in the arena", {.capacity = 4, .memory = 65536}, {{"+A5000+B2000<!", LEAVES}}, "", "+X3000", ""},
    {"send, more places", {.capacity = CELLS_STEP + 2}, {{"f", STAYS}}, "", "+X", ""},
    {"lease", {.capacity = 4}, {{"+A", LEAVES}}, "+B", "<", ""},
    {"receive", {.capacity = 4}, {{"+A+B", LEAVES}}, "<~", "<!", ""},
    {"acknowledge", {.capacity = 4}, {{"+A", LEAVES}}, "<", "!", ""},
    {"release", {.capacity = 4}, {{"+A", LEAVES}}, "<", "~", ""},
    {"ask for a senders' doorbell", {.capacity = 4}, {{"+A", LEAVES}}, "", "a", ""},
    {"ask whether there is one", {.capacity = 4}, {{"+A", LEAVES}}, "@", "y", ""},
    {"port: begin to drain", LETTERS, {{"p+A", DIES}}, "O", "b", ""},
    {"port: drain", LETTERS, {{"p+A", DIES}}, "b", "g", ""},
};
/* clang-format on */

struct traffic {
    struct world *world;
    volatile unsigned long *progress;
};
static unsigned long stops, operations;
static int failures;

/* Sends, takes and acknowledges until it has done its share; the watchdog ends it. */
static int others(void *context)
{
    struct traffic *t = context;
    struct actor a = {.space = t->world->space, .name = t->world->name};
    alarm(60);
    script_run(&a, "o");
    unsigned long done = 0, sent = 0, received = 0;
    while (done < OPERATIONS) {
        script_run(&a, "+Y");
        CHECK(a.result == LIAISON_OK || a.result == LIAISON_FULL);
        done += a.result == LIAISON_OK;
        sent += a.result == LIAISON_OK;
        script_run(&a, "<");
        CHECK(a.result == LIAISON_OK || a.result == LIAISON_EMPTY);
        done += a.result == LIAISON_OK;
        received += a.result == LIAISON_OK;
        script_run(&a, "!");
        CHECK_OK(a.result == LIAISON_EMPTY ? LIAISON_OK : a.result);
        *t->progress = done;
    }
    CHECK(sent > 0 && received > 0);
    script_run(&a, "c");
    return 0;
}

/* Each tries again and again to open a port whose drainer is stopped, and to drain it: it gets an
 * error at once, or drains everything. */
static int others_of_port(void *context)
{
    struct traffic *t = context;
    struct actor a = {.space = t->world->space, .name = t->world->name};
    alarm(60);
    for (int i = 0; i < 100; i++) {
        script_run(&a, "t");
        CHECK(a.result == LIAISON_ORPHANED || a.result == LIAISON_NOT_FOUND);
        script_run(&a, "b");
        CHECK(a.result == LIAISON_OK || a.result == LIAISON_BUSY || a.result == LIAISON_NOT_FOUND);
        if (!a.drained)
            continue;
        script_run(&a, "g");
        CHECK(a.result == LIAISON_EMPTY || a.result == LIAISON_BUSY);
        script_run(&a, "c");
    }
    *t->progress = 100;
    return 0;
}

static bool stop_at(struct world *w, const uint8_t *origin, unsigned long k,
                    volatile unsigned long *progress)
{
    bool port = w->scenario->policy.kind == LIAISON_KIND_PORT;
    world_name(w);
    image_put(&w->watched, origin);
    struct watched_process p = world_start(w, w->scenario->ready, w->scenario->operate);
    for (unsigned long i = 0; i < k; i++)
        if (!stepper_step(p.pid, p.shared)) {
            stepper_kill(p.pid);
            shared_memory_free(p.shared, sizeof *p.shared);
            return false;
        }
    stepper_stop(p.pid);
    const char *s = NULL;
    char text[120], story[STORY];
    *progress = 0;
    int r = test_wait(test_child(port ? others_of_port : others, &(struct traffic){w, progress}));
    if (r != 0) {
        snprintf(text, sizeof text, "the others ended with %d after %lu operations", r, *progress);
        s = text;
    }
    struct witness witness = world_witness(w);
    uint64_t living[1] = {p.shared->identity};
    witness.living = living;
    witness.living_count = 1;
    if (!s)
        s = invariants_always(&witness);
    stepper_continue(p.pid);
    if (!stepper_finish(p.pid, p.shared) && !s)
        s = "the one that was stopped did not come to its end";
    r = p.shared->result;
    if (!s && r != LIAISON_OK && r != LIAISON_EMPTY && r != LIAISON_FULL &&
        r != LIAISON_LEASE_LOST &&
        !(port && (r == LIAISON_BUSY || r == LIAISON_NOT_FOUND || r == LIAISON_DESTROYED))) {
        snprintf(text, sizeof text, "the one that was stopped got result %d", r);
        s = text;
    }
    shared_memory_free(p.shared, sizeof *p.shared);
    witness = world_witness(w);
    invariants_story(&witness, story);
    if (!s)
        s = world_verify(w, story);
    if (s) {
        printf("VIOLATION in '%s', stopped at instruction %lu: %s\n", w->scenario->name, k, s);
        fflush(stdout);
        failures++;
    }
    stops++;
    operations += *progress;
    return true;
}

int main(int argc, char **argv)
{
    stepper_required();
    bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
    const char *only = argc > 1 + all ? argv[1 + all] : "";
    liaison_space *space = test_space();
    volatile unsigned long *progress = shared_memory(sizeof *progress);
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if (!strstr(scenarios[i].name, only))
            continue;
        struct world w;
        world_build(&w, space, &scenarios[i]);
        uint8_t *origin = malloc(image_size(&w.watched));
        CHECK(origin);
        image_take(&w.watched, origin);
        unsigned long k = all ? 0 : (unsigned long)getpid() % EVERY;
        while (stop_at(&w, origin, k, progress))
            k += all ? 1 : scenarios[i].policy.kind == LIAISON_KIND_PORT ? EVERY_OF_PORT : EVERY;
        printf("%-28s stopped up to instruction %lu\n", scenarios[i].name, k);
        fflush(stdout);
        free(origin);
        world_end(&w);
    }
    printf("%lu stops, %lu operations of others meanwhile; %d violations\n", stops, operations,
           failures);
    liaison_space_close(space);
    return failures != 0;
}
