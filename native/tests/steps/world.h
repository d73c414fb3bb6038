/* world.h — a mailbox in a prepared state, with the processes that made it so. */
#ifndef WORLD_H
#define WORLD_H

#include "steps/image.h"
#include "steps/invariants.h"
#include "steps/script.h"
#include "steps/stepper.h"

/* A process that dies in its sleep is stopped in it, and killed when all are there; one that dies
 * at last is killed when the watched process stands before its operation. */
enum fate { LEAVES, DIES, STAYS, SLEEPS_AND_DIES, SLEEPS_AND_STAYS, DIES_LAST };
#define ACTORS 4
struct scenario {
    const char *name;
    struct liaison_policy policy;
    struct {
        const char *script;
        enum fate fate; /* a process that stays is stopped: it lives and does nothing */
    } before[ACTORS];
    const char *ready;   /* what the watched process does before it is watched */
    const char *operate; /* what is watched */
    const char *story;   /* of the messages, at first > after each change */
};
/* A port is created by the first process of `before`, or by the watched one if its `ready` does
 * that; then the others come later. */

struct world {
    const struct scenario *scenario;
    liaison_space *space;
    char name[32];
    struct watched watched;
    char kept[300]; /* another name of the file, out of the engine's sight */
    pid_t staying[ACTORS];
    uint64_t living[ACTORS + 2]; /* and two that a test adds */
    int living_count;
};

void world_build(struct world *w, liaison_space *space, const struct scenario *scenario);
void world_end(struct world *w);

/* Starts the process that is to be watched: it stands before its operation. */
struct watched_process {
    pid_t pid;
    struct shared *shared;
};
struct watched_process world_start(struct world *w, const char *ready, const char *operate);

/* Begins to watch a port that was just created. */
void world_watch(struct world *w);
/* Gives the file back the names that the end of a port has taken from it. */
void world_name(struct world *w);
/* Whether the watched process creates it, so that every trial needs a world of its own. */
bool world_is_made_by_the_watched(const struct scenario *scenario);

/* As the checker sees it, with the living as noted. */
struct witness world_witness(const struct world *w);

/* Lets a new process recover the mailbox, receive everything, fill it and receive everything again:
 * NULL, or what was wrong. It drains a port whose receiver is dead, and the port must be gone. The
 * segment cannot be used afterwards. */
extern int late_deaths; /* whose lock was still held when the process was gone */
const char *world_verify(const struct world *w, const char *story);

#endif
