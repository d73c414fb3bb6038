#include "steps/caller.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static liaison_mailbox *box;

static void come(void *context)
{
    const struct caller *c = context;
    CHECK_OK(liaison_mailbox_open(c->space, c->link, LIAISON_OPEN, NULL, &box));
}

static void send_one(void *context)
{
    (void)context;
    CHECK_OK(test_send(box, "x", 1, 0));
}

struct caller caller_begin(liaison_space *space, const char *link)
{
    struct caller c = {.shared = stepper_shared(), .space = space, .link = link};
    c.pid = stepper_start(&(struct body){come, send_one, &c, c.shared});
    return c;
}

bool caller_step(const struct caller *c, unsigned long steps)
{
    bool within = true;
    for (; steps > 0 && within; steps--)
        within = stepper_step(c->pid, c->shared);
    return within;
}

void caller_kill(const struct caller *c)
{
    stepper_kill(c->pid);
    shared_memory_free(c->shared, sizeof *c->shared);
}

static int send_in_peace(void *context)
{
    come(context);
    send_one(context);
    return 0;
}

void caller_send(liaison_space *space, const char *link)
{
    struct caller c = {.space = space, .link = link};
    CHECK(test_wait(test_child(send_in_peace, &c)) == 0);
}

bool lies_on_the_futex(pid_t pid, const volatile int *awake)
{
    char path[64], expected[16], text[16] = "";
    snprintf(path, sizeof path, "/proc/%d/syscall", pid);
    snprintf(expected, sizeof expected, "%d ", SYS_futex);
    while (!*awake) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        CHECK(fd >= 0 && read(fd, text, sizeof text) > 0);
        close(fd);
        if (strncmp(text, expected, strlen(expected)) == 0 && !*awake)
            return true;
        sched_yield();
    }
    return false;
}
