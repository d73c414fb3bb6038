/* process.h — this process: its epoch, its lock, its cores. */
#ifndef LIAISON_PROCESS_H
#define LIAISON_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/order.h"

/* Tells a process from the child it forks: a child sees another epoch than its parent,
 * from its first instruction on, however it was made. Never 0. */
uint64_t process_epoch(void);

/* Guards the process's own tables (open spaces, mapped segments). Never held while
 * shared memory is waited for; a forked child finds it free. */
void process_lock(void);
void process_unlock(void);

/* Processors this process may run on. */
unsigned process_cores(void);

/* A clock for spinning: cheap, monotonic, unit of about a nanosecond. */
int64_t process_ticks(void);
/* Milliseconds, by a clock that moves every few of them and is cheap enough to read in every
 * operation. */
uint32_t process_tick(void);
/* Monotonic nanoseconds; setting the clock has no effect on it. */
int64_t process_now(void);

/* When it was started, in seconds since the epoch; now, if the system does not say. */
double process_started(void);
/* Its command line, without control characters. */
void process_command(char *text, size_t size);

#endif
