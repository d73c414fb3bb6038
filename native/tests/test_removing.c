/* A space that no living process uses can be removed by its owner, with its content, and nothing of
 * it is left; one that is used stays as it is, and so does one that holds something, unless it is
 * removed by force. Processes make, use and remove spaces of one name at once: a space in use is
 * never removed. With --all, ten thousand spaces one after the other rather than five hundred, and
 * ten times the races. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "check.h"
#include "links/handle.h"
#include "space/member.h"

static char root[100];
static struct liaison_kept kept;

static int try_open(bool create, liaison_space **space)
{
    return liaison_space_open(root, geteuid(), "lab", create, -1, space);
}
static liaison_space *open_space(void)
{
    liaison_space *space;
    CHECK_OK(try_open(true, &space));
    return space;
}
static int try_remove(bool force)
{
    return liaison_space_remove(root, geteuid(), "lab", force, &kept);
}

static const char *path_of(const char *what)
{
    static char path[2][PATH_MAX];
    static int turn;
    char *p = path[turn++ % 2];
    snprintf(p, PATH_MAX, "%s/lab/%s", root, what);
    return p;
}

/* How many spaces there are, and remains of spaces. */
static int entries(void) { return test_entries(root); }

static void it_is_gone(void)
{
    liaison_space *space;
    CHECK(entries() == 0);
    CHECK_RESULT(LIAISON_NOT_FOUND, try_open(false, &space));
    CHECK_RESULT(LIAISON_NOT_FOUND, try_remove(false));
}

static bool is_used_by(pid_t pid)
{
    struct liaison_peer users[4];
    size_t count;
    liaison_space *space = open_space();
    CHECK_OK(liaison_space_users(space, users, 4, &count));
    liaison_space_close(space);
    return pid == 0 ? count == 0 : count == 1 && users[0].pid == pid && users[0].alive;
}

/* ---- another process --------------------------------------------------------------------------
 */

static struct other {
    int say[2], go_on[2];
    void (*body)(void);
    pid_t pid;
} other;

static void point(void)
{
    char c = 0;
    CHECK(write(other.say[1], &c, 1) == 1 && read(other.go_on[0], &c, 1) == 1);
}
static void await(void)
{
    char c;
    CHECK(read(other.say[0], &c, 1) == 1);
}
static void go_on(void)
{
    char c = 0;
    CHECK(write(other.go_on[1], &c, 1) == 1);
}

static int run(void *context)
{
    (void)context;
    alarm(120);
    other.body();
    return 0;
}
static void start(void (*body)(void))
{
    CHECK(pipe(other.say) == 0 && pipe(other.go_on) == 0);
    other.body = body;
    other.pid = test_child(run, NULL);
}
static void finish(int expected)
{
    CHECK(test_wait(other.pid) == expected);
    for (int i = 0; i < 2; i++) {
        close(other.say[i]);
        close(other.go_on[i]);
    }
}
static void kill_it(void)
{
    kill(other.pid, SIGKILL);
    finish(-SIGKILL);
}

/* ---- what is not used goes ---------------------------------------------------------------------
 */

