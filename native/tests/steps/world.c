#include "steps/world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/process.h"
#include "check.h"

struct part {
    struct actor actor;
    const char *ready, *operate;
    struct shared *shared;
};

static void enter(void *context)
{
    struct part *p = context;
    bool outside = strchr(p->ready, 'O');
    if (!script_opens(*p->ready ? p->ready : p->operate))
        script_run(&p->actor, "o");
    p->shared->identity = script_identity(&p->actor);
    script_run(&p->actor, outside ? "" : p->ready);
}

static void perform(void *context)
{
    struct part *p = context;
    script_run(&p->actor, p->operate);
    p->shared->result = p->actor.result;
}

/* The engine looks for the dead at most once in two milliseconds, and for the other side of a port
 * once a tick of the coarse clock: after this the next process looks. */
static void await_next_look(void)
{
    uint32_t was = process_tick();
    int64_t until = process_now() + 3000000;
    while (process_tick() == was || process_now() < until)
        ;
}

static void pause_a_little(void) { nanosleep(&(struct timespec){0, 200000}, NULL); }

static bool named(const struct world *w)
{
    char path[512];
    snprintf(path, sizeof path, "%s/names/%s", liaison_space_path(w->space), w->name);
    return access(path, F_OK) == 0;
}

void world_watch(struct world *w)
{
    char path[512];
    snprintf(path, sizeof path, "%s/names/%s", liaison_space_path(w->space), w->name);
    image_watch(&w->watched, path);
    snprintf(w->kept, sizeof w->kept, "%s/kept-%s", liaison_space_path(w->space), w->name);
    if (w->watched.geometry.kind == LIAISON_KIND_PORT)
        CHECK(link(path, w->kept) == 0 || errno == EEXIST);
}

/* Whether the member sleeps: in the waiters table, or for its receipt. */
static bool asleep(const struct world *w, uint64_t identity)
{
    const uint8_t *base = w->watched.base;
    const struct geometry *g = &w->watched.geometry;
    for (uint32_t i = 0; i < 2 * WAITERS; i++) {
        const struct waiter *e = (const struct waiter *)(base + g->waiters_at) + i;
        if (e->owner == identity && (e->signal & SIGNAL_MASK) == SIGNAL_WAITING)
            return true;
    }
    for (uint32_t i = 0; i < g->receipts; i++) {
        const struct receipt *r = (const struct receipt *)(base + g->receipts_at) + i;
        uint32_t owner = (uint32_t)r->claim >> 1 & 0xfff;
        const struct attachment *a = (const struct attachment *)(base + g->attachments_at);
        if ((r->claim & 1) && r->waiting && owner && a[owner - 1].identity == identity)
            return true;
    }
    return false;
}

static void act(struct world *w, const char *script, enum fate fate, struct shared *shared,
                pid_t *staying)
{
    *shared = (struct shared){.phase = 0};
    await_next_look();
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct part p = {
            .actor = {.space = w->space, .name = w->name, .policy = &w->scenario->policy},
            .ready = "",
            .operate = script,
            .shared = shared};
        enter(&p);
        shared->phase = 1;
        perform(&p);
        shared->phase = 2;
        if (fate == LEAVES)
            script_run(&p.actor, "c");
        else if (fate == DIES)
            raise(SIGKILL);
        else
            raise(SIGSTOP);
        _exit(0);
    }
    int status;
    if (fate == LEAVES || fate == DIES) {
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(fate == DIES ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
                           : WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return;
    }
    if (fate == SLEEPS_AND_DIES || fate == SLEEPS_AND_STAYS) {
        while (shared->phase != 1 || !w->watched.base || !asleep(w, shared->identity)) {
            CHECK(shared->phase != 2); /* it had no reason to sleep */
            if (!w->watched.base && named(w))
                world_watch(w);
            pause_a_little();
        }
        kill(pid, SIGSTOP);
    }
    CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    *staying = pid;
    if (fate != SLEEPS_AND_DIES && fate != DIES_LAST)
        w->living[w->living_count++] = shared->identity;
}

void world_name(struct world *w)
{
    char path[512];
    const uint64_t *id = w->watched.geometry.id;
    if (w->watched.geometry.kind != LIAISON_KIND_PORT)
        return;
    snprintf(path, sizeof path, "%s/names/%s", liaison_space_path(w->space), w->name);
    CHECK(link(w->kept, path) == 0 || errno == EEXIST);
    snprintf(path, sizeof path, "%s/links/%016llx%016llx", liaison_space_path(w->space),
             (unsigned long long)id[0], (unsigned long long)id[1]);
    CHECK(link(w->kept, path) == 0 || errno == EEXIST);
}

