/* trap.h — every change that this process makes to a stretch of shared memory, seen as soon
 * as the instruction that made it is done.
 *
 * It finds the same states as single-stepping in a small part of the time: the stretch is
 * read-only, an instruction that writes to it faults, is let through alone (the processor's trap
 * flag), and then the stretch is looked at. */
#ifndef TRAP_H
#define TRAP_H

#include <stddef.h>

void trap_begin(void *base, size_t length, void (*changed)(void));
/* The same for every access, reading too: `reached` is called before it. The kernel cannot
 * reach the stretch then either: a futex call gives EFAULT. */
void trap_begin_accesses(void *base, size_t length,
                         void (*reached)(const void *base, const void *at));
void trap_end(void);

#endif
