/* Wherever one process is overtaken by another, nothing is lost, doubled or leaked: between
 * any two accesses of its operation to the segment, another process does a whole operation.
 *
 * Where between two accesses the other process ran makes no difference, so a pre-emption before
 * each access is one at every instruction. Each is tried twice: the process that was overtaken goes
 * on; and it is killed where it stood. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "steps/world.h"

struct pair {
    struct scenario scenario;    /* `ready` and `operate` are the first's */
    const char *ready, *operate; /* the second's */
    const char *afterwards;      /* the second's, when the first has done */
};

#define ANY(n) {.capacity = (n)}
#define MEMORY {.capacity = 4, .memory = 64 * 1024}
#define GROWS {.capacity = 2}
#define MORE(n) {.capacity = CELLS_STEP + (n)}
#define RENDEZVOUS {.capacity = 0}
#define EXCLUSIVE {.capacity = 4, .access = LIAISON_EXCLUSIVE}
#define PORT {.kind = LIAISON_KIND_PORT, .capacity = 2, .max_message = 60}
#define LETTERS                                                                                    \
    {.kind = LIAISON_KIND_PORT, .capacity = 3, .max_message = 60, .dead_letters = "dead"}
#define SENDERS                                                                                    \
    {.kind = LIAISON_KIND_PORT,                                                                    \
     .capacity = 3,                                                                                \
     .max_message = 60,                                                                            \
     .lifetime = LIAISON_LIFETIME_SENDERS,                                                         \
     .dead_letters = "dead"}

