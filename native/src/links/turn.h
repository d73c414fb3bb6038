/* turn.h — exclusive access: one process at a time receives.
 *
 * The turn belongs to a process from the beginning of a receive until the message is settled;
 * threads of one process share it. A dead process's turn is free. The turn of an endpoint belongs
 * to the process that the endpoint names, that of an orphaned port to the process that drains it.
 *   {version 32 | count 20 | owner 12} */
#ifndef LIAISON_TURN_H
#define LIAISON_TURN_H

#include "segment/segment.h"

/* LIAISON_BUSY while it is a living process's. */
int turn_enter(struct segment *s);
/* The same, but LIAISON_BUSY also while it is this process's. */
int turn_take_alone(struct segment *s);
/* Its owner, dead or alive; 0: none. */
uint64_t turn_holder(struct segment *s);
/* Whether this process could enter now. False while it is a dead process's: trying to enter frees
 * that. */
bool turn_free(struct segment *s);
void turn_leave(struct segment *s);
/* Frees the turn of attachment `slot` while that is `identity`'s. */
void turn_sweep(struct segment *s, uint32_t slot, uint64_t identity);

#endif
