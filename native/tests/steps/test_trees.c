/* Killed before any system call that can change files, whoever creates, opens, destroys, closes,
 * rings or cleans leaves a space in which the next process finds the link of before or of after,
 * can create it anew, and of which cleaning leaves nothing that belongs to nobody.
 *
 * The operations on names are made of system calls: a kill before each leaves every state that
 * the directory passes through. Then cleaning, which is the recovery here, is killed before
 * each of its own calls. What lies in the directory is looked at without the engine. */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "steps/stepper.h"

struct tree_case {
    const char *name;
    void (*before)(liaison_space *); /* in a process that dies of it */
    void (*ready)(liaison_space *);  /* in the one that is killed, before it is watched */
    void (*operate)(liaison_space *);
    bool may_exist, may_be_missing; /* the link, afterwards */
};

static liaison_mailbox *box;
static const struct liaison_policy policy = {.capacity = 2, .max_message = 100};

static void create(liaison_space *space)
{
    liaison_mailbox_open(space, "link", LIAISON_OPEN_OR_CREATE, &policy, &box);
}
static void create_with_message(liaison_space *space)
{
    create(space);
    CHECK_OK(test_send(box, "m", 1, 0));
}
static void create_and_destroy_half(liaison_space *space)
{
    create(space);
    char path[400];
    /* What a destroyer leaves that dies at its first call. */
    snprintf(path, sizeof path, "%s/names/link", liaison_space_path(space));
    FILE *file = fopen(path, "r+");
    uint32_t destroyed = 1;
    CHECK(file && fseek(file, 1024, SEEK_SET) == 0 && fwrite(&destroyed, 4, 1, file) == 1);
    fclose(file);
}
static void create_nameless(liaison_space *space)
{
    create(space);
    char path[400];
    snprintf(path, sizeof path, "%s/names/link", liaison_space_path(space));
    CHECK(unlink(path) == 0);
}
static void create_with_alias(liaison_space *space)
{
    create(space);
    char from[400], to[400];
    snprintf(from, sizeof from, "%s/names/link", liaison_space_path(space));
    snprintf(to, sizeof to, "%s/names/alias", liaison_space_path(space));
    CHECK(link(from, to) == 0);
}
static void enrol(liaison_space *space)
{
    liaison_mailbox *other;
    CHECK_OK(liaison_mailbox_open(space, "other", LIAISON_OPEN_OR_CREATE, &policy, &other));
    CHECK_OK(liaison_mailbox_destroy(other, true));
    liaison_mailbox_close(other);
}
static void nothing(liaison_space *space) { (void)space; }
static void destroy(liaison_space *space)
{
    (void)space;
    liaison_mailbox_destroy(box, true);
}
static void shut(liaison_space *space)
{
    (void)space;
    liaison_mailbox_close(box);
}
static void ring(liaison_space *space)
{
    int fd;
    (void)space;
    liaison_mailbox_doorbell(box, &fd);
}
static void create_and_ring(liaison_space *space)
{
    create(space);
    ring(space);
}
static void clean(liaison_space *space)
{
    struct liaison_cleaned out;
    liaison_space_clean(space, false, &out);
}
static void clean_all(liaison_space *space)
{
    struct liaison_cleaned out;
    liaison_space_clean(space, true, &out);
}

static const struct liaison_policy port = {
    .kind = LIAISON_KIND_PORT, .capacity = 2, .max_message = 100};
static const struct liaison_policy port_with_letters = {
    .kind = LIAISON_KIND_PORT, .capacity = 2, .max_message = 100, .dead_letters = "grave"};

static void create_port(liaison_space *space)
{
    liaison_mailbox_open(space, "link", LIAISON_CREATE, &port, &box);
}
static void create_port_with_letters(liaison_space *space)
{
    CHECK_OK(liaison_mailbox_open(space, "link", LIAISON_CREATE, &port_with_letters, &box));
    CHECK_OK(test_send(box, "m", 1, 0));
}
static void end_port(liaison_space *space)
{
    (void)space;
    liaison_port_end(box);
}
static void bury(liaison_space *space)
{
    struct liaison_delivery d;
    liaison_mailbox *m;
    if (liaison_mailbox_open(space, "link", LIAISON_BURY, NULL, &m) != LIAISON_OK)
        return;
    while (liaison_port_undelivered(m, &d) == LIAISON_OK)
        liaison_mailbox_bury(m, &d);
    liaison_mailbox_close(m);
}

static const struct tree_case cases[] = {
    {"create, the first of the space", nothing, nothing, create, true, true},
    {"create", nothing, enrol, create, true, true},
    {"create over a half destroyed one", create_and_destroy_half, enrol, create, true, true},
    {"open", create_with_message, enrol, create, true, false},
    {"destroy", create, create, destroy, true, true},
    {"destroy, two names", create_with_alias, create, destroy, true, true},
    {"close", create_with_message, create, shut, true, false},
    {"ask for a doorbell", create, create, ring, true, false},
    {"close with a doorbell", create, create_and_ring, shut, true, false},
    {"clean a half destroyed one", create_and_destroy_half, enrol, clean, false, true},
    {"clean a nameless one", create_nameless, enrol, clean, false, true},
    {"clean one in nobody's use", create_with_message, enrol, clean_all, true, true},
    {"create a port", nothing, enrol, create_port, false, true},
    {"create over a dead receiver's port", create_port, enrol, create, true, true},
    {"end a port", nothing, create_port, end_port, false, true},
    {"close a port", nothing, create_port, shut, false, true},
    {"bury a port", create_port_with_letters, enrol, bury, false, true},
    {"clean a dead receiver's port", create_port, enrol, clean_all, false, true},
};

static char directory[200];
static unsigned long kills[2];
static int failures;

