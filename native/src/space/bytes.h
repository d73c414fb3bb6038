/* bytes.h — the bytes of the members file that processes lock, and what each lock means.
 *
 * They are locks of an open file description, which the kernel frees with the last descriptor and
 * the last mapping of it. Nothing is read or written at these bytes. */
#ifndef LIAISON_BYTES_H
#define LIAISON_BYTES_H

#include <stdbool.h>
#include <stdint.h>

#include "space/table.h"

/* The number is a living process's; a process is about to take it; its process uses the space. The
 * last is a shared lock: when the number gets a new owner, the previous one's may not be freed yet.
 */
#define NUMBER(n) (n)
#define CLAIM(n) (MEMBERS + (n))
#define USE(n) (2 * MEMBERS + (n))

/* Each of these: 0 or a negative errno. -EAGAIN or -EACCES: another has a lock in the way. */
int byte_lock(int fd, uint32_t byte);
int byte_share(int fd, uint32_t byte);
int byte_unlock(int fd, uint32_t byte);
int byte_look(int fd, uint32_t byte, bool *locked);

/* Moves `at` on to the next byte that another has locked, or to `end` where there is none below it.
 * 0 or a negative errno. */
int bytes_next(int fd, uint32_t *at, uint32_t end);

#endif
