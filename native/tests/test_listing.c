/* If the kernel cannot report which members hold their locks, listing them fails rather than
 * showing none. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

static bool refuses;

/* Replaces the system's function for the engine, whose objects are linked here. */
int fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (refuses && command == F_OFD_GETLK) {
        errno = ENOLCK;
        return -1;
    }
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

int main(void)
{
    liaison_space *space = test_space();
    liaison_mailbox *m = test_mailbox(space, "box", 4);
    struct liaison_peer peers[4];
    size_t count;
    CHECK_OK(liaison_space_members(space, peers, 4, &count));
    CHECK(count == 1);
    CHECK_OK(liaison_space_users(space, peers, 4, &count));
    CHECK(count == 1);
    refuses = true;
    CHECK_RESULT(-ENOLCK, liaison_space_members(space, peers, 4, &count));
    CHECK_RESULT(-ENOLCK, liaison_space_users(space, peers, 4, &count));
    refuses = false;
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
    liaison_space_close(space);
    return 0;
}