static liaison_space *open_space(void)
{
    liaison_space *space;
    CHECK_OK(liaison_space_open(directory, geteuid(), "trees", true, -1, &space));
    return space;
}

static int counted(const char *part, const char *but)
{
    char path[300];
    int n = 0;
    snprintf(path, sizeof path, "%s/trees/%s", directory, part);
    DIR *listing = opendir(path);
    for (struct dirent *e; listing && (e = readdir(listing));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
             (!but || strcmp(e->d_name, but) != 0);
    if (listing)
        closedir(listing);
    return n;
}

static void empty(void)
{
    static const char *const parts[] = {"links", "names", "bells", ""};
    char path[600];
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/trees/%s", directory, parts[i]);
        DIR *listing = opendir(path);
        for (struct dirent *e; listing && (e = readdir(listing));) {
            snprintf(path, sizeof path, "%s/trees/%s/%s", directory, parts[i], e->d_name);
            unlink(path);
        }
        if (listing)
            closedir(listing);
    }
}

struct run {
    void (*ready)(liaison_space *), (*operate)(liaison_space *);
    liaison_space *space;
};
static void prepare(void *context)
{
    struct run *r = context;
    r->space = open_space();
    r->ready(r->space);
}
static void perform(void *context)
{
    struct run *r = context;
    r->operate(r->space);
}
static int make_before(void *context)
{
    ((const struct tree_case *)context)->before(open_space());
    raise(SIGKILL);
    return 0;
}

/* Kills `run` before its k-th system call that can change files. False when there are fewer. */
static bool kill_before(struct run *run, int k)
{
    struct shared *shared = stepper_shared();
    struct body body = {prepare, perform, run, shared};
    pid_t pid = stepper_start(&body);
    bool within = true;
    for (int i = 0; i < k && within; i++)
        within = stepper_system_call(pid, shared);
    stepper_kill(pid);
    shared_memory_free(shared, sizeof *shared);
    return within;
}

static const struct tree_case *now;

/* In a fresh process: the link works, or is gone, or can be made; then all can be cleaned. */
static int survive(void *context)
{
    (void)context;
    alarm(60);
    liaison_space *space = open_space();
    liaison_mailbox *m, *other;
    struct liaison_cleaned out;
    char text[8];
    int r = liaison_mailbox_open(space, "link", LIAISON_OPEN, NULL, &m);
    if (r == LIAISON_ORPHANED) {
        bury(space);
        r = liaison_mailbox_open(space, "link", LIAISON_OPEN, NULL, &m);
    }
    if (r != LIAISON_OK && r != LIAISON_NOT_FOUND)
        return 10 + r;
    if (r == LIAISON_OK ? !now->may_exist : !now->may_be_missing)
        return 1;
    if (r == LIAISON_NOT_FOUND)
        CHECK_OK(liaison_mailbox_open(space, "link", LIAISON_CREATE, &policy, &m));
    /* One complete link: also under its permanent name, and for a second opener. */
    CHECK_OK(liaison_mailbox_open(space, "link", LIAISON_OPEN, &policy, &other));
    while (test_receive(m, text, sizeof text, 0) == 1)
        ;
    CHECK_OK(test_send(m, "x", 1, 0));
    CHECK(test_receive(other, text, sizeof text, 0) == 1);
    CHECK_OK(liaison_space_clean(space, true, &out));
    CHECK_OK(liaison_mailbox_open(space, "link", LIAISON_OPEN, NULL, &other)); /* in use: stays */
    if (counted("links", NULL) != 1)
        return 2;
    CHECK_OK(liaison_mailbox_destroy(m, true));
    return 0;
}

static const char *judge(void)
{
    static char text[100];
    int r = test_wait(test_child(survive, NULL));
    if (r == 0 && counted("links", NULL) + counted("names", NULL) == 0 &&
        counted("bells", NULL) == 0)
        return NULL;
    snprintf(text, sizeof text, "result %d; left: %d links, %d names, %d bells", r,
             counted("links", NULL), counted("names", NULL), counted("bells", NULL));
    return text;
}

static void violation(int k, int j, const char *what)
{
    printf("VIOLATION in '%s', killed at system call %d, cleaning at %d: %s\n", now->name, k, j,
           what);
    fflush(stdout);
    failures++;
}

static bool try_one(const struct tree_case *c, int k, int j, bool *cleaned)
{
    now = c;
    empty();
    CHECK(test_wait(test_child(make_before, (void *)c)) == -SIGKILL);
    bool within = kill_before(&(struct run){c->ready, c->operate, NULL}, k);
    if (j >= 0) {
        *cleaned = !kill_before(&(struct run){nothing, clean, NULL}, j);
        kills[1]++;
    } else {
        kills[0]++;
    }
    const char *s = judge();
    if (s)
        violation(k, j, s);
    return within;
}

int main(int argc, char **argv)
{
    stepper_required();
    bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
    liaison_space_close(test_space());
    snprintf(directory, sizeof directory, "%s/here", getenv("LIAISON_ROOT"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (argc > 1 && !all && !strstr(cases[i].name, argv[1]))
            continue;
        int k = 0;
        bool cleaned = false;
        while (try_one(&cases[i], k, -1, &cleaned))
            k++;
        /* Cleaning killed in turn; of the first kills a sample. */
        for (int first = all ? 0 : (int)i % 6; first < k; first += all ? 1 : 6) {
            cleaned = false;
            for (int j = 0; !cleaned; j += all ? 1 : 3)
                try_one(&cases[i], first, j, &cleaned);
        }
        printf("%-36s %3d kills\n", cases[i].name, k);
        fflush(stdout);
    }
    printf("%lu kills at system calls, %lu more in cleaning; %d violations\n", kills[0], kills[1],
           failures);
    return failures != 0;
}
