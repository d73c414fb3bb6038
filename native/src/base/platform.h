/* platform.h — what this kernel, this sandbox and this file system offer.
 *
 * Kernels are old, file systems lack what others have, and sandboxes refuse calls with whatever
 * errno they like. A lack is found at first use, and remembered where asking again would cost. Then
 * a substitute is used; or the result is -ENOSYS, of which space_result() makes
 * LIAISON_UNSUPPORTED, with the name of what is lacking.
 */
#ifndef LIAISON_PLATFORM_H
#define LIAISON_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where spaces lie by default: the system makes this directory, liaison never does. */
#define PLATFORM_SHM "/dev/shm"

/* Parts of a file that are mapped on their own begin at a multiple of this: no kernel has larger
 * pages. */
#define PAGE_MOST 65536u

/* Bytes of a page. */
size_t platform_page(void);

/* Whether this errno means that the system does not offer the call, which has no other reason to
 * fail with it: an old kernel does not know the call or the flag, and a sandbox may return any of
 * these. */
bool platform_refused(int error);

/* Notes for this thread what is lacking, and gives -ENOSYS. */
int platform_lacks(const char *what);

/* Fills in random bytes. Result: 0 or a negative errno. */
int platform_random(void *bytes, size_t size);

/* Whether this process may make a file so long (`ulimit -f`). Asked beforehand, since the kernel
 * kills a process that goes beyond (SIGXFSZ) unless it ignores that. */
bool platform_may_reach(off_t end);

/* Reserves a part of a file, in pieces, so that signals do not make it begin again for ever, and
 * Ctrl-C is noticed between them. `alone`: no other process has the file yet, so zeros can be
 * written where fallocate() is lacking, and the function given to liaison_heed() is called. Result:
 * 0, LIAISON_INTERRUPTED, or a negative errno; what was reserved until then stays so. */
int platform_reserve(int fd, off_t from, off_t length, bool alone);

/* The same for a part of a shared mapping, whole pages, without a descriptor, as a write would, but
 * with a result instead of SIGBUS. -EFAULT: there is no memory, or no such part in the file any
 * more. -ENOSYS: Linux before 5.14, or a sandbox. */
int platform_populate(void *at, size_t length);

#endif