/* clang-format off */
static const struct pair pairs[] = {
    {{"send / send", ANY(4), {{"+A", LEAVES}}, "", "+X", ""}, "", "+Y", ""},
    {{"send / two sends", ANY(4), {{0}}, "", "+X", ""}, "", "+Y+Z", ""},
    {{"send / send, one place left", ANY(2), {{"+A", LEAVES}}, "", "+X", ""}, "", "+Y", ""},
    {{"send / send and take", ANY(4), {{"+A", LEAVES}}, "", "+X", ""}, "", "+Y<!", ""},
    {{"send / a cycle of the ring", ANY(2), {{0}}, "", "+X", ""}, "", "w", ""},
    {{"send / take", ANY(4), {{"+A", LEAVES}}, "", "+X", ""}, "", "<", "!"},
    {{"send / take and acknowledge, full", ANY(2), {{"+A+B", LEAVES}}, "", "+X", ""}, "", "<!", ""},
    {{"send / take all and send", ANY(3), {{"+A+B", LEAVES}}, "", "+X", ""}, "", "<!<!+Y+Z", ""},
    {{"send / acknowledge", ANY(1), {{"+A", LEAVES}}, "", "+X", ""}, "<", "!", ""},
    {{"send / release", ANY(4), {{"+A", LEAVES}}, "", "+X", ""}, "<", "~", ""},
    {{"send / release, take, acknowledge, send", ANY(2), {{"+A", LEAVES}}, "", "+X", ""}, "<", "~<!+Y", ""},
    {{"send a loan / take, acknowledge, send", ANY(4), {{"+A", LEAVES}}, "*X", "=", ""}, "", "<!+Y", ""},
    {{"send with a receipt / send with one", ANY(3), {{0}}, "", "%X", ""}, "", "%Y<!", ""},

    {{"wait in a set / send", ANY(4), {{0}}, "", "q<!", ""}, "", "+X", ""},
    {{"wait in a set, armed / send", ANY(4), {{0}}, "q", "q<!", ""}, "", "+X", ""},
    {{"send / wait in a set", ANY(4), {{0}}, "", "+X", ""}, "", "q<!", ""},
    {{"wait in a set / take, release", ANY(4), {{"+A", LEAVES}}, "", "q<!", ""}, "", "<~", ""},
    /* The second has slept, and asks for a doorbell, which gets the same entry of the table. */
    {{"send / a sleeper takes a doorbell", ANY(4), {{0}}, "", "+X", ""}, "n", "s@", ""},
    {{"release / a sleeper takes a doorbell", ANY(4), {{0}}, "+A<", "~", ""}, "n", "s@", ""},

    {{"take / take", ANY(4), {{"+A+B", LEAVES}}, "", "<", ""}, "", "<", "!"},
    {{"take / take, the last", ANY(4), {{"+A", LEAVES}}, "", "<", ""}, "", "<", "!"},
    {{"take / take and acknowledge", ANY(4), {{"+A+B", LEAVES}}, "", "<!", ""}, "", "<!", ""},
    {{"take / take, acknowledge, send", ANY(2), {{"+A+B", LEAVES}}, "", "<!", ""}, "", "<!+X", ""},
    {{"take / take, release", ANY(4), {{"+A+B", LEAVES}}, "", "<!", ""}, "", "<~", ""},
    {{"take / take, release, take", ANY(4), {{"+A+B", LEAVES}}, "", "<!", ""}, "", "<~<", "!"},
    {{"take / a cycle of the ring", ANY(3), {{"+A", LEAVES}}, "", "<", ""}, "", "w", ""},
    {{"take returned / take returned", ANY(4), {{"+A+B<~", LEAVES}}, "", "<!", ""}, "", "<!", ""},
    {{"take returned / take, release", ANY(4), {{"+A+B<~", LEAVES}}, "", "<!", ""}, "", "<~", ""},
    {{"take returned / take, acknowledge, send", ANY(2), {{"+A+B<~", LEAVES}}, "", "<!", ""}, "", "<!+X", ""},
    {{"take returned / release", ANY(4), {{"+A+B", LEAVES}}, "", "<!", ""}, "<", "~", ""},
    {{"take / release", ANY(4), {{"+A+B+C", LEAVES}}, "", "<", ""}, "<", "~", ""},
    {{"take of the dead's / sweep", ANY(4), {{"+A+B<", DIES}}, "", "<!", ""}, "", "r", ""},
    {{"take of the dead's / take", ANY(4), {{"+A+B<", DIES}}, "", "<!", ""}, "", "r<!", ""},

    {{"acknowledge / take", ANY(4), {{"+A+B", LEAVES}}, "<", "!", ""}, "", "<", "!"},
    {{"acknowledge / send", ANY(1), {{"+A", LEAVES}}, "<", "!", ""}, "", "+X", ""},
    {{"release / take", ANY(4), {{"+A+B", LEAVES}}, "<", "~", ""}, "", "<", "!"},
    {{"release / release", ANY(4), {{"+A+B", LEAVES}}, "<", "~", ""}, "<", "~", ""},
    {{"release / release, take, acknowledge", ANY(4), {{"+A+B", LEAVES}}, "<", "~", ""}, "<", "~<!<", "!"},
    {{"release / take, acknowledge, send", ANY(4), {{"+A+B", LEAVES}}, "<", "~", ""}, "", "<!+X", ""},

    /* The dead process's attachment is swept, and its next owner sends and takes. */
    {{"sweep / sweep", ANY(4), {{"+A+B<*Y", DIES}}, "", "r", ""}, "", "r", ""},
    {{"sweep / sweep and take the place", ANY(4), {{"+A+B<", DIES}}, "", "r", ""}, "", "rco<", "!"},
    {{"sweep / sweep, take the place, send", ANY(4), {{"+A+B<", DIES}}, "", "r", ""}, "", "rco+X*Y", "="},
    {{"sweep / sweep, take the place, all", ANY(4), {{"+A+B<", DIES}}, "", "r", ""}, "", "rco<~<!<!+X<", "!"},
    {{"sweep / take the place, exclusive", EXCLUSIVE, {{"+A+B<", DIES}}, "", "r", ""}, "", "rco<", "!"},
    {{"sweep / take the place, receipts", ANY(4), {{"%A", DIES}}, "", "r", ""}, "", "rco%X", ""},
    {{"sweep loans / take the place", ANY(2), {{"*A*B", DIES}}, "", "r", ""}, "", "rco*X+Y", "="},
    {{"sweep / take", ANY(4), {{"+A+B<", DIES}}, "", "r", ""}, "", "<!<!", ""},
    {{"sweep the sender / take", ANY(4), {{"+A", DIES}}, "", "r", ""}, "", "<!+X", ""},

    {{"arena: send / send", MEMORY, {{0}}, "", "+X3000", ""}, "", "+Y3000", ""},
    {{"arena: send / send larger", MEMORY, {{0}}, "", "+X3000", ""}, "", "+Y16384", ""},
    {{"arena: send large / send", MEMORY, {{0}}, "", "+X16384", ""}, "", "+Y3000", ""},
    {{"arena: a part / the whole", MEMORY, {{"+A1000+B1000<!<!", LEAVES}}, "", "+X1000", ""}, "", "+Y16384", ""},
    {{"arena: the whole / a part", MEMORY, {{"+A1000+B1000<!<!", LEAVES}}, "", "+X16384", ""}, "", "+Y1000", ""},
    {{"arena: a part / the whole, freed", MEMORY, {{"+A1000<!", LEAVES}}, "", "+X1000", ""}, "", "+Y16384<!+Z1000", ""},
    {{"arena: the whole / a part, freed", MEMORY, {{"+A1000<!", LEAVES}}, "", "+X16384", ""}, "", "+Y1000<!", ""},
    {{"arena: a part / the whole and again", MEMORY, {{"+A1000<!", LEAVES}}, "", "+X1000", ""}, "", "+Y16384<!+Z16384", ""},
    {{"arena: send / acknowledge", MEMORY, {{"+A5000", LEAVES}}, "", "+X5000", ""}, "<", "!", ""},
    {{"arena: send / acknowledge, send", MEMORY, {{"+A30000", LEAVES}}, "", "+X30000", ""}, "<", "!+Y30000", ""},

    {{"arena: begin / begin", GROWS, {{0}}, "", "+X3000", ""}, "", "+Y3000", ""},

    {{"more places: send / send", MORE(2), {{"f", STAYS}}, "", "+X", ""}, "", "+Y", ""},
    {{"more places: send / two sends", MORE(2), {{"f", STAYS}}, "", "+X", ""}, "", "+Y+Z", ""},
    {{"more places: send / send, acknowledge", MORE(1), {{"f", STAYS}}, "", "+X", ""}, "", "+Y<!", ""},
    {{"more places: take / send", MORE(2), {{"f", STAYS}}, "", "<!", ""}, "", "+Y", ""},
    {{"more places: sweep / send", MORE(2), {{"f", DIES}}, "", "r", ""}, "", "+Y", ""},

    {{"turn: take / take", EXCLUSIVE, {{"+A+B", LEAVES}}, "", "<", ""}, "", "<", "!"},
    {{"turn: take / take and acknowledge", EXCLUSIVE, {{"+A+B", LEAVES}}, "", "<!", ""}, "", "<!", ""},
    {{"turn: acknowledge / take", EXCLUSIVE, {{"+A+B", LEAVES}}, "<", "!", ""}, "", "<!", ""},
    {{"turn: the dead's / the dead's", EXCLUSIVE, {{"+A+B<", DIES}}, "", "<", ""}, "", "<", "!"},

    {{"rendezvous: send / take", RENDEZVOUS, {{0}}, "", "$X", ""}, "", "<", "!"},
    {{"rendezvous: send / take, acknowledge", RENDEZVOUS, {{0}}, "", "$X", ""}, "", "<!", ""},
    {{"rendezvous: send / take, release", RENDEZVOUS, {{0}}, "", "$X", ""}, "", "<~", ""},
    {{"rendezvous: send / take, acknowledge, loan", RENDEZVOUS, {{0}}, "", "$X", ""}, "*M", "<!*Y=", ""},
    {{"rendezvous: send / take, acknowledge, send in its place", RENDEZVOUS, {{0}}, "", "$X", ""}, "", "<!#]Y", ""},
    {{"rendezvous: send / send", RENDEZVOUS, {{0}}, "", "$X", ""}, "", "$Y", ""},
    {{"rendezvous: offer / take", RENDEZVOUS, {{0}}, "", "&X", ""}, "", "<", "!"},
    {{"rendezvous: offer / take, acknowledge, offer", RENDEZVOUS, {{0}}, "", "&X", ""}, "", "<!&Y", ""},
    {{"rendezvous: withdraw / take, acknowledge", RENDEZVOUS, {{0}}, "&X", "_", ""}, "", "<!", ""},
    {{"rendezvous: withdraw / take, release", RENDEZVOUS, {{0}}, "&X", "_", ""}, "", "<~", ""},
    {{"rendezvous: withdraw / take, acknowledge, in its place", RENDEZVOUS, {{0}}, "&X", "_", ""}, "", "<!#&Y", ""},
    {{"rendezvous: take / withdraw", RENDEZVOUS, {{0}}, "", "<!", ""}, "&X", "_", ""},
    {{"rendezvous: take / withdraw and offer", RENDEZVOUS, {{0}}, "", "<!", ""}, "&X", "_&Y", ""},

    /* The port's receiver is its creator, the second process. */
    {{"port: send / take", LETTERS, {{0}}, "", "+X", ""}, "p+A", "<!<", "!"},
    {{"port: send / end", LETTERS, {{0}}, "", "+X", ""}, "p+A", "e", ""},
    {{"port: send / end and drain", LETTERS, {{0}}, "", "+X", ""}, "p+A", "ebg", ""},
    {{"port: send / end and drain, full", LETTERS, {{0}}, "*X", "=", ""}, "p+A+B", "ebg", ""},
    {{"port: two sends / end and drain nothing", LETTERS, {{0}}, "", "+X+Y", ""}, "p", "ebg", ""},
    {{"port: send / end, without dead letters", PORT, {{0}}, "", "+X", ""}, "p+A", "e", ""},
    {{"port: send / close", LETTERS, {{0}}, "", "+X", ""}, "p+A<", "c", ""},
    {{"port: senders: send / take and be told", SENDERS, {{0}}, "", "+X", ""}, "p", "<!", "<!"},
    {{"port: senders: leave / take and be told", SENDERS, {{0}}, "+X", "c", ""}, "p", "<!<", ""},
    {{"port: senders: come / look", SENDERS, {{0}}, "O", "o", ""}, "p", "<<", ""},
    /* The living receiver, the second process, has leased what is left and releases it. */
    {{"port: drain / release", LETTERS, {{0}}, "b", "g", ""}, "p+A+B<e", "~", ""},
    {{"port: drain / acknowledge", LETTERS, {{0}}, "b", "g", ""}, "p+A+B<e", "!", ""},
    {{"port: drain / send what was loaned", LETTERS, {{0}}, "b", "g", ""}, "p+A*Ze", "=", ""},
    /* The receiver, the first of those before, is dead. */
    {{"port: drain / drain", LETTERS, {{"p+A+B<", DIES}}, "b", "g", ""}, "O", "bg", ""},
    {{"port: put back / drain", LETTERS, {{"p+A+B", DIES}}, "bd", "~c", ""}, "O", "bg", ""},
    {{"port: begin to drain / drain", LETTERS, {{"p+A", DIES}}, "O", "b", ""}, "O", "bgc", ""},
};
/* clang-format on */
#define PAIRS (sizeof pairs / sizeof *pairs)
#define ACCESSES 6000
#define DENSE 30 /* but a rendezvous: what matters there comes last */
#define SPARSE 17
static bool all; /* not only a sample */