bool world_is_made_by_the_watched(const struct scenario *scenario)
{
    return strchr(scenario->ready, 'p') != NULL;
}

static void kill_those(struct world *w, enum fate fate)
{
    for (int i = 0; i < ACTORS; i++)
        if (w->staying[i] && w->scenario->before[i].fate == fate) {
            kill(w->staying[i], SIGKILL);
            CHECK(test_wait(w->staying[i]) == -SIGKILL);
            w->staying[i] = 0;
        }
}

static void act_all(struct world *w)
{
    const struct scenario *scenario = w->scenario;
    struct shared *shared = stepper_shared();
    for (int i = 0; i < ACTORS && scenario->before[i].script; i++) {
        act(w, scenario->before[i].script, scenario->before[i].fate, shared, &w->staying[i]);
        if (i == 0 && !w->watched.base)
            world_watch(w);
    }
    kill_those(w, SLEEPS_AND_DIES);
    munmap(shared, sizeof *shared);
    image_forget(&w->watched);
    world_watch(w); /* from here on */
}

static int create(void *context)
{
    struct world *w = context;
    liaison_mailbox *m;
    CHECK_OK(liaison_mailbox_open(w->space, w->name, LIAISON_CREATE, &w->scenario->policy, &m));
    liaison_mailbox_close(m);
    return 0;
}

void world_build(struct world *w, liaison_space *space, const struct scenario *scenario)
{
    static int number;
    *w = (struct world){.scenario = scenario, .space = space};
    snprintf(w->name, sizeof w->name, "w%d", number++);
    if (scenario->policy.kind != LIAISON_KIND_PORT) {
        CHECK(test_wait(test_child(create, w)) == 0);
        world_watch(w);
    }
    if (scenario->before[0].script && !world_is_made_by_the_watched(scenario))
        act_all(w);
}

static int destroy(void *context)
{
    struct world *w = context;
    liaison_mailbox *m;
    if (liaison_mailbox_open(w->space, w->name, LIAISON_OBSERVE, NULL, &m) == LIAISON_OK)
        liaison_mailbox_destroy(m, true);
    return 0;
}

void world_end(struct world *w)
{
    for (int i = 0; i < ACTORS; i++)
        if (w->staying[i]) {
            kill(w->staying[i], SIGKILL);
            test_wait(w->staying[i]);
        }
    test_wait(test_child(destroy, w));
    unlink(w->kept);
    image_forget(&w->watched);
}

int late_deaths;

/* A process's memory can outlive the process for a moment, and its lock with it, while another
 * process reads about it in /proc. It counts as alive for so long, which is right, but not what is
 * tested here. */
static bool lives(const struct world *w, uint64_t identity)
{
    for (int i = 0; i < w->living_count; i++) /* a number may have been given again */
        if ((w->living[i] & 0xffff) == (identity & 0xffff))
            return true;
    return false;
}

static void await_death(const struct world *w, uint64_t but)
{
    char path[512];
    const struct geometry *g = &w->watched.geometry;
    const struct attachment *a = (const void *)(w->watched.base + g->attachments_at);
    snprintf(path, sizeof path, "%s/members", liaison_space_path(w->space));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    for (uint32_t i = 0; i <= g->attachments && i <= ATTACHED; i++) {
        bool last = i == g->attachments || i == ATTACHED;
        uint64_t identity = last ? g->creator : a[i].identity;
        bool port = g->kind == LIAISON_KIND_PORT;
        bool dead = identity && (!last || port) && !lives(w, identity) &&
                    (identity & 0xffff) != (but & 0xffff);
        for (int tries = 0; dead; tries++) {
            struct flock lock = {.l_type = F_WRLCK,
                                 .l_whence = SEEK_SET,
                                 .l_start = (off_t)(identity & 0xffff) - 1,
                                 .l_len = 1};
            CHECK(fcntl(fd, F_OFD_GETLK, &lock) == 0);
            if (lock.l_type == F_UNLCK)
                break;
            late_deaths += tries == 0;
            CHECK(tries < 60000);
            nanosleep(&(struct timespec){0, 1000000}, NULL);
        }
    }
    close(fd);
}

struct watched_process world_start(struct world *w, const char *ready, const char *operate)
{
    struct part p = {.actor = {.space = w->space, .name = w->name, .policy = &w->scenario->policy},
                     .ready = ready ? ready : "",
                     .operate = operate,
                     .shared = stepper_shared()};
    struct body body = {.prepare = enter, .operate = perform, .context = &p, .shared = p.shared};
    pid_t pid = stepper_start(&body);
    if (world_is_made_by_the_watched(w->scenario)) {
        world_watch(w);
        act_all(w);
    }
    kill_those(w, DIES_LAST);
    await_death(w, p.shared->identity);
    await_next_look();
    return (struct watched_process){pid, p.shared};
}

