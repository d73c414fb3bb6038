/* Killed at any instruction of creating, adopting, opening, using, ending, destroying or cleaning a
 * pipe, with a name or without: the other side finds the messages of before or of after, each once,
 * and then the end; no process waits for ever; and nothing is left in the space. Without --all, a
 * sample of the instructions, and every system call that can change files. */
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "steps/stepper.h"

#define NEXT(k) ((k) + 3 + (k) / 8)
#define WATCHDOG 60
#define NAME "passage"

static const struct liaison_policy policy = {.capacity = 4, .pair_capacity = -1, .max_message = 60};
static char directory[200];
static liaison_space *space;
/* The ends that this process has; of a pipe with a name, of the side that it is. */
static liaison_mailbox *reader, *writer;
static int memory, token; /* of an end to adopt */

static void drop(liaison_mailbox **m)
{
    liaison_mailbox_close(*m);
    *m = NULL;
}

static void send(char letter) { CHECK_OK(test_send(writer, &letter, 1, 0)); }

/* The letter and the attempt, as in "A2"; "end", or "result N". */
static const char *taken(char text[20])
{
    struct liaison_delivery d;
    int r = liaison_mailbox_take(reader, &(struct liaison_wait){.timeout = FOREVER}, &d);
    if (r != LIAISON_OK) {
        snprintf(text, 20, r == LIAISON_DESTROYED ? "end" : "result %d", r);
        return text;
    }
    snprintf(text, 20, "%c%u", *(const char *)d.data, d.attempt);
    CHECK_OK(liaison_mailbox_acknowledge(reader, &d));
    return text;
}

/* ---- what is done, in the process that is killed -------------------------------------------- */

static void nothing(void) {}
static void be_the_writer(void) { drop(&reader); }
static void be_the_reader(void) { drop(&writer); }
static void be_a_known_writer(void)
{
    drop(&reader);
    send('B');
}
static void be_a_known_reader(void)
{
    drop(&writer);
    CHECK_OK(liaison_mailbox_ready(reader));
}
static void have_descriptors_alone(void)
{
    drop(&reader);
    drop(&writer);
}

static void send_x(void) { (void)test_send(writer, "X", 1, 0); }
static void take_one(void)
{
    struct liaison_delivery d;
    if (liaison_mailbox_try_take(reader, &d) == LIAISON_OK)
        (void)liaison_mailbox_acknowledge(reader, &d);
}
static void take_two(void)
{
    take_one();
    take_one();
}
static void end_writer(void) { liaison_port_end(writer); }
static void end_reader(void) { liaison_port_end(reader); }
static void close_both(void)
{
    liaison_mailbox_close(writer);
    liaison_mailbox_close(reader);
}
static void adopt_and_send(void)
{
    bool receives;
    CHECK_OK(liaison_pipe_adopt(space, memory, token, &writer, &receives));
    send('X');
}
static void create(void) { CHECK_OK(liaison_pipe_create(space, &policy, &reader, &writer)); }
static void create_and_send(void)
{
    create();
    send('X');
}
static void open_it(void)
{
    CHECK_OK(liaison_named_pipe_open(space, NAME, &policy, &writer, &reader));
}
static void destroy(void) { (void)liaison_mailbox_destroy(writer, true); }
static void clean(void)
{
    struct liaison_cleaned out;
    CHECK_OK(liaison_space_clean(space, true, &out));
}

/* ---- what there must be afterwards: NULL, or what was wrong -----------------------------------
 */

/* Whether the reader finds one of these, each a line of what it takes, and its end after that. */
static const char *finds(const char *const lines[])
{
    static char all[200], one[20];
    all[0] = 0;
    for (int i = 0; i < 10; i++) {
        strcat(strcat(all, i ? " " : ""), taken(one));
        if (strlen(one) > 2)
            break;
    }
    for (; *lines; lines++)
        if (strcmp(all, *lines) == 0)
            return NULL;
    return all;
}

