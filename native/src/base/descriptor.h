/* descriptor.h — a file that is kept open.
 *
 * Its number proves nothing: a process that daemonises closes all descriptors, and their numbers
 * are then other files'. So before a kept descriptor is read, written, asked or closed, it is
 * compared with the file that it was opened for. Between the check and the use another thread can
 * still close it: nothing protects a program that closes numbers which its other threads use at
 * that moment.
 */
#ifndef LIAISON_DESCRIPTOR_H
#define LIAISON_DESCRIPTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

struct descriptor {
    _Atomic int fd; /* -1: none */
    dev_t device;   /* which file it is; known before it is open where it comes and goes */
    ino_t inode;
};
#define DESCRIPTOR_NONE ((struct descriptor){.fd = -1})

/* Keeps `fd`, and notes which file that is. Result: 0 or a negative errno. */
int descriptor_keep(struct descriptor *d, int fd);

/* The number, if it is still that file's; -EBADF if it is not, or if there is none; another
 * negative errno if that cannot be checked. */
int descriptor_number(const struct descriptor *d);

/* Replaces `number`, which is not that file's any more, by `fresh`, the same file opened anew.
 * Result: the number to use, which is another thread's if that was faster. */
int descriptor_renew(struct descriptor *d, int number, int fresh);

/* Whether it has this identity. */
bool descriptor_is(const struct descriptor *d, const struct stat *status);

/* Closes it, unless the number is another file's. */
void descriptor_close(struct descriptor *d);

/* All timers are one file to fstat, and all epolls. So they have a mark, and so have descriptors
 * for which fstat would take too long. The mark is the signal, 1 to 64, that F_SETSIG sets and that
 * is never sent, because they have no owner. Another file has the same mark only if somebody in
 * this process chose it for the same number. Reading it takes half the time of fstat. */
bool descriptor_mark(int fd, int mark);
bool descriptor_marked(int fd, int mark);

#endif
