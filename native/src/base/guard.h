/* guard.h — mappings whose pages may vanish without killing the process. */
#ifndef LIAISON_GUARD_H
#define LIAISON_GUARD_H

#include "base/order.h"

/* Tells the SIGBUS guard of a mapping, or that it is gone. A page that vanished beneath a
 * guarded mapping (the file was truncated) reads as zeros and raises `*broken`. What children do
 * not inherit is `private`: where it was, a child has memory of its own, which nobody may touch. */
bool guard_add(void *base, uint64_t size, word32 *broken);
void guard_remove(void *base);
/* The same for who has the process lock already. */
bool guard_add_locked(void *base, uint64_t size, word32 *broken, bool private);
void guard_remove_locked(void *base);

#endif