static const char *finds_what_was_sent(void)
{
    return finds((const char *const[]){"A1 end", "A1 X1 end", NULL});
}
static const char *finds_what_both_sent(void)
{
    return finds((const char *const[]){"A1 B1 end", "A1 B1 X1 end", NULL});
}
static const char *finds_the_rest(void)
{
    return finds((const char *const[]){"A1 B1 end", "A2 B1 end", "B1 end", NULL});
}
static const char *finds_the_last(void)
{
    return finds((const char *const[]){"A1 end", "A2 end", "end", NULL});
}
static const char *finds_x_or_the_end(void)
{
    return finds((const char *const[]){"end", "X1 end", NULL});
}
static const char *finds_the_first(void) { return finds((const char *const[]){"A1 end", NULL}); }
static const char *finds_the_end(void) { return finds((const char *const[]){"end", NULL}); }

static const char *learns_of_the_end(void)
{
    static char text[40];
    int r, n = 0;
    while ((r = test_send(writer, "Y", 1, FOREVER)) == LIAISON_OK && n < 10)
        n++;
    snprintf(text, sizeof text, "sent %d, then result %d", n, r);
    return r == LIAISON_DESTROYED && n < 5 ? NULL : text;
}

static int counted(const char *part)
{
    char path[300];
    snprintf(path, sizeof path, "%s/pipes/%s", directory, part);
    return test_entries(path);
}
static const char *is_nothing_there(void)
{
    return counted("links") + counted("names") + counted("bells") ? "something is left" : NULL;
}

static int be_new_sides(void *context)
{
    (void)context;
    alarm(WATCHDOG);
    open_it();
    send('N');
    close_both();
    return 0;
}
/* In which a fresh process can be a side, whatever was there before. */
static const char *is_the_name_free(void)
{
    int r = test_wait(test_child(be_new_sides, NULL));
    return r == 0 ? NULL : "the name cannot be had";
}

/* The first side, whose second was killed, perhaps before it came. */
static int be_the_second(void *context)
{
    (void)context;
    alarm(WATCHDOG);
    reader = writer = NULL;
    open_it();
    send('S');
    const char *wrong = finds((const char *const[]){"A1 C1 end", NULL});
    if (wrong)
        fprintf(stderr, "the second that came after it: %s\n", wrong);
    return wrong != NULL;
}
static const char *can_be_joined_or_is_over(void)
{
    char one[20];
    int r = test_send(writer, "C", 1, 0);
    if (r != LIAISON_OK)
        return r == LIAISON_DESTROYED ? finds_the_end() : "neither open nor over";
    pid_t second = test_child(be_the_second, NULL);
    if (strcmp(taken(one), "end") == 0) { /* the killed one had come, and it is over since */
        kill(second, SIGKILL);
        return test_wait(second) == -SIGKILL ? NULL : "a new pipe has ended by itself";
    }
    drop(&writer);
    drop(&reader);
    return strcmp(one, "S1") == 0 && test_wait(second) == 0 ? NULL : "the second got another's";
}

/* ---- the cases ------------------------------------------------------------------------------ */

enum keeps { NEITHER = 0, READER = 1, WRITER = 2, BOTH = 3 };

static const struct pipes_case {
    const char *name;
    const char *sent;      /* by this process, before */
    void (*ready)(void);   /* in the one that is killed */
    void (*operate)(void); /* and there watched */
    enum keeps keeps;      /* this process, meanwhile and afterwards */
    const char *(*judge)(void);
} nameless[] = {
    {"send", "A", be_a_known_writer, send_x, READER, finds_what_both_sent},
    {"send at first", "A", be_the_writer, send_x, READER, finds_what_was_sent},
    {"adopt and send", "A", have_descriptors_alone, adopt_and_send, READER, finds_what_was_sent},
    {"receive", "AB", be_a_known_reader, take_one, READER, finds_the_rest},
    {"receive at first", "AB", be_the_reader, take_one, READER, finds_the_rest},
    {"receive the last", "A", be_a_known_reader, take_two, READER, finds_the_last},
    {"receive, the only reader", "AB", be_the_reader, take_one, WRITER, learns_of_the_end},
    {"send, no reader", "A", be_the_writer, send_x, WRITER, learns_of_the_end},
    {"end as writer", "A", be_the_writer, end_writer, READER, finds_the_first},
    {"end as reader", "A", be_the_reader, end_reader, WRITER, learns_of_the_end},
    {"close both", "A", nothing, close_both, NEITHER, is_nothing_there},
    {"create", "", have_descriptors_alone, create_and_send, NEITHER, is_nothing_there},
};