static void an_unused_space_is_removed(void)
{
    int before = test_descriptors(), fd;
    liaison_space *space = open_space(), *again;
    CHECK_OK(try_remove(false)); /* nobody has ever used it */
    it_is_gone();
    liaison_space_close(space);
    space = open_space();
    test_use(space);
    liaison_mailbox *m = test_mailbox(space, "kept", 4);
    CHECK_OK(liaison_mailbox_doorbell(m, &fd));
    liaison_mailbox_close(m);
    CHECK(mkdir(path_of(".liaison-new-0123456789abcdef"), 0700) == 0);
    CHECK(mkdir(path_of("bells/.new-0123456789abcdef"), 0700) == 0);
    fd = open(path_of("links/.draft-0123456789abcdef"), O_CREAT | O_RDWR, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
    CHECK_OK(try_remove(false)); /* this process rests in it, and made what is in it */
    it_is_gone();
    /* The old space cannot be used any more, and reports that; a new one of that name works like
     * any other. */
    CHECK_RESULT(LIAISON_NOT_FOUND,
                 liaison_mailbox_open(space, "box", LIAISON_OPEN_OR_CREATE, NULL, &m));
    CHECK(!liaison_space_lost(space));
    again = open_space();
    CHECK(again != space);
    test_use(again);
    liaison_space_close(space);
    CHECK_OK(try_remove(false));
    liaison_space_close(again);
    it_is_gone();
    CHECK(test_descriptors() == before);
}

static void many_one_after_the_other(int count)
{
    int before = test_descriptors();
    for (int i = 0; i < count; i++) {
        liaison_space *space = open_space();
        test_use(space);
        CHECK_OK(try_remove(false));
        liaison_space_close(space);
        CHECK(i % 100 || (test_descriptors() == before && entries() == 0));
    }
    it_is_gone();
}

/* ---- what is used stays ------------------------------------------------------------------------
 */

static void have_one_open(void)
{
    liaison_mailbox *m = test_mailbox(open_space(), "box", 4);
    point();
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
    point();
}

static void close_all_and_have_one_open(void)
{
    int needed[] = {other.say[1], other.go_on[0]};
    liaison_mailbox *m = test_mailbox(open_space(), "box", 4);
    for (int fd = 3; fd < 100; fd++)
        if (fd != needed[0] && fd != needed[1])
            close(fd);
    point();
    CHECK_OK(test_send(m, "x", 1, 0));
}

static void have_it_open_and_fork(void)
{
    liaison_mailbox *m = test_mailbox(open_space(), "box", 4);
    CHECK_OK(liaison_mailbox_destroy(m, false)); /* what is open stays usable */
    int end[2];
    char c;
    CHECK(pipe(end) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(end[1]);
        close(other.say[0]);
        close(other.go_on[1]);
        CHECK(read(end[0], &c, 1) == 0);
        CHECK(read(other.go_on[0], &c, 1) <= 1);
        _exit(0);
    }
    close(end[0]);
    point();
}

static void its_users_are_named(void)
{
    start(have_one_open);
    await();
    CHECK_RESULT(LIAISON_BUSY, try_remove(false));
    CHECK(kept.link[0] == 0 && kept.messages == 0 && !kept.here && is_used_by(other.pid));
    CHECK_RESULT(LIAISON_BUSY, try_remove(true));
    kill(other.pid, SIGSTOP); /* stopped is not dead */
    CHECK_RESULT(LIAISON_BUSY, try_remove(true));
    kill(other.pid, SIGCONT);
    go_on();
    await();
    CHECK(is_used_by(0)); /* it lives, and has nothing open */
    CHECK_OK(try_remove(false));
    it_is_gone();
    go_on();
    finish(0);

    start(close_all_and_have_one_open);
    await();
    CHECK_RESULT(LIAISON_BUSY, try_remove(true));
    CHECK(is_used_by(other.pid));
    kill_it();
    CHECK(is_used_by(0));
    CHECK_OK(try_remove(false));
    it_is_gone();

    start(have_it_open_and_fork);
    await();
    CHECK_RESULT(LIAISON_BUSY, try_remove(true));
    kill_it(); /* and its child lives, and has inherited all of it, but for its use */
    CHECK_OK(try_remove(true));
    it_is_gone();
}

static void what_this_process_has_open_is_named(void)
{
    liaison_space *space = open_space();
    liaison_mailbox *m = test_mailbox(space, "box", 4), *seen;
    CHECK_RESULT(LIAISON_BUSY, try_remove(true));
    CHECK(kept.here && strcmp(kept.link, "box") == 0 && is_used_by(getpid()));
    liaison_mailbox_close(m);
    CHECK(is_used_by(0));
    /* An observer learns that the link is gone. */
    CHECK_OK(liaison_mailbox_open(space, "box", LIAISON_OBSERVE, NULL, &seen));
    CHECK_OK(try_remove(false));
    it_is_gone();
    CHECK(liaison_mailbox_vanished(seen));
    liaison_mailbox_close(seen);
    liaison_space_close(space);
}

/* A child's use begins with its first operation. The links that it inherited are destroyed by
 * then. */
static liaison_mailbox *inherited;
static void use_the_inherited(void)
{
    char text[4];
    point();
    CHECK_RESULT(LIAISON_DESTROYED, test_send(inherited, "x", 1, FOREVER));
    CHECK(test_receive(inherited, text, sizeof text, FOREVER) == -LIAISON_DESTROYED);
    liaison_mailbox_close(inherited);
}
static void what_a_child_inherited_is_destroyed(void)
{
    liaison_space *space = open_space();
    inherited = test_mailbox(space, "box", 4);
    start(use_the_inherited);
    await();
    liaison_mailbox_close(inherited);
    CHECK_OK(try_remove(false));
    it_is_gone();
    go_on();
    finish(0);
    liaison_space_close(space);
}

/* ---- what is kept ------------------------------------------------------------------------------
 */

static struct liaison_policy policy;
static const char *content;
static bool leased, closes;

static void make_one(void)
{
    liaison_mailbox *m;
    struct liaison_delivery d;
    struct liaison_policy p = policy;
    if (!p.capacity)
        p.capacity = 4;
    CHECK_OK(liaison_mailbox_open(open_space(), "one", LIAISON_CREATE, &p, &m));
    for (const char *c = content; *c; c++)
        CHECK_OK(test_send(m, c, 1, 0));
    if (leased)
        CHECK_OK(liaison_mailbox_try_take(m, &d));
    if (closes)
        liaison_mailbox_close(m);
    point();
}

static void a_link_is_kept_while_its_creator_lives(void)
{
    content = "";
    closes = true;
    start(make_one);
    await();
    CHECK_RESULT(LIAISON_NOT_OWNER, try_remove(false));
    CHECK(strcmp(kept.link, "one") == 0 && kept.creator.pid == other.pid && kept.creator.alive);
    CHECK_OK(try_remove(true));
    it_is_gone();
    go_on();
    finish(0);

    start(make_one);
    await();
    kill_it();
    CHECK_OK(try_remove(false));
    it_is_gone();
}

static void messages_are_kept(void)
{
    content = "abc";
    for (int i = 0; i < 2; i++) {
        leased = i == 1;
        closes = !leased;
        start(make_one);
        await();
        kill_it();
        CHECK_RESULT(LIAISON_BUSY, try_remove(false));
        CHECK(strcmp(kept.link, "one") == 0 && kept.messages == 3 && !kept.here);
        CHECK(kept.creator.known && !kept.creator.alive);
        if (i == 0)
            CHECK_OK(try_remove(true));
    }
    liaison_space *space = open_space();
    liaison_mailbox *m;
    char text[4];
    CHECK_OK(liaison_mailbox_open(space, "one", LIAISON_OPEN, NULL, &m));
    for (int i = 0; i < 3; i++)
        CHECK(test_receive(m, text, sizeof text, 0) == 1);
    liaison_mailbox_close(m);
    liaison_space_close(space);
    CHECK_OK(try_remove(false));
    it_is_gone();

    /* A named pipe's messages end with its sides, and a port's with its receiver, except those for
     * its dead letters. */
    leased = false;
    closes = false;
    policy = (struct liaison_policy){.kind = LIAISON_KIND_PORT, .capacity = 4};
    start(make_one);
    await();
    kill_it();
    CHECK_OK(try_remove(false));
    strcpy(policy.dead_letters, "dead");
    start(make_one);
    await();
    kill_it();
    CHECK_RESULT(LIAISON_BUSY, try_remove(false));
    CHECK(kept.messages == 3);
    CHECK_OK(try_remove(true));
    it_is_gone();
    policy = (struct liaison_policy){0};
    content = "";
}

/* By a table that was replaced: it is unknown which processes have them open. */
static void a_link_of_another_table_is_kept(void)
{
    content = "a";
    leased = false;
    closes = false;
    start(make_one);
    await();
    CHECK(unlink(path_of("members")) == 0);
    CHECK_RESULT(LIAISON_FOREIGN, try_remove(false));
    CHECK(kept.link[0] && kept.messages == 0 && !kept.here);
    CHECK(access(path_of("names/one"), F_OK) == 0);
    CHECK_OK(try_remove(true));
    it_is_gone();
    go_on();
    finish(0);
    content = "";
}

/* ---- what is damaged ---------------------------------------------------------------------------
 */

static void overwrite(const char *what, off_t at, const void *bytes, size_t n)
{
    int fd = open(path_of(what), O_RDWR);
    CHECK(fd >= 0 && pwrite(fd, bytes, n, at) == (ssize_t)n);
    close(fd);
}

static void what_is_damaged_needs_force(void)
{
    static const char zeros[64];
    liaison_space *space = open_space(), *again;
    liaison_mailbox *m = test_mailbox(space, "box", 4);
    liaison_mailbox_close(m);
    overwrite("names/box", 0, zeros, sizeof zeros);
    CHECK_RESULT(LIAISON_CORRUPT, try_remove(false));
    CHECK(kept.link[0]);
    CHECK_OK(try_remove(true));
    it_is_gone();
    liaison_space_close(space);

    uint32_t version = 99;
    for (int i = 0; i < 2; i++) {
        space = open_space();
        test_use(space);
        if (i == 0)
            overwrite("members", 0, zeros, sizeof zeros);
        else
            overwrite("members", offsetof(struct preamble, version), &version, sizeof version);
        int expected = i == 0 ? LIAISON_FOREIGN : LIAISON_VERSION;
        CHECK_RESULT(expected, try_open(true, &again));
        CHECK_RESULT(expected, try_remove(false));
        CHECK_OK(try_remove(true));
        it_is_gone();
        liaison_space_close(space);
    }

    /* A directory that liaison did not make stays, but under another name than the space's. */
    liaison_space_close(open_space());
    CHECK(mkdir(path_of("links/strange"), 0700) == 0);
    CHECK_RESULT(LIAISON_DENIED, try_remove(false));
    CHECK(access(path_of("members"), F_OK) == 0);
    CHECK_RESULT(-ENOTEMPTY, try_remove(true));
    CHECK_RESULT(LIAISON_NOT_FOUND, try_open(false, &again));
    CHECK(entries() == 1);
    char command[200];
    snprintf(command, sizeof command, "rm -r %s/.liaison-old-*", root);
    CHECK(system(command) == 0); /* NOLINT(cert-env33-c) */
    it_is_gone();
}

/* ---- what a dead remover leaves ----------------------------------------------------------------
 */

static void mark_removed(void)
{
    uint64_t removed = SPACE_REMOVED;
    overwrite("members", offsetof(struct members_page, comings), &removed, sizeof removed);
}

static void a_newcomer_finishes_a_removal(void)
{
    liaison_space *space, *again;
    for (int i = 0; i < 3; i++) {
        space = open_space();
        liaison_mailbox_close(test_mailbox(space, "box", 4));
        mark_removed();
        if (i == 0) {
            CHECK_RESULT(LIAISON_NOT_FOUND, try_open(false, &again));
            CHECK(entries() == 0);
        } else if (i == 1) {
            CHECK_RESULT(LIAISON_NOT_FOUND, try_remove(false));
            CHECK(entries() == 0);
        } else {
            again = open_space();
            CHECK(again != space && entries() == 1);
            test_use(again);
            liaison_space_close(again);
            CHECK_OK(try_remove(false));
        }
        liaison_space_close(space);
        it_is_gone();
    }
    /* A sweep finds a space that was renamed. */
    char aside[PATH_MAX];
    struct stat st;
    space = open_space();
    CHECK(stat(path_of(""), &st) == 0);
    snprintf(aside, sizeof aside, "%s/.liaison-old-%016llx", root, (unsigned long long)st.st_ino);
    liaison_mailbox_close(test_mailbox(space, "box", 4));
    CHECK(rename(path_of(""), aside) == 0);
    liaison_space_close(space);
    space = open_space();
    struct liaison_cleaned cleaned;
    CHECK_OK(liaison_space_clean(space, false, &cleaned));
    CHECK(entries() == 1);
    liaison_space_close(space);
    CHECK_OK(try_remove(false));
    it_is_gone();
}

/* A space that was found to be removed stays so, even if one with the same inode numbers
 * appears. */
static void a_removed_space_stays_removed(void)
{
    uint64_t comings = 5;
    liaison_mailbox *m;
    liaison_space *space = open_space(), *again;
    mark_removed();
    CHECK_RESULT(LIAISON_NOT_FOUND, liaison_mailbox_open(space, "box", LIAISON_CREATE, NULL, &m));
    overwrite("members", offsetof(struct members_page, comings), &comings, sizeof comings);
    CHECK_OK(try_open(false, &again));
    CHECK(again != space);
    test_use(again);
    liaison_space_close(space);
    liaison_space_close(again);
    CHECK_OK(try_remove(false));
    it_is_gone();
}

/* A process that is stopped while it removes the directory delays only makers of that name. */
static void a_stopped_remover_delays_only_makers(void)
{
    liaison_space *again;
    liaison_space_close(open_space());
    int fd = open(path_of(""), O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
    mark_removed();
    CHECK_RESULT(LIAISON_NOT_FOUND, try_open(false, &again));
    CHECK_RESULT(LIAISON_BUSY, try_open(true, &again));
    close(fd);
    liaison_space_close(open_space());
    CHECK_OK(try_remove(false));
    it_is_gone();
}

static void why_it_cannot_be_removed_is_reported(void)
{
    struct rlimit before, now;
    liaison_space *again;
    int r = -EMFILE;
    liaison_space_close(open_space());
    mark_removed();
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    now = before;
    for (now.rlim_cur = 3; r == -EMFILE; now.rlim_cur++) {
        CHECK(setrlimit(RLIMIT_NOFILE, &now) == 0);
        r = try_open(true, &again);
    }
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK_OK(r);
    liaison_space_close(again);
    CHECK_OK(try_remove(false));
    it_is_gone();
}

static void another_user_may_not(void)
{
    liaison_space_close(open_space());
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(geteuid() == 0 && seteuid(65534) != 0 ? 77
              : liaison_space_remove(root, geteuid() + 1, "lab", true, &kept) == LIAISON_DENIED
                  ? 0
                  : 1);
    int code = test_wait(pid);
    CHECK(code == 0 || code == 77);
    CHECK_OK(try_remove(false));
    it_is_gone();
}

/* ---- races -------------------------------------------------------------------------------------
 */

#define USERS 4
#define REMOVERS 2

struct race {
    int rounds;
    bool removes;
};

/* An open link keeps its name all the time, and so does its space. */
static void use_for_a_moment(const char *name)
{
    for (;;) {
        liaison_space *space = open_space();
        struct liaison_policy p = {.capacity = 4};
        liaison_mailbox *m, *named;
        char text[4];
        int r = liaison_mailbox_open(space, name, LIAISON_OPEN_OR_CREATE, &p, &m);
        if (r == LIAISON_OK) {
            CHECK_OK(test_send(m, "x", 1, 0));
            CHECK(space_stands(space));
            CHECK_OK(liaison_mailbox_open(space, name, LIAISON_OPEN, NULL, &named));
            CHECK(named->segment == m->segment);
            CHECK(test_receive(named, text, sizeof text, 0) == 1);
            liaison_mailbox_close(named);
            liaison_mailbox_close(m);
        }
        liaison_space_close(space);
        if (r == LIAISON_OK)
            return;
        CHECK(r == LIAISON_NOT_FOUND);
    }
}

static int race(void *context)
{
    struct race *me = context;
    char name[20];
    alarm(300);
    snprintf(name, sizeof name, "box%d", (int)getpid());
    for (int i = 0; i < me->rounds; i++) {
        if (!me->removes) {
            use_for_a_moment(name);
            continue;
        }
        int r = try_remove(i % 2);
        CHECK(r == LIAISON_OK || r == LIAISON_BUSY || r == LIAISON_NOT_FOUND ||
              r == LIAISON_NOT_OWNER);
    }
    return 0;
}

static void *race_in_a_thread(void *context)
{
    CHECK(race(context) == 0);
    return NULL;
}

/* The threads of one process: a space that one of them uses cannot be removed by the others
 * either. */
static int race_threads(void *context)
{
    pthread_t threads[3];
    struct race users = {*(int *)context, false}, remover = {*(int *)context, true};
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, race_in_a_thread, i < 2 ? &users : &remover) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}

static void race_all(int rounds)
{
    CHECK(test_wait(test_child(race_threads, &rounds)) == 0);
    pid_t racers[USERS + REMOVERS];
    struct race users = {rounds, false}, removers = {rounds, true};
    for (int i = 0; i < USERS + REMOVERS; i++)
        racers[i] = test_child(race, i < USERS ? &users : &removers);
    for (int i = 0; i < USERS + REMOVERS; i++)
        CHECK(test_wait(racers[i]) == 0);
    liaison_space *space = open_space();
    struct liaison_cleaned cleaned;
    CHECK_OK(liaison_space_clean(space, true, &cleaned));
    CHECK(entries() == 1);
    liaison_space_close(space);
    CHECK_OK(try_remove(false));
    it_is_gone();
}

int main(int argc, char **argv)
{
    bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
    liaison_space_close(test_space());
    CHECK_OK(liaison_root(geteuid(), false, root, sizeof root));
    CHECK_OK(liaison_space_remove(root, geteuid(), "test", false, &kept));
    an_unused_space_is_removed();
    its_users_are_named();
    what_this_process_has_open_is_named();
    what_a_child_inherited_is_destroyed();
    a_link_is_kept_while_its_creator_lives();
    messages_are_kept();
    a_link_of_another_table_is_kept();
    what_is_damaged_needs_force();
    a_newcomer_finishes_a_removal();
    a_removed_space_stays_removed();
    a_stopped_remover_delays_only_makers();
    why_it_cannot_be_removed_is_reported();
    another_user_may_not();
    many_one_after_the_other(all ? 10000 : 500);
    race_all(all ? 5000 : 500);
    return 0;
}
