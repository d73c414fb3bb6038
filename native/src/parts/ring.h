/* ring.h — the order of the messages.
 *
 * Words, one a position, each holding a cell's number. Two hints, head and tail, say where to begin
 * looking; they are advanced only past finished words, so they can lag behind and never run ahead,
 * whichever process dies. From that follows: the first EMPTY word of its cycle at or after the tail
 * hint is the true tail (there is no hole before it), and the messages of one sender stand in the
 * order in which they were sent.
 *
 * No process ever waits for another's step. Any process that finds a word left TAKEN finishes it.
 */
#ifndef LIAISON_RING_H
#define LIAISON_RING_H

#include "segment/segment.h"

/* Accepts the message in `cell`, which is QUEUED and the caller's; `*position` is its place.
 * LIAISON_FULL on a rendezvous link only: withdrawn messages use up places, and the next place
 * still holds a message that waits. */
int ring_push(struct segment *s, uint32_t cell, uint64_t *position);

/* Leases the oldest message. LIAISON_EMPTY when there is none; else `*cell` is LEASED by
 * the caller and `*header` its word. */
int ring_take(struct segment *s, uint32_t *cell, uint64_t *header);

/* Ends acceptance for good, behind the last message. False while the ring is so full that
 * there is no word behind it; then nothing is accepted either. */
bool ring_close(struct segment *s);

/* Finishes every word that was left TAKEN. True when no message waits; in a closed ring that is
 * final, and each remaining message is then in a cell that shows it. */
bool ring_drained(struct segment *s);

/* Takes back the sender's own message, in `cell` at `position`, if no receiver has taken it. */
bool ring_withdraw(struct segment *s, uint64_t position, uint32_t cell);

/* Whether the ring word at the cell's position says that it was accepted and is still
 * queued there. */
bool ring_holds(struct segment *s, uint64_t position, uint32_t cell);

/* Whether the message that was queued there is leased, and its cell may not say so yet. */
bool ring_leases(struct segment *s, uint64_t position, uint32_t cell);

/* Whether it is certain that so many cells are queued, without looking at the cells. False does not
 * mean that there is room. */
bool ring_full(struct segment *s, uint32_t cells);

/* Messages queued; it may change while this looks. */
uint32_t ring_count(struct segment *s);
/* The same, according to the hints alone. */
uint32_t ring_count_roughly(const struct segment *s);

/* Finishes every word that attachment `slot` left TAKEN. */
void ring_finish_owner(struct segment *s, uint32_t slot);

static inline word64 *ring_at(const struct segment *s, uint64_t position)
{
    return &s->ring[position & s->ring_mask];
}
static inline uint32_t cycle_of(const struct segment *s, uint64_t position)
{
    return (uint32_t)(position >> s->ring_shift);
}

#endif
