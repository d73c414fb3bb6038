/* Whatever replaces a space's directories and files between two system calls of an operation,
 * nothing outside the space is changed.
 *
 * In a space that a group shares, a member may rename what is in it, and its owner all of it. So
 * before each system call of an operation the test replaces one of the space's directories by a
 * symbolic link to a directory full of precious files, or each of its files by a link to such a
 * file, or each doorbell by a FIFO of the user's own; and undoes that some calls later, or
 * never. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "steps/stepper.h"
#include "steps/trees.h"

enum swap { TOP, LINKS, NAMES, BELLS, FILES, FIFOS, SWAPS };
static const char *const swap_names[SWAPS] = {"the space", "links",     "names",
                                              "bells",     "each file", "each FIFO"};
static const char *const parts[] = {"", "/links", "/names", "/bells"};
static const char *const decoy_names[] = {"/space", "/links", "/names", "/bells"};
#define PARTS (sizeof parts / sizeof *parts)

#define STRIDE 4 /* of the calls before which a swap is tried, unless all are */
#define LONG 800
static void join(char path[LONG], const char *a, const char *b, const char *c)
{
    CHECK(snprintf(path, LONG, "%s%s%s", a, b, c) < LONG);
}

static char precious[LONG], decoys[LONG], space_path[LONG];

/* ---- the precious files --------------------------------------------------------------- */

static void write_text(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    CHECK(fd >= 0 && write(fd, "precious", 8) == 8 && fchmod(fd, 0640) == 0);
    close(fd);
}

static void each(const char *path, void (*visit)(const char *path, const char *name))
{
    DIR *listing = opendir(path);
    for (struct dirent *e; listing && (e = readdir(listing));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            visit(path, e->d_name);
    if (listing)
        closedir(listing);
}

static void remove_one(const char *path, const char *name)
{
    char below[LONG];
    join(below, path, "/", name);
    if (unlink(below) != 0 && errno == EISDIR) {
        each(below, remove_one);
        CHECK(rmdir(below) == 0);
    }
}

static void mirror(const char *path, const char *name)
{
    char copy[LONG], directory[LONG];
    join(directory, precious, path + strlen(space_path), "/");
    join(copy, directory, name, "");
    struct stat st;
    if (lstat(copy, &st) != 0)
        write_text(copy);
}

/* A directory like the space, in which each file's name is a precious file's. */
static void make_precious(void)
{
    char path[LONG];
    each(precious, remove_one);
    for (size_t i = 1; i < PARTS; i++) {
        /* Of the same rights: what tells them apart is which directory it is. One that was removed
         * by now has none. */
        struct stat st = {.st_mode = 0700};
        join(path, space_path, parts[i], "");
        (void)lstat(path, &st);
        join(path, precious, parts[i], "");
        CHECK(mkdir(path, 0700) == 0 && chmod(path, st.st_mode & 07777) == 0);
    }
    for (size_t i = 0; i < PARTS; i++) {
        join(path, space_path, parts[i], "");
        each(path, mirror);
    }
}

static uint64_t hash;
static void mix(const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
}
/* In any order, for a directory's may change by itself. */
static void sign(const char *path, const char *name)
{
    char below[LONG], text[16] = {0};
    struct stat st;
    uint64_t others = hash;
    join(below, path, "/", name);
    CHECK(lstat(below, &st) == 0);
    hash = UINT64_C(0xcbf29ce484222325);
    mix(below, strlen(below));
    mix(&st.st_ino, sizeof st.st_ino);
    mix(&st.st_mode, sizeof st.st_mode);
    mix(&st.st_uid, sizeof st.st_uid);
    mix(&st.st_gid, sizeof st.st_gid);
    mix(&st.st_nlink, sizeof st.st_nlink);
    mix(&st.st_size, sizeof st.st_size);
    mix(&st.st_mtim, sizeof st.st_mtim);
    mix(&st.st_ctim, sizeof st.st_ctim);
    int fd = S_ISREG(st.st_mode) ? open(below, O_RDONLY) : -1;
    if (fd >= 0) {
        mix(text, (size_t)read(fd, text, sizeof text));
        close(fd);
    }
    hash += others;
    if (S_ISDIR(st.st_mode))
        each(below, sign);
}
static uint64_t signature(void)
{
    hash = 0;
    each(precious, sign);
    return hash;
}

/* ---- swapping --------------------------------------------------------------------------- */

static unsigned aside;
static void swap_file(const char *path, const char *name)
{
    char from[LONG], to[LONG], target[LONG], directory[LONG], number[16];
    struct stat st;
    join(from, path, "/", name);
    if (lstat(from, &st) != 0 || S_ISDIR(st.st_mode))
        return;
    snprintf(number, sizeof number, "/%u", aside++);
    join(to, decoys, number, "");
    join(directory, precious, path + strlen(space_path), "/");
    join(target, directory, name, "");
    CHECK(rename(from, to) == 0 && symlink(target, from) == 0);
}

/* Private FIFOs of the user, which another user could move but not open. They are looked at through
 * descriptors: where they lie now, they may be removed. */
static int fifos[16];
static size_t fifos_count;
static void swap_fifo(const char *path, const char *name)
{
    char from[LONG], to[LONG], number[16];
    struct stat st;
    join(from, path, "/", name);
    if (lstat(from, &st) != 0 || !S_ISFIFO(st.st_mode))
        return;
    snprintf(number, sizeof number, "/%u", aside++);
    join(to, decoys, number, "");
    CHECK(mkfifo(to, 0600) == 0 && fifos_count < sizeof fifos / sizeof *fifos);
    CHECK((fifos[fifos_count++] = open(to, O_RDWR | O_NONBLOCK)) >= 0);
    CHECK(renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) == 0);
}
static bool a_fifo_was_changed(void)
{
    bool changed = false;
    while (fifos_count > 0) {
        int fd = fifos[--fifos_count], waiting = 0;
        struct stat st;
        CHECK(fstat(fd, &st) == 0 && ioctl(fd, FIONREAD, &waiting) == 0);
        changed = changed || (st.st_mode & 07777) != 0600 || waiting != 0;
        close(fd);
    }
    return changed;
}

