/* futex.h — sleeping on a word of shared memory, and waking the sleepers there. */
#ifndef LIAISON_FUTEX_H
#define LIAISON_FUTEX_H

#include "base/order.h"

#define FUTEX_ALL INT32_MAX

/* How many were woken. */
int futex_wake(word32 *word, int how_many);
/* 0: woken, or `word` is not `value`; -ETIMEDOUT, -EINTR. */
int futex_sleep(word32 *word, uint32_t value, int64_t nanoseconds);

#endif
