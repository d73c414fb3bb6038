/* lock.h — the lock of a file, held while its names are changed.
 *
 * It is a flock, so a death frees it. The process lock, which a fork waits for, is held together
 * with it: a child that another thread forked would inherit the flock, and keep it for as long as
 * it lives. */
#ifndef LIAISON_LOCK_H
#define LIAISON_LOCK_H

#include <stdint.h>

#define LOCK_PATIENCE (100 * INT64_C(1000000)) /* ns, where the caller can ask for another try */

/* Locks the file of a descriptor of the caller's own. 0; -EWOULDBLOCK, another process has kept it
 * for so many nanoseconds; or another negative errno. */
int lock_file(int file, int64_t patience);
void unlock_file(int file);

#endif
