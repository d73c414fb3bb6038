/* receipt.h — the sender learns who received. */
#ifndef LIAISON_RECEIPT_H
#define LIAISON_RECEIPT_H

#include "segment/segment.h"

/* Claims a place; LIAISON_FULL when all are in use. */
int receipt_claim(struct segment *s, uint32_t *index, uint32_t *generation);
/* Whether there is a place at this moment: taking one and giving it back would call senders. */
bool receipt_vacant(const struct segment *s);
/* Gives it up, and lets a sender know that waits for one. */
void receipt_free(struct segment *s, uint32_t index, uint32_t generation);

/* The holder of the cell's message says what became of it, before the word that makes it
 * true: whoever sees the word sees who it was. Does nothing when the message has none. */
void receipt_note(struct segment *s, uint32_t cell, int state);
/* Wakes whoever waits for it, after that word; the index as read while the cell was held. */
void receipt_wake_index(struct segment *s, uint32_t index);

/* Frees what attachment `slot` had claimed, while that is `identity`'s. */
void receipt_sweep(struct segment *s, uint32_t slot, uint64_t identity);

int receipt_look(struct segment *s, const struct liaison_receipt *receipt, int *state,
                 struct liaison_peer *peer);
/* Whether it is this process's, of this link. */
bool receipt_valid(struct segment *s, const struct liaison_receipt *receipt);
/* What the message has come to, and whose doing that is; `receipt` is valid. */
int receipt_state(struct segment *s, const struct liaison_receipt *receipt,
                  struct liaison_peer *peer);

#endif
