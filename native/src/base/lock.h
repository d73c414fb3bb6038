/* lock.h — the lock of a file, for whoever is about to change what leads to it.
 *
 * It is a flock, so that a death frees it. While it is held so is the process lock: a child that
 * another thread forked would inherit it, and keep it for as long as it lives. */
#ifndef LIAISON_LOCK_H
#define LIAISON_LOCK_H

#include <stdint.h>

#define LOCK_PATIENCE (100 * INT64_C(1000000)) /* ns, where somebody can be told to try again */

/* Locks the file of a descriptor of the caller's own. 0; -EWOULDBLOCK, somebody else has had it for
 * so many nanoseconds; or another negative errno. */
int lock_file(int file, int64_t patience);
void unlock_file(int file);

#endif
