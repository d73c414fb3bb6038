/* Killed at any instruction, for real: a process that sends, receives, leases or acknowledges is
 * single-stepped to instruction k and gets SIGKILL; a survivor receives what was accepted, each
 * message once, and those that were delivered before with a higher attempt. Without --all, a sample
 * of the ks. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "steps/world.h"

/* Of a sample: near the beginning every third, further on fewer. */
#define NEXT(k) ((k) + 3 + (k) / 25)

#define LETTERS                                                                                    \
    {.kind = LIAISON_KIND_PORT, .capacity = 2, .max_message = 60, .dead_letters = "dead"}
#define SENDERS                                                                                    \
    {.kind = LIAISON_KIND_PORT,                                                                    \
     .capacity = 2,                                                                                \
     .max_message = 60,                                                                            \
     .lifetime = LIAISON_LIFETIME_SENDERS,                                                         \
     .dead_letters = "dead"}

/* clang-format off */
static const struct scenario scenarios[] = {
    {"send", {.capacity = 4}, {{"+A+B", LEAVES}}, "", "+X", "A1 B1 > A1 B1 X1"},
    {"send in the arena", {.capacity = 4, .memory = 65536}, {{"+A5000+B2000<~", LEAVES}}, "", "+X3000", "A2 B1 > A2 B1 X1"},
    {"send, more places", {.capacity = CELLS_STEP + 2}, {{"f", STAYS}}, "", "+X", "> X1"},
    {"receive", {.capacity = 4}, {{"+A+B", LEAVES}}, "<~", "<!", "A2 B1 > A3 B1 > B1"},
    {"lease", {.capacity = 4}, {{"+A+B", LEAVES}}, "+C", "<", "A1 B1 C1 > A2 B1 C1"},
    {"lease what was returned", {.capacity = 2}, {{"+A+B<", DIES}}, "", "<", "A2 B1 > A3 B1"},
    {"acknowledge", {.capacity = 4}, {{"+A+B", LEAVES}}, "<", "!", "A2 B1 > B1"},
    {"release", {.capacity = 4}, {{"+A+B", LEAVES}}, "<", "~", "A2 B1"},
    {"ask for a senders' doorbell", {.capacity = 1}, {{"+A", LEAVES}}, "", "a", "A1"},
    {"offer and withdraw", {.capacity = 0}, {{"&A", STAYS}}, "", "&X_", "A1 > A1 X1 > A1"},
    {"port: send", LETTERS, {{"p+A", STAYS}}, "", "+X", "A1 > A1 X1"},
    {"port: end", LETTERS, {{"+B", LEAVES}}, "p+A<", "e", "A2 B1"},
    {"port: close, a sender asleep", LETTERS, {{"]C", SLEEPS_AND_STAYS}}, "p+A+B", "c", "A1 B1"},
    {"port: drain", LETTERS, {{"p+A<", DIES}}, "b", "g", "A2 > A3 > > gone"},
    {"port: take the last of its senders'", SENDERS, {{"+A", LEAVES}}, "p", "<!<", "A1 > A2 >"},
};
/* clang-format on */

static unsigned long kills;
static int failures;

/* False when the operation has fewer instructions. */
static bool kill_at(struct world *w, const uint8_t *origin, unsigned long k)
{
    if (origin) {
        world_name(w);
        image_put(&w->watched, origin);
    }
    struct watched_process p = world_start(w, w->scenario->ready, w->scenario->operate);
    bool within = true;
    for (unsigned long i = 0; i < k && within; i++)
        within = stepper_step(p.pid, p.shared);
    stepper_kill(p.pid);
    shared_memory_free(p.shared, sizeof *p.shared);
    char story[STORY];
    struct witness witness = world_witness(w);
    const char *s = invariants_always(&witness);
    invariants_story(&witness, story);
    /* One of those that the scenario tells: of before, of after, or between. */
    const char *at = strstr(w->scenario->story, story);
    size_t n = strlen(story);
    if (!s && n > 0 && (!at || (at[n] && strncmp(at + n, " >", 2) != 0)))
        s = "it left messages that were neither before nor after";
    if (!s)
        s = world_verify(w, story);
    if (s) {
        printf("VIOLATION in '%s', killed at instruction %lu ('%s'): %s\n", w->scenario->name, k,
               story, s);
        fflush(stdout);
        failures++;
    }
    kills++;
    return within;
}

/* From one image of a world; or in a new world each time, where the killed one makes it. */
static void explore(liaison_space *space, const struct scenario *scenario, unsigned long *k,
                    bool all)
{
    struct world w;
    bool anew = world_is_made_by_the_watched(scenario), within = true;
    uint8_t *origin = NULL;
    world_build(&w, space, scenario);
    if (!anew) {
        origin = malloc(image_size(&w.watched));
        CHECK(origin);
        image_take(&w.watched, origin);
    }
    for (; within; *k = all ? *k + 1 : NEXT(*k)) {
        within = kill_at(&w, origin, *k);
        if (anew) {
            world_end(&w);
            world_build(&w, space, scenario);
        }
    }
    free(origin);
    world_end(&w);
}

int main(int argc, char **argv)
{
    stepper_required();
    bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
    const char *only = argc > 1 + all ? argv[1 + all] : "";
    liaison_space *space = test_space();
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if (!strstr(scenarios[i].name, only))
            continue;
        unsigned long k = all ? 0 : (unsigned long)getpid() % NEXT(0);
        explore(space, &scenarios[i], &k, all);
        printf("%-28s killed up to instruction %lu\n", scenarios[i].name, k);
        fflush(stdout);
    }
    printf("%lu kills; %d violations\n", kills, failures);
    liaison_space_close(space);
    return failures != 0;
}
