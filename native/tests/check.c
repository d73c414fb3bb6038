#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[64];
static pid_t owner;

static void remove_tree(const char *path)
{
    DIR *listing = opendir(path);
    struct dirent *e;
    while (listing && (e = readdir(listing)) != NULL) {
        char below[512];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        if (unlink(below) != 0)
            remove_tree(below);
    }
    if (listing)
        closedir(listing);
    rmdir(path);
}

void test_space_end(void)
{
    if (getpid() == owner)
        remove_tree(directory);
}

const char *test_directory(void)
{
    /* Not named by the pid: pids are reused, and a test that crashed has left its files. */
    strcpy(directory, "/dev/shm/liaison-test-XXXXXX");
    CHECK(mkdtemp(directory));
    owner = getpid();
    atexit(test_space_end);
    return directory;
}

liaison_space *test_space(void)
{
    char root[128];
    setenv("LIAISON_ROOT", test_directory(), 1);
    CHECK_OK(liaison_root(geteuid(), false, root, sizeof root));
    return test_space_in(root, "test");
}

liaison_space *test_space_in(const char *root, const char *name)
{
    liaison_space *space;
    CHECK_OK(liaison_space_open(root, geteuid(), name, true, -1, &space));
    return space;
}

liaison_mailbox *test_mailbox(liaison_space *space, const char *name, int64_t capacity)
{
    struct liaison_policy policy = {.capacity = capacity};
    liaison_mailbox *m;
    CHECK_OK(liaison_mailbox_open(space, name, LIAISON_OPEN_OR_CREATE, &policy, &m));
    return m;
}

int test_send(liaison_mailbox *m, const void *data, size_t size, int64_t timeout)
{
    struct liaison_wait wait = {.timeout = timeout};
    struct liaison_loan loan;
    int r = liaison_mailbox_loan(m, size, false, &wait, &loan);
    if (r != LIAISON_OK)
        return r;
    memcpy(loan.data, data, size);
    return liaison_mailbox_send_loan(m, &loan, 0, &wait, NULL);
}

int64_t test_receive(liaison_mailbox *m, void *data, size_t size, int64_t timeout)
{
    struct liaison_wait wait = {.timeout = timeout};
    struct liaison_delivery d;
    int r = liaison_mailbox_take(m, &wait, &d);
    if (r != LIAISON_OK)
        return -r;
    CHECK(d.size <= size);
    memcpy(data, d.data, d.size);
    CHECK_OK(liaison_mailbox_acknowledge(m, &d));
    return (int64_t)d.size;
}

void test_use(liaison_space *space)
{
    char text[4];
    liaison_mailbox *m = test_mailbox(space, "box", 1);
    CHECK_OK(test_send(m, "x", 1, 0));
    CHECK(test_receive(m, text, sizeof text, 0) == 1);
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
}

pid_t test_child(int (*body)(void *), void *context)
{
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(body(context));
    return pid;
}

int test_lease_and_die(void *m)
{
    struct liaison_delivery d;
    CHECK_OK(liaison_mailbox_try_take(m, &d));
    liaison_mailbox_hold(m);
    raise(SIGKILL);
    return 0;
}

int test_wait(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        CHECK(errno == EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int test_entries(const char *directory)
{
    int n = 0;
    DIR *listing = opendir(directory);
    for (struct dirent *e; listing && (e = readdir(listing));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (listing)
        closedir(listing);
    return n;
}

int test_descriptors(void)
{
    int n = 0;
    DIR *listing = opendir("/proc/self/fd");
    CHECK(listing);
    while (readdir(listing))
        n++;
    closedir(listing);
    return n;
}

uint32_t test_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}
