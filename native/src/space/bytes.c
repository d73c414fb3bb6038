#include "space/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/platform.h"

static int ask(int fd, int command, uint32_t byte, short *type)
{
    struct flock lock = {.l_type = *type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    int r = fcntl(fd, command, &lock) == 0 ? 0 : -errno;
    *type = lock.l_type;
    bool held = command == F_OFD_SETLK && r == -EACCES; /* as some systems say EAGAIN */
    return r != 0 && platform_refused(-r) && !held ? platform_lacks("OFD locks") : r;
}

int byte_lock(int fd, uint32_t byte) { return ask(fd, F_OFD_SETLK, byte, &(short){F_WRLCK}); }
int byte_share(int fd, uint32_t byte) { return ask(fd, F_OFD_SETLK, byte, &(short){F_RDLCK}); }
int byte_unlock(int fd, uint32_t byte) { return ask(fd, F_OFD_SETLK, byte, &(short){F_UNLCK}); }

int byte_look(int fd, uint32_t byte, bool *locked)
{
    short type = F_WRLCK;
    int r = ask(fd, F_OFD_GETLK, byte, &type);
    *locked = type != F_UNLCK;
    return r;
}

/* The kernel reports any one lock in a range, so the range is cut until it reports none: a few
 * calls for each member, where asking for each number would take thousands. */
int bytes_next(int fd, uint32_t *at, uint32_t end)
{
    while (*at < end) {
        struct flock lock = {
            .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = *at, .l_len = end - *at};
        if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
            return -errno;
        if (lock.l_type != F_UNLCK && lock.l_start <= *at)
            return 0;
        if (lock.l_type == F_UNLCK)
            *at = end;
        else
            end = (uint32_t)lock.l_start; /* below `end`: it lies in the range */
    }
    return 0;
}