struct both {
    volatile int overtake_at, die; /* before which access; whether it is killed there */
    volatile int accesses, overtaken;
    volatile uint64_t identity[2];
    char log[2][SCRIPT_LOG];
};
static struct both *both;
static int go[2], call[2], answer[2]; /* pipes: the first's turn; the second's; and done */
static const struct geometry *geometry;
static int failures;
static unsigned long points;

/* In the first process, before an access. */
static void reached(const void *base, const void *at)
{
    char c = 0;
    size_t entry = ((size_t)((const uint8_t *)at - (const uint8_t *)base) - geometry->waiters_at) /
                   sizeof(struct waiter);
    /* All waiters' entries but the first are free at any time. */
    if (entry < 2 * WAITERS && entry % WAITERS >= SLEEPING)
        return;
    if (both->accesses++ != both->overtake_at)
        return;
    both->overtaken = 1;
    CHECK(write(call[1], &c, 1) == 1 && read(answer[0], &c, 1) == 1);
    if (both->die)
        raise(SIGKILL);
}

/* In the second process, while it waits in its operation. */
static bool answer_and_stop(void *context)
{
    char c = 0;
    (void)context;
    CHECK(write(answer[1], &c, 1) == 1);
    raise(SIGSTOP);
    return false;
}

static pid_t start(struct world *w, int which, const char *ready, const char *operate,
                   const char *afterwards)
{
    int up[2];
    char c = 0;
    CHECK(pipe(up) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        struct actor a = {.space = w->space, .name = w->name, .policy = &w->scenario->policy};
        alarm(60); /* hanging is a finding, too */
        script_run(&a, script_opens(ready) ? "" : "o");
        script_run(&a, strchr(ready, 'O') ? "" : ready);
        both->identity[which] = script_identity(&a);
        a.log = both->log[which];
        CHECK(write(up[1], &c, 1) == 1);
        CHECK(read(which == 0 ? go[0] : call[0], &c, 1) == 1);
        if (which == 0) {
            script_run_interrupted(&a, operate, reached);
        } else {
            a.waiting = answer_and_stop;
            script_run(&a, operate);
            CHECK(write(answer[1], &c, 1) == 1 && read(call[0], &c, 1) == 1);
            script_run(&a, afterwards);
        }
        raise(SIGSTOP);
        _exit(0);
    }
    close(up[1]);
    CHECK(read(up[0], &c, 1) == 1);
    close(up[0]);
    return pid;
}

