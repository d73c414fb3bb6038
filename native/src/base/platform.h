/* platform.h — what this kernel, this sandbox and this file system offer.
 *
 * Kernels are old, file systems lack what others have, and sandboxes refuse calls with whatever
 * errno they like. What is lacking is found out where it is used first, and remembered where asking
 * again would cost. Then there is another way; or the result is -ENOSYS, of which space_result()
 * makes LIAISON_UNSUPPORTED, with the name of what is lacking.
 */
#ifndef LIAISON_PLATFORM_H
#define LIAISON_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where spaces lie that were not told another place: it is the system's, and nobody's to make. */
#define PLATFORM_SHM "/dev/shm"

/* What is mapped by itself begins at a multiple of this: no kernel has larger pages. */
#define PAGE_MOST 65536u

/* Bytes of a page. */
size_t platform_page(void);

/* Whether a call that has no other reason to fail like this is not offered: an old kernel says that
 * it does not know the call or the flag, a sandbox what it likes. */
bool platform_refused(int error);

/* Notes for this thread what is lacking, and gives -ENOSYS. */
int platform_lacks(const char *what);

/* Fills in random bytes. Result: 0 or a negative errno. */
int platform_random(void *bytes, size_t size);

/* Whether this process may have a file reach so far (`ulimit -f`). Asked beforehand, since the
 * kernel kills a process that goes beyond (SIGXFSZ) unless it ignores that. */
bool platform_may_reach(off_t end);

/* Reserves a part of a file, in pieces, so that signals do not make it begin again for ever, and
 * Ctrl-C is heard between them. `alone`: nobody else has the file yet, so that where there is no
 * fallocate() zeros are written instead, and `liaison_heed` is heeded. Result: 0,
 * LIAISON_INTERRUPTED, or a negative errno; what was reserved until then stays so. */
int platform_reserve(int fd, off_t from, off_t length, bool alone);

/* The same for a part of a shared mapping, whole pages, without a descriptor, as a write would, but
 * with a result instead of SIGBUS. -EFAULT: there is no memory, or no such part in the file any
 * more. -ENOSYS: Linux before 5.14, or a sandbox. */
int platform_populate(void *at, size_t length);

#endif
