/* guard.h — mappings whose pages may vanish without killing the process. */
#ifndef LIAISON_GUARD_H
#define LIAISON_GUARD_H

#include "base/order.h"

/* Adds a mapping to the SIGBUS guard, or removes it. A page that vanished beneath a guarded mapping
 * (the file was truncated) reads as zeros and raises `*broken`. A mapping that children do not
 * inherit is `private`: a child may have other memory at its address, which the guard must not
 * touch. */
bool guard_add(void *base, uint64_t size, word32 *broken);
void guard_remove(void *base);
/* The same with the process lock held. */
bool guard_add_locked(void *base, uint64_t size, word32 *broken, bool private);
void guard_remove_locked(void *base);

#endif
