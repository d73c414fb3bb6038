/* While a process takes the number that a dead one had, at no instruction does the dead one seem
 * alive: a port, a turn or an endpoint that it held is free at once. If the process that takes the
 * number is killed at any instruction, it is dead as well, and the next one gets the number. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "space/member.h"
#include "steps/stepper.h"

static char directory[200];
static liaison_space *space;
static int failures;

static void be_a_member(void *context)
{
    volatile uint64_t *identity = context;
    uint64_t mine;
    CHECK_OK(member_identity(space, &mine));
    *identity = mine;
}
static void nothing(void *context) { (void)context; }

static int be_a_member_for_a_moment(void *context)
{
    be_a_member(context);
    return 0;
}

static bool alive(uint64_t identity) { return identity && member_alive(space, identity); }

/* A process takes the number of a dead one, and is looked at before each instruction; after so many
 * it is killed, or, with -1, goes on to the end. False when it had come to its end before. */
static bool try_one(uint64_t dead, long on)
{
    struct shared *shared = stepper_shared();
    struct body body = {nothing, be_a_member, (void *)(uintptr_t)&shared->identity, shared};
    pid_t pid = stepper_start(&body);
    bool within = true;
    for (long i = 0; within && i != on; i++) {
        if (on < 0 && alive(dead)) {
            printf("VIOLATION: the dead one seems alive %ld instructions on\n", i);
            failures++;
            break;
        }
        within = stepper_step(pid, shared);
    }
    uint64_t identity = shared->identity;
    if (!within)
        CHECK(identity_number(identity) == identity_number(dead) && identity != dead &&
              alive(identity));
    stepper_kill(pid);
    uint64_t *next = shared_memory(sizeof *next);
    CHECK(test_wait(test_child(be_a_member_for_a_moment, next)) == 0);
    if (alive(dead) || alive(identity) || alive(*next) ||
        identity_number(*next) != identity_number(dead) || *next == identity || *next == dead) {
        printf("VIOLATION: killed %ld instructions on\n", on);
        failures++;
    }
    shared_memory_free(next, sizeof *next);
    shared_memory_free(shared, sizeof *shared);
    return within;
}

int main(int argc, char **argv)
{
    stepper_required();
    bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
    liaison_space_close(test_space());
    snprintf(directory, sizeof directory, "%s/here", getenv("LIAISON_ROOT"));
    space = test_space_in(directory, "members");
    uint64_t mine, *dead = shared_memory(sizeof *dead);
    CHECK_OK(member_identity(space, &mine));
    CHECK(test_wait(test_child(be_a_member_for_a_moment, dead)) == 0);
    try_one(*dead, -1);
    long on = 0;
    while (try_one(*dead, on))
        on += all ? 7 : 997;
    printf("%ld instructions, %d violations\n", on, failures);
    liaison_space_close(space);
    return failures != 0;
}