/* Puts the decoy in, or takes it out again; those of files stay. */
static bool stays(enum swap which) { return which == FILES || which == FIFOS; }
static void swap(enum swap which)
{
    char here[LONG], decoy[LONG];
    if (stays(which)) {
        for (size_t i = 0; i < PARTS; i++) {
            join(here, space_path, parts[i], "");
            each(here, which == FILES ? swap_file : swap_fifo);
        }
        return;
    }
    join(here, space_path, parts[which], "");
    join(decoy, decoys, decoy_names[which], "");
    CHECK(renameat2(AT_FDCWD, here, AT_FDCWD, decoy, RENAME_EXCHANGE) == 0 ||
          errno == ENOENT); /* it was removed by now */
}

static void swap_back(enum swap which)
{
    char here[LONG];
    struct stat st;
    join(here, space_path, parts[which], "");
    if (lstat(here, &st) == 0 && S_ISLNK(st.st_mode)) /* or it was removed with the space */
        swap(which);
}

static void make_decoys(void)
{
    char target[LONG], decoy[LONG];
    each(decoys, remove_one);
    aside = 0;
    for (size_t i = 0; i < PARTS; i++) {
        join(target, precious, parts[i], "");
        join(decoy, decoys, decoy_names[i], "");
        CHECK(symlink(target, decoy) == 0);
    }
}

/* ---- trials ------------------------------------------------------------------------------- */

static int failures;
static unsigned long trials;

/* The swap before the k-th call that goes by a name, undone `back` calls later if it is not
 * negative. False when the operation has fewer calls. */
static bool try_one(const struct tree_case *c, enum swap which, int k, int back)
{
    tree_empty();
    make_decoys();
    tree_make_before(c);
    struct tree_run run = {.ready = c->ready, .operate = c->operate};
    pid_t pid = tree_start(&run);
    bool within = true;
    for (int i = 0; i <= k && within; i++)
        within = stepper_name(pid, run.shared);
    make_precious();
    uint64_t before = signature();
    swap(which);
    if (back >= 0 && !stays(which)) {
        bool going = within;
        for (int i = 0; i < back && going; i++)
            going = stepper_name(pid, run.shared);
        swap_back(which);
    }
    bool ended = stepper_finish(pid, run.shared);
    bool changed = a_fifo_was_changed() || signature() != before;
    if (!ended || changed) {
        printf("VIOLATION in '%s', %s swapped at system call %d, back %d calls later: %s\n",
               c->name, swap_names[which], k, back,
               ended ? "a file outside the space was changed" : "it did not end as it should");
        fflush(stdout);
        failures++;
    }
    if (!stays(which))
        swap_back(which);
    shared_memory_free(run.shared, sizeof *run.shared);
    trials++;
    return within;
}

