/* trap.h — every change that this process makes to a stretch of shared memory, seen as soon
 * as the instruction that made it is done.
 *
 * The same states as single-stepping finds, for a small part of the time: the stretch is
 * read-only, an instruction that writes to it faults, is let through alone (the processor's
 * trap flag), and then the stretch is looked at. */
#ifndef TRAP_H
#define TRAP_H

#include <stddef.h>

void trap_begin(void *base, size_t length, void (*changed)(void));
void trap_end(void);

#endif
