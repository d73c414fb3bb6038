/* A space is removed whole or not at all, and no accepted message is removed with it, nor a link
 * that a living process has open: before and after each system call of a remover, another process
 * begins to use the space, and before and after each system call of a newcomer, another removes it.
 * The process that was overtaken then goes on, or is killed there: without --all, or a pair by
 * name, at every fifth. Whatever is left of it, the space can be used and removed, and nothing
 * remains. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "space/removal.h"
#include "space/space.h"
#include "steps/stepper.h"

#define ENOUGH 4 /* violations */

static char root[200];
static const struct liaison_policy policy = {.capacity = 4, .max_message = 100};

/* What becomes of a process's operation, as it says itself. */
static struct outcome {
    volatile int result, sent; /* -1: not yet */
} *mine, *outcomes;

static int lasting[2]; /* a pipe: who reads it lives until the trial ends */
static liaison_space *space;
static liaison_mailbox *box;

static int open_space(bool create)
{
    return liaison_space_open(root, geteuid(), "lab", create, -1, &space);
}
static const char *path_of(const char *what)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/lab/%s", root, what);
    return path;
}

/* ---- before, in a process that dies of it ------------------------------------------------------
 */

static void nothing(void) {}
static void make(void)
{
    CHECK_OK(open_space(true));
    CHECK_OK(liaison_mailbox_open(space, "box", LIAISON_CREATE, &policy, &box));
}
static void make_strange(void)
{
    make();
    CHECK(mkdir(path_of("links/strange"), 0700) == 0);
}
static void decide(void)
{
    struct removal removal;
    mine->result = open_space(false);
    if (mine->result != LIAISON_OK)
        return;
    mine->result = removal_begin(space, &removal);
    if (mine->result != LIAISON_OK)
        return;
    mine->result = removal_decide(&removal) ? LIAISON_OK : LIAISON_BUSY;
    removal_end(&removal);
}
static void make_removed(void)
{
    make();
    liaison_mailbox_close(box);
    decide();
    CHECK_OK(mine->result);
}

/* ---- what they do ------------------------------------------------------------------------------
 */

static void remove_it(bool force)
{
    struct liaison_kept kept;
    mine->result = liaison_space_remove(root, geteuid(), "lab", force, &kept);
}
static void removes(void) { remove_it(false); }
static void removes_by_force(void) { remove_it(true); }
/* Another thread has the space in use, and forks: what is open of it is the child's too. */
static void removes_beside_a_child(void)
{
    CHECK_OK(open_space(false));
    space_hold(space);
    CHECK(space_directory(space) >= 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        char c;
        close(lasting[1]);
        _exit(read(lasting[0], &c, 1) != 0);
    }
    removes();
}
static void cleans(void)
{
    struct liaison_cleaned cleaned;
    mine->result = open_space(false);
    if (mine->result == LIAISON_OK)
        mine->result = liaison_space_clean(space, true, &cleaned);
}
static void opens(void)
{
    do {
        mine->result = open_space(true);
        if (mine->result != LIAISON_OK)
            return;
        mine->result = liaison_mailbox_open(space, "box", LIAISON_OPEN_OR_CREATE, &policy, &box);
        if (mine->result != LIAISON_OK)
            liaison_space_close(space);
    } while (mine->result == LIAISON_NOT_FOUND);
}
static void sends(void)
{
    if (mine->result == LIAISON_OK)
        mine->sent = test_send(box, "m", 1, 0);
}
static void opens_and_sends(void)
{
    opens();
    sends();
}
static void opens_sends_and_closes(void)
{
    opens_and_sends();
    if (mine->result == LIAISON_OK)
        liaison_mailbox_close(box);
}
static void sends_by_the_inherited(void)
{
    mine->result = LIAISON_OK;
    sends();
}

static const struct role {
    void (*operate)(void), (*afterwards)(void); /* when both have operated */
} remover = {removes, nothing}, forced = {removes_by_force, nothing}, decider = {decide, nothing},
  user = {opens_and_sends, nothing}, late = {opens, sends},
  passing = {opens_sends_and_closes, nothing}, heir = {sends_by_the_inherited, nothing},
  cleaner = {cleans, nothing}, parent = {removes_beside_a_child, nothing};