/* ---- what test_trees has no use for -------------------------------------------------------- */

static liaison_mailbox *box;
static const struct liaison_policy endpoint = {
    .kind = LIAISON_KIND_ENDPOINT, .capacity = -1, .pair_capacity = -1};

static void create_and_watch(liaison_space *space)
{
    int fd;
    CHECK_OK(liaison_mailbox_open(space, "link", LIAISON_OPEN_OR_CREATE, &tree_policy, &box));
    CHECK_OK(liaison_mailbox_doorbell(box, &fd));
}
static void send(liaison_space *space)
{
    (void)space;
    test_send(box, "m", 1, 0);
}
static void clean_twice(liaison_space *space)
{
    struct liaison_cleaned out;
    liaison_space_clean(space, true, &out);
    liaison_space_clean(space, true, &out);
}
static void have_endpoint(liaison_space *space)
{
    CHECK_OK(liaison_mailbox_open(space, "link", LIAISON_OPEN_OR_CREATE, &endpoint, &box));
    CHECK_OK(liaison_endpoint_claim(box));
}
static void rename_endpoint(liaison_space *space)
{
    (void)space;
    liaison_link_alias(box, "other");
    liaison_link_set_label(box, "other");
    liaison_link_retire(box, "link");
}
static void look(liaison_space *space)
{
    liaison_mailbox *m;
    struct liaison_info info;
    struct liaison_peer peers[4];
    size_t count;
    liaison_space_members(space, peers, 4, &count);
    if (liaison_mailbox_open(space, "link", LIAISON_OBSERVE, NULL, &m) != LIAISON_OK)
        return;
    liaison_mailbox_info(m, &info);
    liaison_mailbox_close(m);
}
static void remove_space(liaison_space *space)
{
    struct liaison_kept kept;
    (void)space;
    liaison_space_remove(tree_directory, geteuid(), "trees", true, &kept);
}
static void half_remove(liaison_space *space)
{
    create_and_watch(space);
    liaison_mailbox_close(box);
    tree_decide(space);
}
static void open_anew(liaison_space *space)
{
    (void)space;
    liaison_space *again;
    liaison_space_open(tree_directory, geteuid(), "trees", true, (int64_t)getegid(), &again);
}
static const struct tree_case more[] = {
    {"remove the space", create_and_watch, tree_nothing, remove_space, true, true},
    {"come over a removed space", tree_nothing, half_remove, open_anew, true, true},
    {"send to one with a doorbell", tree_nothing, create_and_watch, send, true, true},
    {"clean a dead one with a doorbell", create_and_watch, tree_nothing, clean_twice, true, true},
    {"rename an endpoint", tree_nothing, have_endpoint, rename_endpoint, true, true},
    {"look at a link", have_endpoint, tree_nothing, look, true, true},
};

static void try_all(const struct tree_case *c, bool all, const char *filter)
{
    if (filter && !all && !strstr(c->name, filter))
        return;
    int calls = 0;
    for (int which = 0; which < SWAPS; which++)
        for (int back = -1; back < (stays((enum swap)which) ? 0 : all ? 8 : 2); back += 2) {
            int k = all ? 0 : which % STRIDE;
            while (try_one(c, (enum swap)which, k, back))
                k += all ? 1 : STRIDE;
            calls = k;
        }
    printf("%-36s %3d system calls\n", c->name, calls);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    stepper_required();
    tree_begin(true);
    bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
    const char *filter = argc > 1 ? argv[1] : NULL, *root = getenv("LIAISON_ROOT");
    join(precious, root, "/precious", "");
    join(decoys, root, "/decoys", "");
    join(space_path, tree_directory, "/trees", "");
    CHECK(mkdir(precious, 0750) == 0 && mkdir(decoys, 0750) == 0);
    liaison_space_close(tree_open_space());
    for (size_t i = 0; i < tree_cases_count; i++)
        try_all(&tree_cases[i], all, filter);
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        try_all(&more[i], all, filter);
    printf("%lu swaps; %d violations\n", trials, failures);
    return failures != 0;
}