struct witness world_witness(const struct world *w)
{
    return (struct witness){w->watched.base, &w->watched.geometry, w->living, w->living_count};
}

/* ---- the verifier --------------------------------------------------------------------- */

static char *finding; /* shared with the verifier */
#define FINDING 512

__attribute__((format(printf, 1, 2))) static void found(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding, FINDING, format, arguments);
    va_end(arguments);
    _exit(1);
}

/* Receives what the story tells, in its order. */
static void receive_all(struct actor *a, const char *story)
{
    struct liaison_delivery d;
    int r;
    for (const char *s = story; *s; s += s[0] == ' ') {
        if (*s == '(') { /* held by the living */
            s += 3;
            continue;
        }
        r = liaison_mailbox_try_take(a->mailbox, &d);
        if (r != LIAISON_OK)
            found("'%s' is left of '%s' and taking gave %d", s, story, r);
        char letter = *(const char *)d.data;
        for (size_t i = 0; i < d.size; i += SCRIPT_STRIDE)
            if (((const char *)d.data)[i] != letter)
                found("a message is torn");
        char *end;
        if (letter != s[0] || d.attempt != strtoul(s + 1, &end, 10))
            found("received %c%u where '%s' is left of '%s'", letter, d.attempt, s, story);
        s = end;
        r = liaison_mailbox_acknowledge(a->mailbox, &d);
        if (r != LIAISON_OK)
            found("acknowledging %c gave %d", letter, r);
    }
    r = liaison_mailbox_try_take(a->mailbox, &d);
    if (r != LIAISON_EMPTY)
        found("received %c beyond '%s' (%d)", r ? '?' : *(const char *)d.data, story, r);
}

/* As many messages fit as there are free cells. */
static void fill(struct actor *a, const struct witness *w)
{
    uint32_t room = w->geometry->cells - invariants_held(w), n = 0;
    static struct liaison_loan loan[1024];
    struct liaison_wait none = {.timeout = 0};
    int r;
    while ((r = liaison_mailbox_try_loan(a->mailbox, 1, false, &loan[n])) == LIAISON_OK && n < room)
        *(char *)loan[n++].data = 'F';
    if (r != LIAISON_FULL || n != room)
        found("%u loans of %u, then %d", n, room, r);
    for (uint32_t i = 0; i < n; i++)
        if (w->geometry->rendezvous)
            liaison_mailbox_discard(a->mailbox, &loan[i]);
        else if ((r = liaison_mailbox_send_loan(a->mailbox, &loan[i], 0, &none, NULL)) != 0)
            found("sending %u of %u gave %d", i, n, r);
    for (uint32_t i = 0; i < n && !w->geometry->rendezvous; i++) {
        struct liaison_delivery d;
        r = liaison_mailbox_try_take(a->mailbox, &d);
        if (r != LIAISON_OK || *(const char *)d.data != 'F' || d.attempt != 1 ||
            liaison_mailbox_acknowledge(a->mailbox, &d) != LIAISON_OK)
            found("receiving %u of %u gave %d", i, n, r);
    }
}

static void all_memory_in_one(struct actor *a, const struct witness *w)
{
    struct liaison_loan loan;
    if (w->geometry->arena_limit == 0 || w->geometry->memory == 0 || invariants_held(w))
        return;
    int r = liaison_mailbox_try_loan(a->mailbox, w->geometry->arena_limit, false, &loan);
    if (r != LIAISON_OK)
        found("the whole memory in one loan: %d", r);
    liaison_mailbox_discard(a->mailbox, &loan);
}

/* Draining the port finds what is left of the story, in its order. */
static void drain_port(struct actor *a, const char *story, bool by_the_living)
{
    int held = 0;
    script_run(a, "b");
    if (a->result != (by_the_living ? LIAISON_BUSY : LIAISON_OK))
        found("opening it to drain it gave %d", a->result);
    if (by_the_living)
        return;
    for (const char *s = story; *s; s += s[0] == ' ') {
        if (*s == '(') {
            held++;
            s += 3;
            continue;
        }
        script_run(a, "d");
        if (a->result != LIAISON_OK)
            found("'%s' is left of '%s' and forwarding gave %d", s, story, a->result);
        char letter = *(const char *)a->lease[0].data, *end;
        if (letter != s[0] || a->lease[0].attempt != strtoul(s + 1, &end, 10))
            found("drained %c%u where '%s' is left of '%s'", letter, a->lease[0].attempt, s, story);
        s = end;
        script_run(a, "^");
        if (a->result != LIAISON_OK)
            found("settling %c gave %d", letter, a->result);
    }
    script_run(a, "d");
    if (a->result != (held ? LIAISON_BUSY : LIAISON_EMPTY))
        found("forwarding beyond '%s' gave %d", story, a->result);
}