static void tally(int *count, const char *log)
{
    for (; *log; log += 2) {
        if (*log == '+')
            count[(int)log[1]]++;
        else if (*log == '!')
            count[(int)log[1]]--;
    }
}

/* The letters of the story are those of before, and what was sent, without what was
 * acknowledged; of what the killed one was doing, all or nothing. */
static const char *conserved(const char *before, const char *after, const struct pair *pair,
                             bool died)
{
    static char text[2 * STORY + 200];
    int count[128] = {0};
    for (const char *s = before; *s; s++)
        count[(int)*s] += *s >= 'A' && *s <= 'Z';
    tally(count, both->log[0]);
    tally(count, both->log[1]);
    for (const char *s = after; *s; s++)
        count[(int)*s] -= *s >= 'A' && *s <= 'Z';
    for (int c = 'A'; c <= 'Z'; c++) {
        if (count[c] == 0)
            continue;
        /* The killed process may have sent what its log does not show, or settled what it had. */
        const char *own = strchr(pair->scenario.operate, c);
        bool sends = count[c] == -1 && (own || strchr(pair->scenario.operate, '='));
        bool settles = count[c] == 1 && strpbrk(pair->scenario.operate, "!_g");
        if (died && (sends || settles))
            continue;
        snprintf(text, sizeof text, "%c: '%s' became '%s' by '%s' and '%s'", c, before, after,
                 both->log[0], both->log[1]);
        return text;
    }
    return NULL;
}

