/* descriptor.h — a file that is kept open.
 *
 * Its number proves nothing: a process that daemonises closes all descriptors, and their numbers
 * are then other files'. So before one that was kept is read, written, asked or closed, it is seen
 * to be still the same file. Between the look and the use another thread can only close it: whoever
 * closes numbers that others use at that moment is not helped by anything.
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

/* The number, if it is still that file's; -EBADF where it is not, and where there is none; another
 * negative errno where nobody can tell. */
int descriptor_number(const struct descriptor *d);

/* Puts `fresh`, the same file opened anew, in the place of `number`, which is not that file's any
 * more. Result: the one to use, another thread's where that was faster. */
int descriptor_renew(struct descriptor *d, int number, int fresh);

/* Whether it has this identity. */
bool descriptor_is(const struct descriptor *d, const struct stat *status);

/* Closes it, unless the number is another file's. */
void descriptor_close(struct descriptor *d);

/* All timers are one file to fstat, and all epolls. So they bear a mark, and so does what has no
 * time for fstat: the signal, 1 to 64, that it would send if it had an owner and were asked to.
 * Another file has this one only where somebody chose the same, for the same number, in this
 * process. To look takes half the time of fstat. */
bool descriptor_mark(int fd, int mark);
bool descriptor_marked(int fd, int mark);

#endif
