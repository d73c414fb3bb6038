/* A bell that a cleaner removes while it is being made, as a dead maker's, is made again, at
 * whichever moment it is removed; if all of them are removed, no link ends by that. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

static int after;   /* looks at a FIFO after which it is removed; 0: never */
static bool always; /* and so again at every look */

/* Replaces the system's function for the engine, whose objects are linked here. The kernel finds
 * the name first and then reads the file's status: removed in between, it is a file without a
 * name. */
int fstatat(int directory, const char *name, struct stat *st, int flags)
{
    int r = (int)syscall(SYS_newfstatat, directory, name, st, flags);
    if (r == 0 && S_ISFIFO(st->st_mode) && (always || (after && --after == 0))) {
        CHECK(unlinkat(directory, name, 0) == 0);
        st->st_nlink = 0;
    }
    return r;
}

int main(void)
{
    liaison_space *space = test_space();
    liaison_mailbox *m = test_mailbox(space, "box", 4);
    int fd;
    after = 1;
    CHECK_OK(liaison_mailbox_doorbell(m, &fd));
    CHECK(after == 0);
    liaison_mailbox_close(m);
    /* If each is removed there is no bell; but the link works as before. */
    m = test_mailbox(space, "other", 4);
    always = true;
    CHECK_RESULT(-EAGAIN, liaison_mailbox_doorbell(m, &fd));
    always = false;
    CHECK(!liaison_mailbox_vanished(m));
    CHECK_OK(test_send(m, "x", 1, 0));
    CHECK_OK(liaison_mailbox_doorbell(m, &fd));
    CHECK_OK(liaison_mailbox_destroy(m, true));
    liaison_mailbox_close(m);
    liaison_space_close(space);
    return 0;
}