static const struct pair {
    const char *name;
    void (*before)(void);
    const struct role *first, *second;
} pairs[] = {
    {"remove / make", nothing, &remover, &user},
    {"remove / come", make, &remover, &user},
    {"remove / come; send later", make, &remover, &late},
    {"remove / come and go", make, &remover, &passing},
    {"remove / send by the inherited", make, &remover, &heir},
    {"remove / remove", make, &remover, &remover},
    {"remove beside a child / come", make, &parent, &user},
    {"remove / clean", make, &remover, &cleaner},
    {"remove over a removed one / come", make_removed, &remover, &late},
    {"make / remove", nothing, &user, &remover},
    {"come / remove", make, &user, &remover},
    {"come; send later / remove", make, &late, &remover},
    {"come and go / remove", make, &passing, &remover},
    {"clean / remove", make, &cleaner, &remover},
    {"come / begin to remove", make, &user, &decider},
    {"come / remove all but something strange", make_strange, &user, &forced},
    {"come over a removed one / come", make_removed, &user, &late},
    {"come over a removed one / come and go", make_removed, &user, &passing},
    {"send by the inherited / remove", make, &heir, &remover},
    {"send by the inherited / begin to remove", make, &heir, &decider},
};

/* ---- processes ---------------------------------------------------------------------------------
 */

static struct process {
    const struct role *role;
    struct outcome *outcome;
    struct shared *shared;
    int go[2], done[2];
    pid_t pid;
} processes[2];

static void live(void *context)
{
    struct process *p = context;
    char c = 0;
    alarm(60); /* hanging is a finding, too */
    mine = p->outcome;
    p->role->operate();
    p->shared->phase = 2;
    CHECK(write(p->done[1], &c, 1) == 1 && read(p->go[0], &c, 1) == 1);
    p->role->afterwards();
    CHECK(write(p->done[1], &c, 1) == 1);
    for (;;)
        pause();
}
static void prepare(struct process *p, const struct role *role)
{
    *p = (struct process){.role = role, .outcome = &outcomes[p - processes]};
    *p->outcome = (struct outcome){-1, -1};
    p->shared = stepper_shared();
    CHECK(pipe(p->go) == 0 && pipe(p->done) == 0);
}

static void done(struct process *p)
{
    char c;
    CHECK(poll(&(struct pollfd){p->done[0], POLLIN, 0}, 1, 90000) == 1);
    CHECK(read(p->done[0], &c, 1) == 1);
}
static void go_on(struct process *p)
{
    char c = 0;
    CHECK(write(p->go[1], &c, 1) == 1);
    done(p);
}

static void end(struct process *p)
{
    int status;
    kill(p->pid, SIGKILL);
    do
        CHECK(waitpid(p->pid, &status, __WALL) == p->pid);
    while (WIFSTOPPED(status));
    for (int i = 0; i < 2; i++) {
        close(p->go[i]);
        close(p->done[i]);
    }
    shared_memory_free(p->shared, sizeof *p->shared);
}

/* ---- what must hold ----------------------------------------------------------------------------
 */

/* How many messages are found by the names; a result, negative, where there is no such link. */
static int found(void *context)
{
    uint32_t waiting;
    (void)context;
    int r = open_space(false);
    if (r == LIAISON_OK)
        r = liaison_mailbox_open(space, "box", LIAISON_OBSERVE, NULL, &box);
    if (r == LIAISON_OK)
        r = liaison_mailbox_waiting(box, &waiting);
    return r == LIAISON_OK ? (int)waiting : r == LIAISON_NOT_FOUND ? 0 : 100 + r;
}

static int entries(void) { return test_entries(root); }

static int can_be_used_and_removed(void *context)
{
    struct liaison_cleaned cleaned;
    struct outcome outcome = {-1, -1};
    mine = &outcome;
    bool strange = context != NULL;
    opens_and_sends();
    if (outcome.result != LIAISON_OK || outcome.sent != LIAISON_OK)
        return 1;
    CHECK_OK(liaison_space_clean(space, false, &cleaned));
    if (entries() != 1 && !strange)
        return 2;
    liaison_mailbox_close(box);
    removes_by_force();
    if (outcome.result != LIAISON_OK && !(strange && outcome.result == -ENOTEMPTY))
        return 3;
    return entries() == 0 || strange ? 0 : 4;
}

