/* The members file is recognised by its identity, not by its name, its size or a descriptor's
 * number: whatever happens to it, no living process is taken for dead, and no dead one for alive
 * while that can be known; if it cannot, users get an error, and nothing leaks. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "check.h"
#include "links/handle.h"
#include "space/member.h"
#include "space/space.h"

static char root[100];

static const char *path_of(const char *space, const char *what)
{
    static char path[4][PATH_MAX];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, PATH_MAX, "%s/%s/%s", root, space, what);
    return p;
}

/* ---- a process that has a message under lease ----------------------------------------------- */

struct holder {
    const char *space;
    int say[2], go_on[2];
    pid_t pid;
};

static int hold(void *context)
{
    struct holder *h = context;
    struct liaison_delivery d;
    struct liaison_wait wait = {.timeout = 60 * SECOND};
    char c;
    alarm(120);
    close(h->go_on[1]);
    liaison_mailbox *m = test_mailbox(test_space_in(root, h->space), "box", 4);
    CHECK_OK(liaison_mailbox_take(m, &wait, &d));
    CHECK(write(h->say[1], "l", 1) == 1);
    CHECK(read(h->go_on[0], &c, 1) == 1);
    return liaison_mailbox_acknowledge(m, &d) == LIAISON_OK ? 0 : 1;
}

static struct holder begin(liaison_mailbox *m, const char *space)
{
    struct holder h = {.space = space};
    char c;
    CHECK(pipe(h.say) == 0 && pipe(h.go_on) == 0);
    CHECK_OK(test_send(m, "held", 4, 0));
    h.pid = test_child(hold, &h);
    CHECK(read(h.say[0], &c, 1) == 1);
    return h;
}

static void forget(struct holder *h)
{
    for (int i = 0; i < 2; i++) {
        close(h->say[i]);
        close(h->go_on[i]);
    }
}

/* It is alive, and has had its message all the time. */
static void let_go(struct holder *h)
{
    CHECK(write(h->go_on[1], "g", 1) == 1);
    CHECK(test_wait(h->pid) == 0);
    forget(h);
}

static void kill_it(struct holder *h)
{
    kill(h->pid, SIGKILL);
    CHECK(test_wait(h->pid) == -SIGKILL);
    forget(h);
}

static uint64_t identity_of(const liaison_mailbox *m, uint64_t but)
{
    const struct segment *s = m->segment;
    for (uint32_t i = 0; i < s->geometry.attachments; i++) {
        uint64_t identity = observe(&s->attachments[i].identity);
        if (identity && identity != but)
            return identity;
    }
    abort();
}

/* ---- what becomes of the file -------------------------------------------------------------- */

static void unlinked(void) { CHECK(unlink(path_of("lab", "members")) == 0); }

