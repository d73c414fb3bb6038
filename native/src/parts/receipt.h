/* receipt.h — what became of a message, for its sender. */
#ifndef LIAISON_RECEIPT_H
#define LIAISON_RECEIPT_H

#include "segment/segment.h"

/* Claims a place; LIAISON_FULL when all are in use. */
int receipt_claim(struct segment *s, uint32_t *index, uint32_t *generation);
/* Whether there is a place at this moment, without taking one, because giving that back would call
 * senders. */
bool receipt_vacant(const struct segment *s);
/* Gives it up, and calls a sender that waits for one. */
void receipt_free(struct segment *s, uint32_t index, uint32_t generation);

/* The holder of the cell's message notes what becomes of it, before the word that makes it true: so
 * a process that sees the word also sees who it was. Does nothing for a message without a
 * receipt. */
void receipt_note(struct segment *s, uint32_t cell, int state);
/* Wakes the waiter for it, after that word; the index was read while the cell was held. */
void receipt_wake_index(struct segment *s, uint32_t index);

/* Frees what attachment `slot` had claimed, while that is `identity`'s. */
void receipt_sweep(struct segment *s, uint32_t slot, uint64_t identity);

int receipt_look(struct segment *s, const struct liaison_receipt *receipt, int *state,
                 struct liaison_peer *peer);
/* Whether it is this process's own, on this link. */
bool receipt_valid(struct segment *s, const struct liaison_receipt *receipt);
/* The message's state, and the process that brought it there; `receipt` must be valid. */
int receipt_state(struct segment *s, const struct liaison_receipt *receipt,
                  struct liaison_peer *peer);

#endif
