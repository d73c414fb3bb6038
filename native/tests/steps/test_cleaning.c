/* No accepted message is ever in a link without a name, and no process that has opened a link loses
 * it to a cleaner: before each access of a cleaner to a link's state and attachments, another
 * process opens it, or sends by an end that its dead parent had opened, or drains a port, or
 * destroys it; before each access of these a cleaner runs. The process that was overtaken then goes
 * on, or is killed there, and another cleans again. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "segment/opening.h"
#include "segment/segment.h"
#include "steps/stepper.h"
#include "steps/trap.h"
#include "steps/trees.h"

#define NAME "link"
#define PLACES 8 /* of the attachments: none is used behind these */

static const struct liaison_policy letters = {
    .kind = LIAISON_KIND_PORT, .capacity = 2, .max_message = 100, .dead_letters = "dead"};

/* The results, written by the processes that act. */
static struct outcome {
    volatile int at, accesses; /* where the first is stopped, and how many accesses it has made */
    volatile int opened, sent; /* results; -1: not yet */
} *outcome;

static liaison_space *space;
static liaison_mailbox *box;

/* ---- before ------------------------------------------------------------------------------ */

static void make(liaison_space *s)
{
    CHECK_OK(liaison_mailbox_open(s, NAME, LIAISON_CREATE, &tree_policy, &box));
}
static void make_orphan(liaison_space *s)
{
    CHECK_OK(liaison_mailbox_open(s, NAME, LIAISON_CREATE, &letters, &box));
    CHECK_OK(test_send(box, "x", 1, 0));
    liaison_port_end(box);
}

/* ---- what they do ------------------------------------------------------------------------ */

static void nothing(void) {}
static void inherit(void)
{
    CHECK_OK(liaison_mailbox_open(space, NAME, LIAISON_OPEN, NULL, &box));
    if (fork() != 0)
        _exit(0); /* the process that opened it; its child is not attached yet */
}
static void clean(void) { tree_clean_all(space); }
static void open_or_create(void)
{
    outcome->opened = liaison_mailbox_open(space, NAME, LIAISON_OPEN_OR_CREATE, &tree_policy, &box);
}
static void open_it(void)
{
    outcome->opened = liaison_mailbox_open(space, NAME, LIAISON_OPEN, NULL, &box);
}
static void open_to_drain(void)
{
    outcome->opened = liaison_mailbox_open(space, NAME, LIAISON_DRAIN, NULL, &box);
}
static void send(void)
{
    if (outcome->opened == LIAISON_OK)
        outcome->sent = test_send(box, "m", 1, 0);
}
static void open_and_send(void)
{
    open_or_create();
    send();
}
static void open_send_and_close(void)
{
    open_and_send();
    liaison_mailbox_close(box);
}
static void send_by_the_inherited(void) { outcome->sent = test_send(box, "m", 1, 0); }
static void take_undelivered(void)
{
    struct liaison_delivery d;
    if (outcome->opened == LIAISON_OK)
        outcome->sent = liaison_port_undelivered(box, &d);
}
static void destroy(void)
{
    outcome->opened = liaison_mailbox_open(space, NAME, LIAISON_OBSERVE, NULL, &box);
    if (outcome->opened == LIAISON_OK)
        (void)liaison_mailbox_destroy(box, true);
}

static const struct liaison_policy endpoint = {
    .kind = LIAISON_KIND_ENDPOINT, .capacity = -1, .pair_capacity = -1};

static void make_endpoint(liaison_space *s)
{
    CHECK_OK(liaison_mailbox_open(s, NAME, LIAISON_CREATE, &endpoint, &box));
    CHECK_OK(liaison_endpoint_claim(box));
}
static void end_unneeded(void)
{
    liaison_mailbox *m;
    if (liaison_mailbox_open(space, NAME, LIAISON_OBSERVE, NULL, &m) == LIAISON_OK)
        (void)liaison_link_end_unneeded(m);
}
static void claim(void)
{
    for (int r = LIAISON_DESTROYED; r == LIAISON_DESTROYED;) {
        outcome->opened =
            liaison_mailbox_open(space, NAME, LIAISON_OPEN_OR_CREATE, &endpoint, &box);
        CHECK_OK(outcome->opened);
        r = liaison_endpoint_claim(box);
        CHECK(r == LIAISON_OK || r == LIAISON_DESTROYED);
    }
}
/* Whether it is an endpoint, by the name that it claimed. */
static void still_claimed(void)
{
    liaison_mailbox *m;
    struct liaison_info here, there;
    outcome->sent = LIAISON_DESTROYED;
    if (liaison_link_version(box) & 1 ||
        liaison_mailbox_open(space, NAME, LIAISON_OBSERVE, NULL, &m) != LIAISON_OK)
        return;
    liaison_mailbox_info(box, &here);
    liaison_mailbox_info(m, &there);
    outcome->sent = strcmp(here.id, there.id) == 0 ? LIAISON_OK : LIAISON_DESTROYED;
}

