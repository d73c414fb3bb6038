/* awaiting.h — waiting for what becomes of a message. */
#ifndef LIAISON_AWAITING_H
#define LIAISON_AWAITING_H

#include "parts/receipt.h"
#include "waiting/sleeping.h"
#include "waiting/spin.h"

/* Waits until its message has reached `state`. LIAISON_EMPTY when the time is over. */
int receipt_await(struct segment *s, const struct surroundings *around,
                  const struct liaison_receipt *receipt, int state, const struct liaison_wait *wait,
                  struct spin *spin, word32 *closed);

#endif