static const char *errors(const char *log, bool port)
{
    static char text[80];
    for (; *log; log += 2)
        if (*log == 'e' && !(port && log[1] == '0' + LIAISON_DESTROYED)) {
            snprintf(text, sizeof text, "an operation gave result %d", log[1] - '0');
            return text;
        }
    return NULL;
}

/* Every doorbell that is armed leads to one that can be rung. */
static const char *bells_exist(const struct world *w)
{
    static char text[600];
    for (uint32_t i = 0; i < 2 * WAITERS; i++) {
        const struct waiter *e =
            (const struct waiter *)(w->watched.base + w->watched.geometry.waiters_at) + i;
        if (!e->owner || e->kind != WAITER_DOORBELL)
            continue;
        snprintf(text, sizeof text, "%s/bells/%016llx", liaison_space_path(w->space),
                 (unsigned long long)e->detail);
        if (access(text, F_OK) != 0)
            return strcat(text, " is to be rung, and there is none");
    }
    return NULL;
}

/* A port, by its receiver: then every trial has a port of its own. */
static bool second_makes_it(const struct pair *pair) { return strchr(pair->ready, 'p'); }

/* One pre-emption. False when the operation has fewer accesses. */
static bool overtake(struct world *w, const struct pair *pair, const uint8_t *origin, int at,
                     bool die)
{
    struct witness witness;
    char before[STORY], after[STORY], c = 0;
    int status;
    bool anew = second_makes_it(pair), port = pair->scenario.policy.kind == LIAISON_KIND_PORT;
    if (anew) {
        world_build(w, w->space, &pair->scenario);
    } else {
        world_name(w);
        image_put(&w->watched, origin);
    }
    CHECK(pipe(go) == 0 && pipe(call) == 0 && pipe(answer) == 0);
    memset(both, 0, sizeof *both);
    both->overtake_at = at;
    both->die = die;
    pid_t second = start(w, 1, pair->ready, pair->operate, pair->afterwards);
    if (anew)
        world_watch(w);
    geometry = &w->watched.geometry;
    /* Both are alive and hold messages: the story shows these as if they did not. */
    pid_t first = 0;
    int living = w->living_count;
    first = start(w, 0, pair->scenario.ready, pair->scenario.operate, "");
    witness = world_witness(w);
    invariants_story(&witness, before);
    CHECK(write(go[1], &c, 1) == 1);
    CHECK(waitpid(first, &status, WUNTRACED) == first);
    const char *s = NULL;
    bool ended = !WIFSTOPPED(status);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!WIFSTOPPED(status) && !(die && killed))
        s = "the first did not come to its end";
    bool overtaken = both->overtaken;
    if (overtaken) {
        CHECK(write(call[1], &c, 1) == 1);
        CHECK(waitpid(second, &status, WUNTRACED) == second);
        if (!WIFSTOPPED(status))
            s = "the second did not come to its end";
    }
    uint64_t *list = w->living;
    list[w->living_count++] = both->identity[1];
    if (!die || !killed)
        list[w->living_count++] = both->identity[0];
    witness = world_witness(w);
    if (!s)
        s = invariants_always(&witness);
    w->living_count = living;
    witness = world_witness(w);
    invariants_story(&witness, after);
    if (!s)
        s = bells_exist(w);
    if (!s)
        s = errors(both->log[0], port);
    if (!s)
        s = errors(both->log[1], port);
    /* A cycle of the ring takes whatever is there, and leaves others in its place. */
    bool lasting = !port || pair->scenario.policy.dead_letters[0];
    if (!s && lasting && !strchr(pair->operate, 'w'))
        s = conserved(before, after, pair, die && killed);
    if (!ended) {
        kill(first, SIGKILL);
        test_wait(first);
    }
    kill(second, SIGKILL);
    test_wait(second);
    if (!s)
        s = world_verify(w, after);
    if (s) {
        printf("VIOLATION in '%s', overtaken before access %d%s: %s\n", pair->scenario.name, at,
               die ? " and killed" : "", s);
        fflush(stdout);
        failures++;
    }
    for (int i = 0; i < 2; i++) {
        close(go[i]);
        close(call[i]);
        close(answer[i]);
    }
    if (anew)
        world_end(w);
    return overtaken;
}