static void copy(const char *from, const char *to)
{
    char text[4096];
    ssize_t n;
    int in = open(from, O_RDONLY), out = open(to, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(in >= 0 && out >= 0);
    while ((n = read(in, text, sizeof text)) > 0)
        CHECK(write(out, text, (size_t)n) == n);
    close(in);
    close(out);
}

static void copied(void)
{
    copy(path_of("lab", "members"), path_of("lab", "copy"));
    CHECK(rename(path_of("lab", "copy"), path_of("lab", "members")) == 0);
}

static void anothers(void)
{
    liaison_space_close(test_space_in(root, "other"));
    CHECK(rename(path_of("other", "members"), path_of("lab", "members")) == 0);
}

static void made_anew(void)
{
    unlinked();
    liaison_space_close(test_space_in(root, "lab"));
}

static void shorter(void) { CHECK(truncate(path_of("lab", "members"), TABLE_SIZE - 1) == 0); }

static void emptied(void)
{
    CHECK(truncate(path_of("lab", "members"), 0) == 0);
    CHECK(truncate(path_of("lab", "members"), TABLE_SIZE) == 0);
}

static void overwritten(void)
{
    liaison_space *other = test_space_in(root, "other");
    uint64_t identity;
    char text[4096];
    CHECK_OK(member_identity(other, &identity));
    int from = open(path_of("other", "members"), O_RDONLY);
    int to = open(path_of("lab", "members"), O_WRONLY);
    CHECK(from >= 0 && to >= 0);
    for (ssize_t n; (n = read(from, text, sizeof text)) > 0;)
        CHECK(write(to, text, (size_t)n) == n);
    close(from);
    close(to);
    liaison_space_close(other);
}

static const struct {
    const char *name;
    void (*happen)(void);
} cases[] = {
    {"unlinked", unlinked},        {"a copy in its place", copied},
    {"another space's", anothers}, {"made anew", made_anew},
    {"cut off", shorter},          {"emptied", emptied},
    {"overwritten", overwritten},
};

static int come(void *context)
{
    liaison_space *space;
    liaison_mailbox *m = NULL;
    (void)context;
    int r = liaison_space_open(root, geteuid(), "lab", true, -1, &space);
    if (r == LIAISON_OK)
        r = liaison_mailbox_open(space, "box", LIAISON_OPEN_OR_CREATE, NULL, &m);
    return r;
}

static void users_are_told(int i, bool probed)
{
    liaison_space *lab = test_space_in(root, "lab");
    liaison_mailbox *m = test_mailbox(lab, "box", 4);
    struct holder h = begin(m, "lab");
    uint64_t holder = identity_of(m, glance(&lab->identity));
    if (probed)
        CHECK(member_alive(lab, holder));
    cases[i].happen();
    /* A newcomer finds a link whose users are unknown, and takes nothing. */
    CHECK(test_wait(test_child(come, NULL)) == LIAISON_FOREIGN);
    int before = test_descriptors();
    for (int n = 0; n < 3; n++)
        CHECK(member_alive(lab, holder));
    /* Its users get an error, and do not wait for ever. */
    char text[8];
    int64_t r = 0;
    note32(&lab->last_seen, process_tick() - 2000); /* as if it had not looked for a while */
    note32(&m->segment->last_seen, process_tick() - 2000);
    for (alarm(60); (r = test_receive(m, text, sizeof text, SECOND / 50)) == -LIAISON_EMPTY;)
        ;
    alarm(0);
    CHECK(r == -LIAISON_DESTROYED);
    CHECK_RESULT(LIAISON_DESTROYED, test_send(m, "x", 1, 0));
    liaison_mailbox *other;
    CHECK_RESULT(LIAISON_FOREIGN, liaison_mailbox_open(lab, "new", LIAISON_CREATE, NULL, &other));
    CHECK(member_alive(lab, holder));
    CHECK(test_descriptors() <= before + 1); /* a probe, where there was none */
    if (probed) {
        kill_it(&h);
        /* What is open already is the old file, and the lock that it had is free. */
        for (alarm(60); member_alive(lab, holder);)
            ;
        alarm(0);
    } else {
        let_go(&h);
    }
    /* A link that no process can use any more is cleaned by any process that can open the space. */
    struct liaison_cleaned cleaned;
    liaison_space *now;
    if (liaison_space_open(root, geteuid(), "lab", true, -1, &now) == LIAISON_OK) {
        CHECK_OK(liaison_space_clean(now, false, &cleaned));
        CHECK(cleaned.nameless == 1 && access(path_of("lab", "names/box"), F_OK) != 0);
        liaison_mailbox *fresh = test_mailbox(now, "box", 4);
        CHECK_OK(test_send(fresh, "works", 5, 0));
        CHECK_OK(liaison_mailbox_destroy(fresh, false));
        liaison_mailbox_close(fresh);
        liaison_space_close(now);
    }
    liaison_mailbox_close(m);
    liaison_space_close(lab);
}

static void remove_space(const char *name)
{
    static const char *const what[] = {"links", "names", "bells"};
    for (int i = 0; i < 3; i++) {
        DIR *listing = opendir(path_of(name, what[i]));
        for (struct dirent *e; listing && (e = readdir(listing));)
            unlinkat(dirfd(listing), e->d_name, 0);
        if (listing)
            closedir(listing);
        rmdir(path_of(name, what[i]));
    }
    unlink(path_of(name, "members"));
    rmdir(path_of(name, ""));
}

/* ---- a file that is a byte too long -------------------------------------------------------- */

static void a_longer_file_does_no_harm(void)
{
    liaison_space *lab = test_space_in(root, "lab");
    liaison_mailbox *m = test_mailbox(lab, "box", 4);
    struct holder h = begin(m, "lab");
    char text[8];
    CHECK(truncate(path_of("lab", "members"), TABLE_SIZE + 1) == 0);
    CHECK(test_receive(m, text, sizeof text, SECOND / 20) == -LIAISON_EMPTY);
    int before = test_descriptors();
    kill_it(&h);
    CHECK(test_receive(m, text, sizeof text, 60 * SECOND) == 4);
    CHECK(test_descriptors() == before - 4); /* the holder's pipes */
    CHECK(test_wait(test_child(come, NULL)) == LIAISON_OK);
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
    liaison_space_close(lab);
}

/* ---- a descriptor's number that is another file's ------------------------------------------- */

static int lose_all_descriptors(void *context)
{
    (void)context;
    liaison_space *one = test_space_in(root, "one"), *two = test_space_in(root, "two");
    liaison_mailbox *m = test_mailbox(one, "box", 4);
    struct holder h = begin(m, "one");
    uint64_t holder = identity_of(m, glance(&one->identity)), nobody = 4000;
    CHECK(member_alive(one, holder));
    int probe = atomic_load(&one->probe.fd);
    CHECK(probe >= 0 && !member_alive(two, nobody));
    /* A daemon; and what it opens next is the other space's, on that very number. */
    int go_on = h.go_on[1];
    for (int fd = 3; fd < 1000; fd++)
        if (fd != go_on)
            close(fd);
    int other = open(path_of("two", "members"), O_RDWR);
    CHECK(other >= 0 && (other == probe || dup2(other, probe) == probe));
    if (other != probe)
        close(other);
    CHECK(member_alive(one, holder));
    char text[8];
    CHECK(test_receive(m, text, sizeof text, SECOND / 10) == -LIAISON_EMPTY);
    CHECK(atomic_load(&one->probe.fd) != probe);
    CHECK(!member_alive(two, nobody));
    int before = test_descriptors();
    liaison_mailbox_close(m);
    CHECK(fcntl(probe, F_GETFD) >= 0); /* still open: it is not the engine's */
    CHECK(test_descriptors() <= before);
    CHECK(write(go_on, "g", 1) == 1);
    return test_wait(h.pid);
}

/* ---- a space whose directories have the numbers of one before ----------------------------------
 */

static void a_space_with_another_table_is_another(void)
{
    liaison_space *before = test_space_in(root, "again");
    uint64_t was, is;
    CHECK_OK(member_identity(before, &was));
    CHECK(unlink(path_of("again", "members")) == 0);
    liaison_space *after = test_space_in(root, "again");
    CHECK(after != before && memcmp(after->inodes, before->inodes, sizeof after->inodes) == 0);
    before->probe.inode = after->probe.inode; /* that comes again too */
    liaison_space *once_more = test_space_in(root, "again");
    CHECK(once_more == after);
    CHECK_OK(member_identity(after, &is));
    CHECK(member_alive(after, is));
    liaison_space_close(once_more);
    liaison_space_close(after);
    liaison_space_close(before);
}

int main(void)
{
    liaison_space_close(test_space());
    CHECK_OK(liaison_root(geteuid(), false, root, sizeof root));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int probed = 0; probed < 2; probed++) {
            users_are_told((int)i, probed);
            remove_space("lab");
            remove_space("other");
            printf("%s%s\n", cases[i].name, probed ? ", with a probe open" : "");
            fflush(stdout);
        }
    a_longer_file_does_no_harm();
    CHECK(test_wait(test_child(lose_all_descriptors, NULL)) == 0);
    a_space_with_another_table_is_another();
    return 0;
}