/* `sent` NULL: this process is no side. Else it is the first one; it keeps what it has. */
static const struct pipes_case named[] = {
    {"open as the first", NULL, nothing, open_it, NEITHER, is_the_name_free},
    {"open as the second", "A", nothing, open_it, BOTH, can_be_joined_or_is_over},
    {"send as the second", "A", open_it, send_x, BOTH, finds_x_or_the_end},
    {"receive as the second", "A", open_it, take_one, BOTH, learns_of_the_end},
    {"end as the second", "A", open_it, close_both, BOTH, finds_the_end},
    {"destroy as the second", "A", open_it, destroy, BOTH, finds_the_end},
    {"end, nobody came", NULL, open_it, close_both, NEITHER, is_the_name_free},
    {"destroy, nobody came", NULL, open_it, destroy, NEITHER, is_the_name_free},
};

/* After a process that opened it and was killed. */
static const struct pipes_case after_a_dead_one[] = {
    {"open over a dead one's", NULL, nothing, open_it, NEITHER, is_the_name_free},
    {"clean a dead one's", NULL, nothing, clean, NEITHER, is_the_name_free},
};

/* Another process waits at the other end while the killed one works. */
static const struct pipes_case beside_a_sleeper[] = {
    {"send to who sleeps", "", be_the_writer, send_x, READER, finds_x_or_the_end},
    {"end, the reader asleep", "", be_the_writer, end_writer, READER, finds_x_or_the_end},
    {"end, a writer asleep", "ABCD", be_the_reader, end_reader, WRITER, learns_of_the_end},
};

static unsigned long kills;
static int failures;

/* The descriptors to adopt are an end, too. */
static void forget_descriptors(void)
{
    close(memory);
    close(token);
}

static int sleep_as_reader(void *context)
{
    char one[20];
    (void)context;
    alarm(WATCHDOG);
    forget_descriptors();
    drop(&writer);
    /* Either what was sent last, or the end. */
    return strcmp(taken(one), "X1") != 0 && strcmp(one, "end") != 0;
}
static int sleep_as_writer(void *context)
{
    (void)context;
    alarm(WATCHDOG);
    forget_descriptors();
    drop(&reader);
    return test_send(writer, "Z", 1, FOREVER) != LIAISON_DESTROYED;
}

static int open_and_die(void *context)
{
    (void)context;
    open_it();
    raise(SIGKILL);
    return 0;
}
static int sweep(void *context)
{
    (void)context;
    alarm(WATCHDOG);
    clean();
    return 0;
}

struct judged {
    const struct pipes_case *c;
    volatile char *text; /* shared with the process that finds it */
};
static int judge(void *context)
{
    struct judged *j = context;
    alarm(WATCHDOG);
    const char *s = j->c->judge();
    if (s)
        snprintf((char *)j->text, 200, "%s", s);
    return 0;
}

static volatile char *finding;

static void begin(const struct pipes_case *c, bool has_name, bool after)
{
    reader = writer = NULL;
    memory = token = -1;
    if (after)
        CHECK(test_wait(test_child(open_and_die, NULL)) == -SIGKILL);
    if (has_name && c->sent)
        open_it();
    if (!has_name)
        create();
    for (const char *s = c->sent; s && *s; s++)
        send(*s);
    if (!has_name) {
        CHECK_OK(liaison_pipe_descriptors(writer, &memory, &token));
        memory = dup(memory);
        token = dup(token);
    }
}

static pid_t begin_sleeper(const struct pipes_case *c)
{
    bool reads = c->keeps == READER;
    pid_t pid = test_child(reads ? sleep_as_reader : sleep_as_writer, NULL);
    struct liaison_statistics s = {0};
    while ((reads ? s.receivers_waiting : s.senders_waiting) == 0) {
        CHECK_OK(liaison_mailbox_statistics(reads ? reader : writer, &s));
        sched_yield();
    }
    return pid;
}

/* What the killed process was to be alone with. */
static void let_go(const struct pipes_case *c, bool has_name)
{
    if (!has_name)
        forget_descriptors();
    if (reader && !(c->keeps & READER))
        drop(&reader);
    if (writer && !(c->keeps & WRITER))
        drop(&writer);
}