static bool sensible(const struct process *p, bool overtakes, bool killed)
{
    int r = p->outcome->result, sent = p->outcome->sent;
    if (killed && (r == -1 || sent == -1))
        return true;
    if (p->role == &heir)
        return sent == LIAISON_OK || sent == LIAISON_DESTROYED;
    bool uses = p->role == &user || p->role == &late || p->role == &passing;
    if (uses && r == LIAISON_OK)
        return sent == LIAISON_OK;
    /* A remover that is stopped while it removes the directory is in the way. */
    if (uses)
        return overtakes && r == LIAISON_BUSY;
    return r == LIAISON_OK || r == LIAISON_BUSY || r == LIAISON_NOT_FOUND ||
           r == LIAISON_NOT_OWNER || r == -ENOTEMPTY;
}

static const char *judge(bool killed)
{
    static char text[100];
    for (int i = 0; i < 2; i++)
        if (!sensible(&processes[i], i == 1, killed && i == 0))
            return "no sensible result";
    int sent = (outcomes[0].sent == LIAISON_OK) + (outcomes[1].sent == LIAISON_OK);
    int there = test_wait(test_child(found, NULL));
    if (there == sent || (killed && outcomes[0].sent == -1 && there == sent + 1))
        return NULL;
    snprintf(text, sizeof text, "%d messages were accepted, and %d are there", sent, there);
    return text;
}

static void clear(void)
{
    char command[500];
    snprintf(command, sizeof command, "rm -rf %s/lab %s/.liaison-old-*", root, root);
    CHECK(system(command) == 0); /* NOLINT(cert-env33-c) */
}

static int make_before(void *context)
{
    struct outcome outcome;
    mine = &outcome;
    ((const struct pair *)context)->before();
    raise(SIGKILL);
    return 0;
}

static int failures;
static unsigned long points;

/* False when the first has fewer system calls. */
static bool try_one(const struct pair *p, int k, bool die)
{
    struct process *first = &processes[0], *second = &processes[1];
    bool inherits = p->first == &heir || p->second == &heir;
    CHECK(test_wait(test_child(make_before, (void *)p)) == -SIGKILL);
    prepare(first, p->first);
    prepare(second, p->second);
    CHECK(pipe(lasting) == 0);
    if (inherits) {
        CHECK_OK(open_space(true));
        CHECK_OK(liaison_mailbox_open(space, "box", LIAISON_OPEN, NULL, &box));
    }
    first->pid = stepper_start(&(struct body){NULL, live, first, first->shared});
    int start[2];
    char c = 0;
    CHECK(pipe(start) == 0);
    second->pid = fork();
    CHECK(second->pid >= 0);
    if (second->pid == 0) {
        CHECK(read(start[0], &c, 1) == 1);
        live(second);
    }
    if (inherits) {
        liaison_mailbox_close(box);
        liaison_space_close(space);
    }
    bool within = true;
    for (int i = 0; i <= k && within; i++)
        within = stepper_call(first->pid, first->shared);
    CHECK(write(start[1], &c, 1) == 1);
    close(start[0]);
    close(start[1]);
    done(second);
    bool killed = within && die;
    if (killed) {
        kill(first->pid, SIGKILL);
    } else {
        CHECK(ptrace(PTRACE_DETACH, first->pid, NULL, NULL) == 0);
        done(first);
        go_on(first);
    }
    go_on(second);
    if (killed)
        end(first);
    const char *s = judge(killed);
    if (!killed)
        end(first);
    end(second);
    if (!s)
        s = judge(killed);
    bool strange = p->before == make_strange;
    int r = s ? 0 : test_wait(test_child(can_be_used_and_removed, strange ? &points : NULL));
    char text[40];
    if (r != 0) {
        snprintf(text, sizeof text, "afterwards it cannot be used: %d", r);
        s = text;
    }
    close(lasting[0]);
    close(lasting[1]);
    if (s) {
        printf("VIOLATION in '%s', overtaken at stop %d%s: %s (%d, %d; %d, %d)\n", p->name, k,
               die ? " and killed" : "", s, outcomes[0].result, outcomes[0].sent,
               outcomes[1].result, outcomes[1].sent);
        fflush(stdout);
        failures++;
    }
    if (s || strange)
        clear();
    points++;
    return within;
}

/* ---- something else in its place
 * -----------------------------------------------------------------
 */

#define PRECIOUS "put something else there"

static int command(const char *format)
{
    char text[1000];
    snprintf(text, sizeof text, format, root, root, root);
    return system(text); /* NOLINT(cert-env33-c) */
}