static void explore(liaison_space *space, const struct pair *pair)
{
    struct world w = {.space = space};
    uint8_t *origin = NULL;
    if (!second_makes_it(pair)) {
        world_build(&w, space, &pair->scenario);
        origin = malloc(image_size(&w.watched));
        CHECK(origin);
        image_take(&w.watched, origin);
    }
    int at = 0, tried = 0, dense = all || pair->scenario.policy.capacity == 0 ? ACCESSES : DENSE;
    while (overtake(&w, pair, origin, at, false)) {
        overtake(&w, pair, origin, at, true);
        tried++;
        /* Of long operations a sample, beginning at another place in each pair. */
        at += at < dense ? 1 : SPARSE + (at == dense ? (int)(pair - pairs) % SPARSE : 0);
        CHECK(at < ACCESSES);
    }
    points += (unsigned long)tried;
    printf("%-44s %4d accesses of %d\n", pair->scenario.name, tried, at);
    fflush(stdout);
    free(origin);
    if (!second_makes_it(pair))
        world_end(&w);
}

int main(int argc, char **argv)
{
    stepper_required();
    liaison_space *space = test_space();
    both = shared_memory(sizeof *both);
    all = argc > 1 && strcmp(argv[1], "--all") == 0;
    for (size_t i = 0; i < PAIRS; i++)
        if (argc < 2 || all || strstr(pairs[i].scenario.name, argv[1]))
            explore(space, &pairs[i]);
    printf("%zu pairs of operations, the first overtaken before each of %lu accesses, then going "
           "on and then killed; %d deaths were late; %d violations\n",
           PAIRS, points, late_deaths, failures);
    liaison_space_close(space);
    return failures != 0;
}
