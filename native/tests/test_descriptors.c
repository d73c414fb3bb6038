/* A process that daemonises closes all descriptors, and opens files of its own, which then have the
 * numbers of those that are kept here: they are never read, written, armed or closed, not by a
 * forked child either. What was kept is made anew at the next use, and nothing leaks. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "check.h"
#include "links/handle.h"
#include "space/member.h"

#define FIRST 3
#define LAST 200

static liaison_space *space;

/* ---- the user's own files ---------------------------------------------------------------------
 */

/* A pipe with something in it that only its owner may read, on every number; or one of the user's
 * own timers, or epolls, which are one file to fstat. */
enum own { PIPES, TIMERS, EPOLLS, KINDS };
static int inner[2];

static int open_one(enum own kind)
{
    struct itimerspec never = {.it_value = {.tv_sec = 1000000}};
    struct epoll_event e = {.events = EPOLLIN};
    int fd = -1;
    if (kind == PIPES)
        return dup(inner[0]);
    fd = kind == TIMERS ? timerfd_create(CLOCK_MONOTONIC, 0) : epoll_create1(0);
    CHECK(fd >= 0);
    if (kind == TIMERS)
        CHECK(timerfd_settime(fd, 0, &never, NULL) == 0);
    else
        CHECK(epoll_ctl(fd, EPOLL_CTL_ADD, inner[0], &e) == 0);
    return fd;
}

static bool as_it_was(enum own kind, int fd)
{
    struct itimerspec left;
    struct epoll_event e;
    int n;
    if (kind == PIPES)
        return fcntl(fd, F_GETFD) >= 0;
    if (kind == TIMERS)
        return timerfd_gettime(fd, &left) == 0 && left.it_value.tv_sec > 1000;
    n = epoll_wait(fd, &e, 1, 0);
    return n == 1 && e.events == EPOLLIN;
}

/* Closes all, and has files of its own on all numbers from FIRST to LAST. */
static void daemonise(enum own kind)
{
    for (int fd = FIRST; fd <= LAST; fd++)
        close(fd);
    CHECK(pipe2(inner, O_NONBLOCK) == 0);
    CHECK(write(inner[1], "precious", 8) == 8);
    for (int i = 0; i < 2; i++) { /* out of the way */
        int up = fcntl(inner[i], F_DUPFD, LAST + 1);
        close(inner[i]);
        inner[i] = up;
    }
    for (int fd; (fd = open_one(kind)) <= LAST;)
        CHECK(fd >= FIRST);
}

static int disturbed(enum own kind)
{
    char text[16];
    int n = 0;
    for (int fd = FIRST; fd <= LAST; fd++)
        n += !as_it_was(kind, fd);
    CHECK(read(inner[0], text, sizeof text) == 8 && memcmp(text, "precious", 8) == 0);
    CHECK(write(inner[1], "precious", 8) == 8);
    return n;
}

/* ---- whatever keeps descriptors ---------------------------------------------------------------
 */

struct kept {
    liaison_mailbox *box, *full, *reader, *writer;
    int bell, room;
};

static void look_in_vain(const struct kept *k)
{
    struct liaison_delivery d;
    CHECK_RESULT(LIAISON_EMPTY, liaison_mailbox_try_take(k->box, &d));
    CHECK_RESULT(LIAISON_EMPTY, liaison_mailbox_ready(k->box));
}