static void remove_by_force(void *context)
{
    (void)context;
    removes_by_force();
}

static int makes_another(void *context)
{
    (void)context;
    return liaison_space_open(root, geteuid(), "other", true, -1, &space);
}

/* The owner, without taking a lock, moves the space elsewhere, and a directory that looks like one
 * to where it was: before and after each system call of a remover, which moves that back, or dies
 * at its next call, and others sweep. That directory stays whole. */
static bool something_else_stays(int k, bool die)
{
    CHECK(test_wait(test_child(make_before, &(struct pair){.before = make})) == -SIGKILL);
    CHECK(command("mkdir -p %s/../precious/links && echo x > %s/../precious/links/thesis") == 0);
    mine = &outcomes[0];
    struct shared *shared = stepper_shared();
    pid_t pid = stepper_start(&(struct body){NULL, remove_by_force, NULL, shared});
    bool within = true;
    for (int i = 0; i <= k && within; i++)
        within = stepper_call(pid, shared);
    (void)command("mv %s/lab %s/../was 2>/dev/null");
    CHECK(command("mv -T %s/../precious %s/lab") == 0);
    if (die && within && stepper_call(pid, shared))
        stepper_kill(pid);
    else
        CHECK(stepper_finish(pid, shared));
    CHECK(test_wait(test_child(makes_another, NULL)) == LIAISON_OK);
    if (access(path_of("links/thesis"), F_OK) != 0 &&
        !(die && command("ls %s/.liaison-old-*/links/thesis >/dev/null 2>&1") == 0)) {
        printf("VIOLATION in '" PRECIOUS "', at stop %d%s: it was removed\n", k,
               die ? " and killed" : "");
        failures++;
    }
    CHECK(command("rm -rf %s/* %s/../was %s/.liaison-old-*") == 0);
    shared_memory_free(shared, sizeof *shared);
    return within;
}

/* ---- something that stays ----------------------------------------------------------------------
 */

#define BESIDE "make beside what stays"

static void make_another(void *context) { CHECK_OK(makes_another(context)); }
static int stops_of_making(void)
{
    struct shared *shared = stepper_shared();
    pid_t pid = stepper_start(&(struct body){NULL, make_another, NULL, shared});
    int n = 0;
    while (stepper_call(pid, shared))
        n++;
    CHECK(stepper_finish(pid, shared));
    shared_memory_free(shared, sizeof *shared);
    CHECK(command("rm -rf %s/other") == 0);
    return n;
}

/* A removed space that holds something which liaison may not remove is tried once by each newcomer.
 */
static void what_stays_slows_no_process(void)
{
    int alone = stops_of_making();
    CHECK(command("mkdir %s/0 && mkdir %s/0/strange && cd %s && mv 0 "
                  ".liaison-old-`printf %%016x $(stat -c %%i 0)`") == 0);
    int beside = stops_of_making();
    if (beside > 3 * alone) {
        printf("VIOLATION in '" BESIDE "': %d stops, and %d alone\n", beside, alone);
        failures++;
    }
    printf("%-42s %3d stops\n", BESIDE, beside);
    clear();
}

int main(int argc, char **argv)
{
    stepper_required();
    const char *only = argc > 1 && strcmp(argv[1], "--all") != 0 ? argv[1] : "";
    int every = argc > 1 ? 1 : 5; /* of the deaths */
    liaison_space_close(test_space());
    snprintf(root, sizeof root, "%s/here", getenv("LIAISON_ROOT"));
    outcomes = shared_memory(2 * sizeof *outcomes);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (!strstr(pairs[i].name, only))
            continue;
        int k = 0;
        for (bool within = true; within && failures < ENOUGH; k++) {
            within = try_one(&pairs[i], k, false);
            if (within && k % every == 0)
                try_one(&pairs[i], k, true);
        }
        printf("%-42s %3d stops\n", pairs[i].name, k - 1);
        fflush(stdout);
    }
    int k = 0;
    if (strstr(PRECIOUS, only)) {
        while (something_else_stays(k, false) && something_else_stays(k, true) && failures < ENOUGH)
            k++;
        printf("%-42s %3d stops\n", PRECIOUS, k);
    }
    if (strstr(BESIDE, only))
        what_stays_slows_no_process();
    printf("%lu overtakings; %d violations\n", points, failures);
    return failures != 0;
}
