#include "steps/trees.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "space/removal.h"
#include "steps/stepper.h"

char tree_directory[200];

static int64_t group = -1;

void tree_begin(bool shared)
{
    liaison_space_close(test_space());
    group = shared ? (int64_t)getegid() : -1;
    snprintf(tree_directory, sizeof tree_directory, "%s/here%s", getenv("LIAISON_ROOT"),
             shared ? ".shared" : "");
}

liaison_space *tree_open_space(void)
{
    liaison_space *space;
    CHECK_OK(liaison_space_open(tree_directory, geteuid(), "trees", true, group, &space));
    return space;
}

int tree_count(const char *part)
{
    char path[300];
    snprintf(path, sizeof path, "%s/trees/%s", tree_directory, part);
    return test_entries(path);
}

void tree_empty(void)
{
    static const char *const parts[] = {"links", "names", "bells", ""};
    char path[600];
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/trees/%s", tree_directory, parts[i]);
        DIR *listing = opendir(path);
        for (struct dirent *e; listing && (e = readdir(listing));) {
            snprintf(path, sizeof path, "%s/trees/%s/%s", tree_directory, parts[i], e->d_name);
            unlink(path);
        }
        if (listing)
            closedir(listing);
    }
}

static int make_before(void *context)
{
    ((const struct tree_case *)context)->before(tree_open_space());
    raise(SIGKILL);
    return 0;
}

void tree_make_before(const struct tree_case *c)
{
    CHECK(test_wait(test_child(make_before, (void *)c)) == -SIGKILL);
}

static void prepare(void *context)
{
    struct tree_run *r = context;
    r->space = tree_open_space();
    r->ready(r->space);
}
static void perform(void *context)
{
    struct tree_run *r = context;
    r->operate(r->space);
}

pid_t tree_start(struct tree_run *run)
{
    run->shared = stepper_shared();
    return stepper_start(&(struct body){prepare, perform, run, run->shared});
}

static liaison_mailbox *box;
const struct liaison_policy tree_policy = {.capacity = 2, .max_message = 100};

static void create(liaison_space *space)
{
    liaison_mailbox_open(space, "link", LIAISON_OPEN_OR_CREATE, &tree_policy, &box);
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
    /* What a destroyer leaves if it dies at its first call. */
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
    CHECK_OK(liaison_mailbox_open(space, "other", LIAISON_OPEN_OR_CREATE, &tree_policy, &other));
    CHECK_OK(liaison_mailbox_destroy(other, true));
    liaison_mailbox_close(other);
}
void tree_nothing(liaison_space *space) { (void)space; }
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
void tree_clean(liaison_space *space)
{
    struct liaison_cleaned out;
    liaison_space_clean(space, false, &out);
}
void tree_clean_all(liaison_space *space)
{
    struct liaison_cleaned out;
    liaison_space_clean(space, true, &out);
}

void tree_decide(liaison_space *space)
{
    struct removal removal;
    CHECK_OK(removal_begin(space, &removal));
    CHECK(removal_decide(&removal));
    removal_end(&removal);
}

static const struct liaison_policy port = {
    .kind = LIAISON_KIND_PORT, .capacity = 2, .max_message = 100};
static const struct liaison_policy port_with_letters = {
    .kind = LIAISON_KIND_PORT, .capacity = 2, .max_message = 100, .dead_letters = "dead"};

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
void tree_drain(liaison_space *space)
{
    struct liaison_delivery d;
    liaison_mailbox *m;
    if (liaison_mailbox_open(space, "link", LIAISON_DRAIN, NULL, &m) != LIAISON_OK)
        return;
    while (liaison_port_undelivered(m, &d) == LIAISON_OK)
        liaison_mailbox_dead_letter(m, &d);
    liaison_mailbox_close(m);
}

const struct tree_case tree_cases[] = {
    {"create, the first of the space", tree_nothing, tree_nothing, create, true, true},
    {"create", tree_nothing, enrol, create, true, true},
    {"create over a half destroyed one", create_and_destroy_half, enrol, create, true, true},
    {"open", create_with_message, enrol, create, true, false},
    {"destroy", create, create, destroy, true, true},
    {"destroy, two names", create_with_alias, create, destroy, true, true},
    {"close", create_with_message, create, shut, true, false},
    {"ask for a doorbell", create, create, ring, true, false},
    {"close with a doorbell", create, create_and_ring, shut, true, false},
    {"clean a half destroyed one", create_and_destroy_half, enrol, tree_clean, false, true},
    {"clean a nameless one", create_nameless, enrol, tree_clean, false, true},
    {"clean one in nobody's use", create_with_message, enrol, tree_clean_all, true, true},
    {"create a port", tree_nothing, enrol, create_port, false, true},
    {"create over a dead receiver's port", create_port, enrol, create, true, true},
    {"end a port", tree_nothing, create_port, end_port, false, true},
    {"close a port", tree_nothing, create_port, shut, false, true},
    {"drain a port", create_port_with_letters, enrol, tree_drain, false, true},
    {"clean a dead receiver's port", create_port, enrol, tree_clean_all, false, true},
};
const size_t tree_cases_count = sizeof tree_cases / sizeof *tree_cases;