static const struct role {
    void (*ready)(void), (*operate)(void), (*afterwards)(void); /* when both have operated */
} cleans = {nothing, clean, nothing}, opens = {nothing, open_and_send, nothing},
  only_opens = {nothing, open_it, send}, inherits = {inherit, send_by_the_inherited, nothing},
  drains = {nothing, open_to_drain, take_undelivered}, destroys = {nothing, destroy, nothing},
  ends = {nothing, end_unneeded, nothing}, claims = {nothing, claim, still_claimed},
  passes = {nothing, open_send_and_close, nothing};

static const struct pair {
    const char *name;
    void (*before)(liaison_space *);
    const struct role *first, *second;
    bool must_send; /* a process that has opened it can send, or take what is in it */
    bool destroyed; /* the link may be gone: a process destroyed it */
} pairs[] = {
    {"clean / open, send", make, &cleans, &opens, true, false},
    {"clean / open; send later", make, &cleans, &only_opens, true, false},
    {"clean / send by the inherited", make, &cleans, &inherits, false, false},
    {"end an unneeded one / open, send", make, &ends, &opens, true, false},
    {"end an unneeded one / open, send, close", make, &ends, &passes, true, false},
    {"open, send / end an unneeded one", make, &opens, &ends, true, false},
    {"end an unneeded endpoint / claim", make_endpoint, &ends, &claims, true, false},
    {"claim / end an unneeded endpoint", make_endpoint, &claims, &ends, true, false},
    {"clean / drain", make_orphan, &cleans, &drains, true, false},
    {"clean / destroy", make, &cleans, &destroys, false, true},
    {"clean / clean", make, &cleans, &cleans, false, false},
    {"open, send / clean", make, &opens, &cleans, true, false},
    {"open; send later / clean", make, &only_opens, &cleans, true, false},
    {"send by the inherited / clean", make, &inherits, &cleans, false, false},
    {"drain / clean", make_orphan, &drains, &cleans, true, false},
};

/* ---- processes ------------------------------------------------------------------------------ */

static const struct geometry *geometry;

static void reached(const void *base, const void *at)
{
    size_t offset = (size_t)((const uint8_t *)at - (const uint8_t *)base);
    bool place = offset >= geometry->attachments_at &&
                 offset < geometry->attachments_at + PLACES * sizeof(struct attachment);
    bool state =
        offset >= offsetof(struct header, state) && offset < offsetof(struct header, ticket);
    if ((place || state) && outcome->accesses++ == outcome->at)
        raise(SIGSTOP);
}

struct started {
    pid_t pid;
    int go[2], done[2];
};

/* A process that stops itself when it has operated, and again at its end. */
static void begin(struct started *p, const struct role *role, bool watched)
{
    int ready[2];
    char c = 0;
    CHECK(pipe(p->go) == 0 && pipe(p->done) == 0 && pipe(ready) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60); /* hanging is a finding, too */
        space = tree_open_space();
        role->ready();
        alarm(60); /* which a fork has ended */
        struct segment *s = NULL;
        CHECK(role->ready == inherit || !watched ||
              segment_open(space, NAME, NULL, false, &s) == LIAISON_OK);
        s = s ? s : (role->ready == inherit ? *(struct segment **)box : NULL);
        pid_t self = getpid();
        CHECK(write(ready[1], &self, sizeof self) == sizeof self);
        CHECK(read(p->go[0], &c, 1) == 1);
        if (watched) {
            geometry = &s->geometry;
            trap_begin_accesses(s->base, s->geometry.size, reached);
        }
        role->operate();
        if (watched)
            trap_end();
        CHECK(write(p->done[1], &c, 1) == 1 && read(p->go[0], &c, 1) == 1);
        role->afterwards();
        CHECK(write(p->done[1], &c, 1) == 1);
        for (;;)
            pause();
    }
    CHECK(read(ready[0], &p->pid, sizeof p->pid) == sizeof p->pid);
    if (p->pid != child)
        CHECK(test_wait(child) == 0);
    close(ready[0]);
    close(ready[1]);
}

static void go(struct started *p)
{
    char c = 0;
    CHECK(write(p->go[1], &c, 1) == 1);
}

/* Whether it has come so far, rather than to be stopped. */
static bool done(struct started *p)
{
    char c;
    int status;
    for (int i = 0; i < 60000; i++) {
        if (poll(&(struct pollfd){p->done[0], POLLIN, 0}, 1, 1) == 1)
            return read(p->done[0], &c, 1) == 1;
        if (waitpid(p->pid, &status, WUNTRACED | WNOHANG) == p->pid) {
            CHECK(WIFSTOPPED(status));
            return false;
        }
    }
    abort();
}