/* What the next process finds of a port whose receiver is dead, stopped, or about to be. */
static void verify_port(const struct world *w, const char *story)
{
    struct actor a = {.space = w->space, .name = w->name};
    struct witness witness = world_witness(w);
    const struct header *h = (const void *)w->watched.base;
    bool letters = w->watched.geometry.dead_letters[0] != 0, gone = h->state == LINK_DESTROYED;
    bool receiver = lives(w, w->watched.geometry.creator);
    uint32_t was = h->state;
    uint64_t living[ACTORS + 2];
    const char *s;
    memcpy(living, w->living, sizeof living);
    living[witness.living_count++] = script_identity(&a);
    witness.living = living;
    script_run(&a, "t");
    int expected = gone || (!receiver && !letters)     ? LIAISON_NOT_FOUND
                   : !receiver || was == LINK_ORPHANED ? LIAISON_ORPHANED
                   : was == LINK_ENDED                 ? LIAISON_NOT_FOUND
                                                       : LIAISON_OK;
    if (a.result != expected)
        found("opening a port in state %u gave %d", was, a.result);
    if (expected == LIAISON_OK) {
        struct liaison_delivery d;
        if (liaison_mailbox_try_take(a.mailbox, &d) != LIAISON_DENIED)
            found("a sender could receive");
    }
    if (!gone && (receiver || letters)) {
        script_sweep(&a);
        if ((s = invariants_swept(&witness)))
            found("after recovery: %s", s);
        char now[STORY];
        invariants_story(&witness, now);
        if (strcmp(now, story) != 0)
            found("recovery made '%s' of '%s'", now, story);
    }
    const struct attachment *place =
        (const void *)(w->watched.base + w->watched.geometry.attachments_at);
    uint32_t drainer = (uint32_t)h->turn & 0xfff;
    bool by_the_living = drainer && lives(w, place[drainer - 1].identity);
    if (expected == LIAISON_ORPHANED)
        drain_port(&a, story, by_the_living);
    bool held = by_the_living || strchr(story, '(');
    if ((s = expected == LIAISON_ORPHANED && !held ? invariants_idle(&witness)
                                                   : invariants_always(&witness)))
        found("at the end: %s", s);
    bool over = expected == LIAISON_NOT_FOUND || (expected == LIAISON_ORPHANED && !held);
    if (over && !(receiver && was == LINK_ENDED) && (h->state != LINK_DESTROYED || named(w)))
        found("it is over, and it is in state %u", h->state);
    if (!over && !named(w))
        found("it has lost its name");
}

static void verify(const struct world *w, const char *story)
{
    if (w->watched.geometry.kind == LIAISON_KIND_PORT) {
        verify_port(w, story);
        return;
    }
    struct actor a = {.space = w->space, .name = w->name};
    struct witness witness = world_witness(w);
    uint64_t living[ACTORS + 2];
    const char *s;
    char now[STORY];
    script_run(&a, "o");
    memcpy(living, w->living, sizeof living);
    living[witness.living_count++] = script_identity(&a);
    witness.living = living;
    script_sweep(&a);
    if ((s = invariants_swept(&witness)))
        found("after recovery: %s", s);
    invariants_story(&witness, now);
    if (strcmp(now, story) != 0)
        found("recovery made '%s' of '%s'", now, story);
    receive_all(&a, story);
    if ((s = invariants_idle(&witness)))
        found("after receiving all: %s", s);
    fill(&a, &witness);
    all_memory_in_one(&a, &witness);
    if ((s = invariants_idle(&witness)))
        found("after filling and receiving: %s", s);
}

const char *world_verify(const struct world *w, const char *story)
{
    if (!finding) {
        finding = mmap(NULL, FINDING, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CHECK(finding != MAP_FAILED);
    }
    finding[0] = 0;
    world_name((struct world *)w);
    await_death(w, 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(60); /* hanging is a finding, too */
        verify(w, story);
        _exit(0);
    }
    int r = test_wait(pid);
    if (r != 0 && !finding[0])
        snprintf(finding, FINDING, "the verifying process ended with %d", r);
    return r ? finding : NULL;
}