static void prepare(void *context)
{
    const struct pipes_case *c = context;
    if (c->operate != adopt_and_send && memory >= 0)
        forget_descriptors();
    c->ready();
}
static void operate(void *context) { ((const struct pipes_case *)context)->operate(); }

static void violation(const struct pipes_case *c, bool calls, unsigned long k, const char *what)
{
    printf("VIOLATION in '%s', killed at %s %lu: %s\n", c->name,
           calls ? "system call" : "instruction", k, what);
    fflush(stdout);
    failures++;
}

/* Kills at the k-th instruction, or system call that can change files; false when there are fewer,
 * or when something was wrong: one finding a case will do. */
static bool try_one(const struct pipes_case *c, bool has_name, bool after, bool sleeper, bool calls,
                    unsigned long k)
{
    struct shared *shared = stepper_shared();
    begin(c, has_name, after);
    pid_t asleep = sleeper ? begin_sleeper(c) : 0;
    pid_t pid = stepper_start(&(struct body){prepare, operate, (void *)c, shared});
    let_go(c, has_name);
    bool within = true;
    for (unsigned long i = 0; i < k && within; i++)
        within = calls ? stepper_system_call(pid, shared) : stepper_step(pid, shared);
    /* This process learns that no process can send any more. */
    if (reader && !sleeper)
        (void)liaison_mailbox_ready(reader);
    stepper_kill(pid);
    shared_memory_free(shared, sizeof *shared);
    kills++;

    char text[240] = "";
    finding[0] = 0;
    if (asleep) {
        int r = test_wait(asleep);
        if (r != 0)
            snprintf(text, sizeof text, "the sleeper ended with %d", r);
    }
    /* By this process, which was there before, so that it has not swept the dead by attaching; and
     * it alone is the first side. */
    if (!text[0] && c->keeps != NEITHER) {
        alarm(WATCHDOG);
        const char *s = c->judge();
        alarm(0);
        if (s)
            snprintf(text, sizeof text, "%s", s);
    } else if (!text[0]) {
        int r = test_wait(test_child(judge, &(struct judged){c, finding}));
        if (r != 0)
            snprintf(text, sizeof text, "who came after it ended with %d", r);
        else if (finding[0])
            snprintf(text, sizeof text, "%s", (const char *)finding);
    }
    if (reader)
        drop(&reader);
    if (writer)
        drop(&writer);
    CHECK(test_wait(test_child(sweep, NULL)) == 0);
    if (!text[0] && is_nothing_there())
        snprintf(text, sizeof text, "left: %d links, %d names, %d bells", counted("links"),
                 counted("names"), counted("bells"));
    if (text[0])
        violation(c, calls, k, text);
    return within && !text[0];
}

static void explore(const struct pipes_case *cases, size_t count, bool has_name, bool after,
                    bool sleeper, const char *only, bool all)
{
    for (size_t i = 0; i < count; i++) {
        const struct pipes_case *c = &cases[i];
        if (!strstr(c->name, only))
            continue;
        unsigned long calls = 0, k = all ? 0 : (unsigned long)getpid() % NEXT(0);
        int before = failures;
        while (try_one(c, has_name, after, sleeper, true, calls))
            calls++;
        while (failures == before && try_one(c, has_name, after, sleeper, false, k))
            k = all ? k + 1 : NEXT(k);
        printf("%-28s %3lu calls, up to instruction %lu\n", c->name, calls, k);
        fflush(stdout);
    }
}
#define EXPLORE(cases, ...) explore(cases, sizeof(cases) / sizeof *(cases), __VA_ARGS__, only, all)

int main(int argc, char **argv)
{
    stepper_required();
    bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
    const char *only = argc > 1 + all ? argv[1 + all] : "";
    liaison_space_close(test_space());
    finding = shared_memory(200);
    snprintf(directory, sizeof directory, "%s/here", getenv("LIAISON_ROOT"));
    space = test_space_in(directory, "pipes");
    EXPLORE(nameless, false, false, false);
    EXPLORE(beside_a_sleeper, false, false, true);
    EXPLORE(named, true, false, false);
    EXPLORE(after_a_dead_one, true, true, false);
    printf("%lu kills; %d violations\n", kills, failures);
    liaison_space_close(space);
    return failures != 0;
}