static void ask_for_all(struct kept *k)
{
    CHECK_OK(liaison_mailbox_doorbell(k->box, &k->bell));
    CHECK_OK(liaison_mailbox_doorbell_for_room(k->full, &k->room));
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

/* By another process, which rings it. */
static int send_one(void *context)
{
    const char *name = context;
    liaison_mailbox *m = test_mailbox(space, name, -1);
    CHECK_OK(test_send(m, "x", 1, 0));
    return 0;
}

static void begin(struct kept *k)
{
    char text[4];
    *k =
        (struct kept){.box = test_mailbox(space, "box", 4), .full = test_mailbox(space, "full", 1)};
    CHECK_OK(liaison_pipe_create(space, NULL, &k->reader, &k->writer));
    CHECK_OK(test_send(k->full, "x", 1, 0));
    ask_for_all(k);
    /* Bells that were rung are kept; so is a probe. */
    CHECK_OK(test_send(k->box, "x", 1, 0));
    CHECK(test_receive(k->box, text, sizeof text, 0) == 1);
    look_in_vain(k);
}

static void use(struct kept *k)
{
    char text[4];
    uint64_t nobody = 4000;
    for (int i = 0; i < 3; i++) {
        look_in_vain(k);
        CHECK_OK(test_send(k->box, "x", 1, 0));
        CHECK(test_receive(k->box, text, sizeof text, 0) == 1);
        CHECK_RESULT(LIAISON_FULL, test_send(k->full, "x", 1, 0));
    }
    (void)member_alive(space, nobody);
    int memory, token;
    CHECK_RESULT(LIAISON_CLOSED, liaison_pipe_descriptors(k->reader, &memory, &token));
    CHECK(test_receive(k->reader, text, sizeof text, 0) == -LIAISON_EMPTY);
}

static void end(struct kept *k)
{
    liaison_mailbox_close(k->box);
    liaison_mailbox_close(k->full);
    liaison_mailbox_close(k->reader);
    liaison_mailbox_close(k->writer);
}

static int use_and_end(void *context)
{
    use(context);
    end(context);
    return 0;
}

static int be_a_daemon(void *context)
{
    enum own kind = *(enum own *)context;
    struct kept k;
    alarm(60);
    begin(&k);
    daemonise(kind);
    use(&k);
    CHECK(disturbed(kind) == 0);
    /* A child inherits the numbers, and the files that they are now. */
    CHECK(test_wait(test_child(use_and_end, &k)) == 0);
    CHECK(disturbed(kind) == 0);
    /* Made anew when they are asked for, and they work as before. */
    int before = test_descriptors();
    ask_for_all(&k);
    CHECK(k.bell > LAST && k.room > LAST);
    CHECK(test_wait(test_child(send_one, "box")) == 0);
    CHECK(readable(k.bell));
    char text[4];
    CHECK(test_receive(k.box, text, sizeof text, 0) == 1);
    look_in_vain(&k);
    CHECK(!readable(k.bell));
    int made = test_descriptors() - before;
    for (int i = 0; i < 10; i++)
        ask_for_all(&k);
    CHECK(test_descriptors() == before + made);
    CHECK(disturbed(kind) == 0);
    CHECK_OK(liaison_mailbox_destroy(k.box, false));
    CHECK_OK(liaison_mailbox_destroy(k.full, false));
    end(&k);
    CHECK(test_descriptors() <= before);
    CHECK(disturbed(kind) == 0);
    return 0;
}

/* ---- another bell on the old numbers -----------------------------------------------------------
 */

/* Timers are one file to fstat, and epolls too: of two bells made in the same order after all was
 * closed, each number is the other's. */
static int one_has_the_others_numbers(void *context)
{
    liaison_mailbox *one = test_mailbox(space, "one", 4), *other = test_mailbox(space, "other", 4);
    struct liaison_delivery d;
    int bell[2];
    (void)context;
    alarm(60);
    CHECK_OK(liaison_mailbox_doorbell(one, &bell[0]));
    for (int fd = FIRST; fd <= LAST; fd++)
        close(fd);
    CHECK_OK(liaison_mailbox_doorbell(other, &bell[1]));
    CHECK(bell[0] == bell[1]);
    CHECK(test_wait(test_child(send_one, "other")) == 0);
    CHECK_RESULT(LIAISON_EMPTY, liaison_mailbox_try_take(one, &d));
    CHECK(readable(bell[1])); /* it was not silenced */
    liaison_mailbox_close(one);
    CHECK(readable(bell[1]));
    liaison_mailbox_close(other);
    CHECK(fcntl(bell[1], F_GETFD) < 0 && errno == EBADF);
    return 0;
}

/* ---- a pipe's token and memory, on the numbers of another pipe's
 * --------------------------------- */

static int one_pipe_has_the_others_numbers(void *context)
{
    liaison_mailbox *reader[2], *writer[2];
    int memory[2], token[2];
    char text[4];
    (void)context;
    alarm(60);
    CHECK_OK(liaison_pipe_create(space, NULL, &reader[0], &writer[0]));
    CHECK_OK(liaison_pipe_descriptors(reader[0], &memory[0], &token[0]));
    for (int fd = FIRST; fd <= LAST; fd++)
        close(fd);
    CHECK_OK(liaison_pipe_create(space, NULL, &reader[1], &writer[1]));
    CHECK_OK(liaison_pipe_descriptors(reader[1], &memory[1], &token[1]));
    CHECK(token[0] == token[1]);
    int fd;
    (void)liaison_mailbox_doorbell(reader[0], &fd);
    liaison_mailbox_close(writer[0]);
    liaison_mailbox_close(reader[0]);
    CHECK_OK(test_send(writer[1], "x", 1, 0));
    CHECK(test_receive(reader[1], text, sizeof text, 0) == 1);
    CHECK_OK(liaison_pipe_descriptors(reader[1], &memory[0], &token[0]));
    return 0;
}

int main(void)
{
    for (int fd = FIRST; fd <= LAST; fd++)
        close(fd); /* those inherited from its parent */
    space = test_space();
    for (enum own kind = 0; kind < KINDS; kind++)
        CHECK(test_wait(test_child(be_a_daemon, &kind)) == 0);
    CHECK(test_wait(test_child(one_has_the_others_numbers, NULL)) == 0);
    CHECK(test_wait(test_child(one_pipe_has_the_others_numbers, NULL)) == 0);
    liaison_space_close(space);
    return 0;
}
