/* A bell that a cleaner takes for a dead maker's while it is being made is made anew, at whichever
 * moment it goes; where all are taken, that is the end of no link. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

static int after;   /* looks at a FIFO, after which it goes; 0: none does */
static bool always; /* and so again at every look */

/* The engine's own, for it is linked from its objects. The kernel finds the name first and then
 * reads what the file is: removed in between, it is a file that has no name. */
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
    /* Where each goes, there is none; but the link is as it was. */
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