static void end(struct started *p)
{
    kill(p->pid, SIGKILL);
    CHECK(test_wait(p->pid) == -SIGKILL);
    for (int i = 0; i < 2; i++) {
        close(p->go[i]);
        close(p->done[i]);
    }
}

/* ---- what must hold ----------------------------------------------------------------------------
 */

static int clean_alone(void *links)
{
    struct liaison_cleaned out;
    CHECK_OK(liaison_space_clean(tree_open_space(), links != NULL, &out));
    return 0;
}

static int waits_there(void *context)
{
    uint32_t waiting;
    liaison_space *s = tree_open_space();
    if (liaison_mailbox_open(s, NAME, LIAISON_OBSERVE, NULL, &box) != LIAISON_OK)
        return 1;
    CHECK_OK(liaison_mailbox_waiting(box, &waiting));
    return waiting == 1 || (context && waiting == 2) ? 0 : 2; /* and one of before */
}

static int can_be_made(void *context)
{
    (void)context;
    space = tree_open_space();
    clean();
    if (liaison_mailbox_open(space, NAME, LIAISON_DRAIN, NULL, &box) == LIAISON_OK) {
        liaison_mailbox_close(box);
        tree_drain(space);
    }
    outcome->opened = -1;
    open_and_send();
    return outcome->sent == LIAISON_OK ? waits_there(outcome) : 3;
}

static const char *judge(const struct pair *p, bool killed)
{
    bool other = p->before == make_orphan || p->before == make_endpoint;
    if (outcome->opened != LIAISON_OK && outcome->opened != LIAISON_NOT_FOUND &&
        !(killed && outcome->opened == -1) && p->must_send)
        return "opening it gave no sensible result";
    if (p->must_send && outcome->opened == LIAISON_OK && outcome->sent != LIAISON_OK &&
        !(killed && outcome->sent == -1))
        return "what was opened has been cleaned away";
    if (outcome->sent == LIAISON_OK && !other && test_wait(test_child(waits_there, NULL)) != 0)
        return "the accepted message is not where the name leads";
    return NULL;
}

static int failures;
static unsigned long points;

/* False when the first has fewer accesses. */
static bool try_one(const struct pair *p, int at, bool die)
{
    struct started first, second;
    tree_empty();
    tree_make_before(&(struct tree_case){.before = p->before});
    *outcome = (struct outcome){.at = at, .opened = -1, .sent = -1};
    begin(&first, p->first, true);
    begin(&second, p->second, false);
    go(&first);
    bool within = !done(&first);
    go(&second);
    CHECK(done(&second));
    bool killed = within && die;
    if (killed) {
        end(&first);
    } else {
        if (within) {
            kill(first.pid, SIGCONT);
            CHECK(done(&first));
        }
        go(&first);
        CHECK(done(&first));
    }
    go(&second);
    CHECK(done(&second));
    const char *s = judge(p, killed);
    /* Cleaning once more, with links, removes nothing that a living process uses. */
    CHECK(test_wait(test_child(clean_alone, space)) == 0);
    CHECK(test_wait(test_child(clean_alone, &points)) == 0);
    bool stays = p->second != &passes && !(killed && p->first->operate != clean);
    if (!s && stays)
        s = judge(p, killed);
    if (!killed)
        end(&first);
    end(&second);
    if (!s && test_wait(test_child(can_be_made, NULL)) != 0)
        s = "it cannot be made anew";
    CHECK(test_wait(test_child(clean_alone, &points)) == 0);
    if (!s && tree_count("links") + tree_count("names") != 0)
        s = "something is left of it";
    if (s) {
        printf("VIOLATION in '%s', overtaken before access %d%s: %s (%d, %d)\n", p->name, at,
               die ? " and killed" : "", s, outcome->opened, outcome->sent);
        fflush(stdout);
        failures++;
    }
    points++;
    return within;
}

int main(int argc, char **argv)
{
    stepper_required();
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0); /* whose parents have died are ours to wait for */
    tree_begin(false);
    outcome = shared_memory(sizeof *outcome);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (argc > 1 && !strstr(pairs[i].name, argv[1]))
            continue;
        int at = 0;
        for (bool within = true; within; at++) {
            within = try_one(&pairs[i], at, false);
            if (within)
                try_one(&pairs[i], at, true);
        }
        printf("%-36s %3d accesses\n", pairs[i].name, at - 1);
        fflush(stdout);
    }
    printf("%lu overtakings; %d violations\n", points, failures);
    return failures != 0;
}
