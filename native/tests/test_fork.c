/* What a forked child has of its parent: addresses of mappings that it does not have, at which
 * memory of its own may lie. However it was made: a bare clone runs no fork handlers. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/guard.h"
#include "check.h"
#include "links/handle.h"

#define SIZE (1u << 20)

static liaison_space *space;
static uint8_t *theirs;
static int cut;
static liaison_mailbox *held;

static void on_own_fault(int number)
{
    (void)number;
    _exit(3);
}

/* A SIGBUS that has nothing to do with liaison, beside memory of its own that lies where its parent
 * has the boards. Ends with what became of that memory. */
static int fault_beside_own_memory(void)
{
    uint8_t *own = mmap(theirs, SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (own != theirs)
        return 1; /* the parent's mapping is here */
    memset(own, 'A', SIZE);
    uint8_t *file = mmap(own + SIZE, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, cut, 0);
    if (file == MAP_FAILED)
        return 2;
    volatile uint8_t byte = file[0];
    (void)byte;
    for (size_t i = 0; i < SIZE; i++)
        if (own[i] != 'A')
            return 4;
    return 5; /* it survived a fault of its own */
}

static int make_child(bool bare)
{
    pid_t pid = bare ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(fault_beside_own_memory());
    return test_wait(pid);
}

/* The guard's table does not have that hole, so the fault is the child's own, and reaches the
 * handler that was there before. */
static void a_childs_own_memory_is_left_alone(void)
{
    theirs = (uint8_t *)space->boards;
    CHECK(make_child(false) == 3);
    CHECK(make_child(true) == 3);
}

/* As a member itself it is guarded as its parent is, and no entry of the parent's is in the way. */
static int be_guarded(void *context)
{
    liaison_mailbox *m = context;
    CHECK_OK(test_send(m, "x", 1, 0));
    char path[300];
    snprintf(path, sizeof path, "%s/members", liaison_space_path(space));
    CHECK(truncate(path, 0) == 0);
    volatile uint64_t *word = (volatile uint64_t *)space->page;
    (void)*word;
    return glance32(&space->page_broken) == 1 ? 0 : 1;
}

/* What a parent leased can be read by a child that has given up its end. */
static int look_at_what_is_leased(void *context)
{
    const struct liaison_delivery *d = context;
    CHECK_OK(test_send(held, "y", 1, 0)); /* as a user of its own */
    liaison_mailbox_keep_memory(held);
    liaison_mailbox_close(held);
    CHECK(memcmp(d->data, "precious", 8) == 0);
    liaison_mailbox *again = test_mailbox(space, "held", -1);
    CHECK_OK(test_send(again, "z", 1, 0));
    liaison_mailbox_close(again);
    return memcmp(d->data, "precious", 8);
}

static void what_a_parent_leased_can_be_looked_at(void)
{
    struct liaison_delivery d;
    struct liaison_attached list[4];
    size_t count;
    held = test_mailbox(space, "held", 4);
    CHECK_OK(test_send(held, "precious", 8, 0));
    CHECK_OK(liaison_mailbox_try_take(held, &d));
    CHECK(test_wait(test_child(look_at_what_is_leased, &d)) == 0);
    CHECK_OK(liaison_mailbox_attached(held, list, 4, &count));
    CHECK(count == 1);
    CHECK_OK(liaison_mailbox_acknowledge(held, &d));
    CHECK_OK(liaison_mailbox_destroy(held, false));
    liaison_mailbox_close(held);
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_own_fault};
    CHECK(sigaction(SIGBUS, &action, NULL) == 0);
    space = test_space();
    liaison_mailbox *m = test_mailbox(space, "box", 4);
    char path[300];
    snprintf(path, sizeof path, "%s/cut", liaison_space_path(space));
    cut = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(cut >= 0);
    a_childs_own_memory_is_left_alone();
    what_a_parent_leased_can_be_looked_at();
    CHECK(test_wait(test_child(be_guarded, m)) == 0);
    liaison_mailbox_close(m);
    liaison_space_close(space);
    return 0;
}
