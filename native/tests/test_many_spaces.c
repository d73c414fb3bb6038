/* A space that a process does not use costs it no descriptor and one mapping, and the process is
 * still a member; and neither a chroot nor a new mount namespace changes where a space is for a
 * process that uses it. With --all, ten thousand spaces rather than five hundred. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "check.h"
#include "links/handle.h"
#include "space/member.h"

static char root[100];

static int mappings(void)
{
    int n = 0;
    char line[500];
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps);
    while (fgets(line, sizeof line, maps))
        n += strstr(line, "/members") != NULL;
    fclose(maps);
    return n;
}

/* ---- many of them ------------------------------------------------------------------------------
 */

static int use_many(void *context)
{
    int count = *(int *)context;
    struct rlimit few = {64, 64};
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    liaison_space **spaces = calloc((size_t)count, sizeof *spaces);
    CHECK(spaces);
    int before = test_descriptors();
    for (int i = 0; i < count; i++) {
        char name[20];
        snprintf(name, sizeof name, "s%d", i);
        spaces[i] = test_space_in(root, name);
        test_use(spaces[i]);
        CHECK(i % 100 || test_descriptors() == before);
    }
    CHECK(mappings() <= count);
    for (int i = 0; i < count; i += count / 10)
        test_use(spaces[i]); /* a space that was at rest works like any other */
    CHECK(test_descriptors() == before && mappings() <= count);
    for (int i = 0; i < count; i++)
        liaison_space_close(spaces[i]);
    CHECK(test_descriptors() == before && mappings() == 0);
    free(spaces);
    return 0;
}

/* ---- at rest -----------------------------------------------------------------------------------
 */

static int ask_who_lives(void *context)
{
    uint64_t identity = *(uint64_t *)context;
    return member_alive(test_space_in(root, "rest"), identity) ? 0 : 1;
}

/* The process still is alive, the creator of its links, and the sender of its messages. */
static void a_resting_process_is_a_member(void)
{
    liaison_space *space = test_space_in(root, "rest");
    int before = test_descriptors();
    liaison_mailbox *m = test_mailbox(space, "box", 1), *other;
    uint64_t identity = glance(&space->identity), again;
    CHECK_OK(test_send(m, "x", 1, 0));
    liaison_mailbox_close(m);
    CHECK(test_descriptors() == before && mappings() == 1);
    CHECK(test_wait(test_child(ask_who_lives, &identity)) == 0);
    CHECK(member_alive(space, identity));
    /* Failing to open, and looking, leave nothing behind either. */
    CHECK_RESULT(LIAISON_NAME_TAKEN,
                 liaison_mailbox_open(space, "box", LIAISON_CREATE, NULL, &other));
    CHECK_RESULT(LIAISON_NOT_FOUND,
                 liaison_mailbox_open(space, "none", LIAISON_OPEN, NULL, &other));
    CHECK_OK(liaison_mailbox_open(space, "box", LIAISON_OBSERVE, NULL, &other));
    liaison_mailbox_close(other);
    struct liaison_peer peers[4];
    struct liaison_cleaned cleaned;
    size_t count;
    int fd;
    CHECK_OK(liaison_space_members(space, peers, 4, &count));
    CHECK(count == 1 && peers[0].pid == getpid());
    CHECK_OK(liaison_space_introduce(space, "me"));
    CHECK_OK(liaison_space_clean(space, true, &cleaned));
    CHECK(cleaned.links == 0); /* its creator lives */
    CHECK_OK(liaison_space_directory(space, LIAISON_SPACE_LINKS, &fd));
    close(fd);
    CHECK(test_descriptors() == before && mappings() == 1);
    m = test_mailbox(space, "box", 1);
    CHECK_OK(member_identity(space, &again));
    CHECK(again == identity);
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
    liaison_space_close(space);
    CHECK(mappings() == 0);
}

/* ---- elsewhere ----------------------------------------------------------------------------------
 */

static int look_from_elsewhere(void *context)
{
    bool mounts = *(bool *)context;
    char text[4], below[PATH_MAX];
    liaison_space *space = test_space_in(root, "there");
    liaison_mailbox *m = test_mailbox(space, "box", 4), *other;
    int fd;
    snprintf(below, sizeof below, "%s/empty", root);
    mkdir(below, 0700);
    if (mounts
            ? unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
                  mount("none", "/dev/shm", "tmpfs", 0, NULL) != 0
            : chroot(below) != 0)
        return 77;
    CHECK(access(liaison_space_path(space), F_OK) != 0);
    CHECK_OK(liaison_mailbox_open(space, "new", LIAISON_CREATE, NULL, &other));
    CHECK_OK(liaison_mailbox_doorbell(other, &fd));
    CHECK_OK(test_send(other, "x", 1, 0));
    CHECK(test_receive(other, text, sizeof text, 0) == 1);
    for (int i = 0; i < 3; i++) { /* and nothing is taken for removed */
        note32(&m->segment->last_seen, process_tick() - 2000);
        note32(&space->last_seen, process_tick() - 2000);
        CHECK_OK(test_send(m, "x", 1, 0));
    }
    CHECK(!member_alive(space, 4000));
    CHECK_OK(liaison_mailbox_destroy(other, false));
    liaison_mailbox_close(other);
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
    return 0;
}

/* A space that was renamed counts as removed: opening its name finds another, or none. */
static void a_space_without_its_name_is_gone(void)
{
    char from[PATH_MAX], to[PATH_MAX];
    liaison_space *space = test_space_in(root, "there");
    liaison_mailbox *m = test_mailbox(space, "box", 4);
    snprintf(from, sizeof from, "%s/there", root);
    snprintf(to, sizeof to, "%s/elsewhere", root);
    CHECK(rename(from, to) == 0);
    note32(&m->segment->last_seen, process_tick() - 2000);
    CHECK_RESULT(LIAISON_DESTROYED, test_send(m, "x", 1, 0));
    liaison_mailbox_close(m);
    liaison_space_close(space);
}

int main(int argc, char **argv)
{
    int count = argc > 1 && strcmp(argv[1], "--all") == 0 ? 10000 : 500;
    liaison_space_close(test_space());
    CHECK_OK(liaison_root(geteuid(), false, root, sizeof root));
    a_resting_process_is_a_member();
    for (int i = 0; i < 2; i++) {
        bool mounts = i == 1;
        int code = test_wait(test_child(look_from_elsewhere, &mounts));
        printf("%s: %s\n", mounts ? "mount namespace" : "chroot", code == 77 ? "skipped" : "tried");
        CHECK(code == 0 || (code == 77 && geteuid() != 0));
    }
    a_space_without_its_name_is_gone();
    CHECK(test_wait(test_child(use_many, &count)) == 0);
    return 0;
}
