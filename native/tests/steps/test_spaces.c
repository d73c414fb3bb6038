/* A space exists whole or not at all, before whichever of its system calls a maker is killed, and
 * whichever others make it at the same time; the next maker removes what a dead one left. A
 * directory is never taken for another that has its inode number. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "space/space.h"
#include "steps/stepper.h"

#define RACERS 4
#define ROUNDS 100

static char root[250];
static bool shared_space;
static int failures;

static int make(liaison_space **space)
{
    int64_t group = shared_space ? (int64_t)getegid() : -1;
    return liaison_space_open(root, geteuid(), "lab", true, group, space);
}

static void operate(void *context)
{
    liaison_space *space;
    (void)context;
    make(&space);
}

/* Whether the space, if it is there, has all that it consists of, and the rights it should have. */
static bool whole(void)
{
    static const char *const parts[] = {"links", "names", "bells", "members"};
    char path[300];
    struct stat st;
    mode_t top = shared_space ? 03770 : 0700;
    snprintf(path, sizeof path, "%s/lab", root);
    if (stat(root, &st) != 0 || stat(path, &st) != 0)
        return true;
    bool good = (st.st_mode & 07777) == top && test_entries(path) == 4;
    for (size_t i = 0; i < 4; i++) {
        mode_t mode = i < 2 ? top & ~(mode_t)S_ISVTX : i == 2 ? top : shared_space ? 0660 : 0600;
        snprintf(path, sizeof path, "%s/lab/%s", root, parts[i]);
        good = good && stat(path, &st) == 0 && (st.st_mode & 07777) == mode;
    }
    return good;
}

static int use(void *context)
{
    liaison_space *space;
    liaison_mailbox *m;
    char text[4];
    (void)context;
    alarm(60);
    CHECK_OK(make(&space));
    m = test_mailbox(space, "box", 2);
    CHECK_OK(test_send(m, "m", 1, 0));
    CHECK(test_receive(m, text, sizeof text, 0) == 1);
    CHECK_OK(liaison_mailbox_destroy(m, true));
    return whole() ? 0 : 1;
}

static void next_root(const char *above)
{
    static int number;
    snprintf(root, sizeof root, "%s/%d%s", above, number++, shared_space ? ".shared" : "");
}

static void violation(const char *what, int k)
{
    printf("VIOLATION: %s, %d, %s\n", shared_space ? "shared" : "private", k, what);
    fflush(stdout);
    failures++;
}

/* Each time in a directory of its own, in which nothing may be left beside the space's root. */
static int kill_at_every_call(const char *top)
{
    int k = 0;
    for (bool within = true; within; k++) {
        char above[150];
        snprintf(above, sizeof above, "%s/%d%c", top, k, shared_space ? 's' : 'p');
        CHECK(mkdir(above, 0700) == 0);
        next_root(above);
        struct shared *shared = stepper_shared();
        struct body body = {NULL, operate, NULL, shared};
        pid_t pid = stepper_start(&body);
        for (int i = 0; i <= k && within; i++)
            within = stepper_system_call(pid, shared);
        stepper_kill(pid);
        if (!whole())
            violation("half of a space is seen after a kill", k);
        CHECK(test_wait(test_child(use, NULL)) == 0);
        if (test_entries(root) != 1 || test_entries(above) != 1)
            violation("what the dead maker left is still there", k);
        shared_memory_free(shared, sizeof *shared);
    }
    return k;
}

struct start {
    int gate[2];
};
static int race(void *context)
{
    const struct start *start = context;
    liaison_space *space;
    char c;
    close(start->gate[1]);
    CHECK(read(start->gate[0], &c, 1) == 0);
    return make(&space);
}

static void race_all(const char *top)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct start start;
        pid_t racers[RACERS];
        next_root(top);
        CHECK(pipe(start.gate) == 0);
        for (int j = 0; j < RACERS; j++)
            racers[j] = test_child(race, &start);
        close(start.gate[0]);
        close(start.gate[1]);
        for (int j = 0; j < RACERS; j++)
            if (test_wait(racers[j]) != 0)
                violation("a racing maker was refused", i);
        if (!whole() || test_entries(root) != 1)
            violation("what racing makers made is not one space", i);
    }
}

/* The number of a directory that was removed comes again, for one that is another's perhaps. */
static void numbers_come_again(const char *top)
{
    liaison_space *space;
    char links[300], other[300], aside[300];
    struct stat st;
    int fd;
    next_root(top);
    CHECK_OK(make(&space));
    snprintf(links, sizeof links, "%s/lab/links", root);
    snprintf(aside, sizeof aside, "%s/aside", top);
    snprintf(other, sizeof other, "%s/other", top);
    CHECK(rename(links, aside) == 0);
    CHECK(mkdir(other, 0750) == 0 && stat(other, &st) == 0 && symlink(other, links) == 0);
    space->inodes[SPACE_LINKS] = st.st_ino;
    for (int i = 0; i < 3; i++) {
        if (liaison_space_directory(space, LIAISON_SPACE_LINKS, &fd) == LIAISON_OK)
            violation("another directory of the same number is taken for the space's", i);
        if (i == 0) /* now without a link on the way */
            CHECK(unlink(links) == 0 && rename(other, links) == 0);
        else if (geteuid() == 0) /* now with the rights of the space's, and another's */
            CHECK(chmod(links, shared_space ? 02770 : 0700) == 0 && chown(links, 12346, 0) == 0);
    }
    CHECK(unlink(links) == 0 || rmdir(links) == 0);
    CHECK(rename(aside, links) == 0);
    liaison_space_close(space);
}

int main(void)
{
    char top[100];
    stepper_required();
    liaison_space_close(test_space());
    snprintf(top, sizeof top, "%s", getenv("LIAISON_ROOT"));
    umask(022); /* as most have: it takes the group's right to write away */
    for (int i = 0; i < 2; i++) {
        shared_space = i == 1;
        int k = kill_at_every_call(top);
        race_all(top);
        numbers_come_again(top);
        printf("%s: %d kills, %d races\n", shared_space ? "shared" : "private", k, ROUNDS);
    }
    printf("%d violations\n", failures);
    return failures != 0;
}
