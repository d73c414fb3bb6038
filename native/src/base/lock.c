#include "base/lock.h"

#include <errno.h>
#include <sys/file.h>
#include <time.h>

#include "base/process.h"

/* Between two tries to lock. Its holder makes a few system calls. */
#define MOMENT 500000L

int lock_file(int file, int64_t patience)
{
    for (int64_t end = process_now() + patience;;) {
        process_lock();
        if (flock(file, LOCK_EX | LOCK_NB) == 0)
            return 0;
        int error = errno;
        process_unlock();
        if (error != EWOULDBLOCK || process_now() >= end)
            return -error;
        nanosleep(&(struct timespec){0, MOMENT}, NULL);
    }
}

void unlock_file(int file)
{
    flock(file, LOCK_UN); /* closing would do it as well, were it certain to be the last */
    process_unlock();
}
