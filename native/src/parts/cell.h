/* cell.h — the place of a message, and its owner. */
#ifndef LIAISON_CELL_H
#define LIAISON_CELL_H

#include "segment/segment.h"

/* FREE -> LOANED by this process. `cursor` is the caller's hint of where to look, and `most` how
 * many cells to look at, UINT32_MAX for all: LIAISON_FULL when none of them is free. Looking at
 * other processes' cells takes the lines from their caches. While some cells have no memory yet, it
 * looks at a few and then reserves more; if that fails, and all cells that have memory are taken,
 * it is LIAISON_NO_SPACE. */
int cell_claim(struct segment *s, word32 *cursor, uint32_t most, uint32_t *cell, uint64_t *header);
#define CELLS_AT_HAND 4u

/* About how many cells are free from where `cursor` would look first, at the cost of four looks. */
uint32_t cell_count_free_roughly(const struct segment *s, const word32 *cursor);

/* LOANED or LEASED -> FREE, one generation on, if the cell still says `header`. */
bool cell_free(struct segment *s, uint32_t cell, uint64_t header);

/* LEASED -> RETURNED, if the cell still says `header`. */
bool cell_return(struct segment *s, uint32_t cell, uint64_t header);

/* Leases the oldest returned message. LIAISON_EMPTY when there is none. */
int cell_take_returned(struct segment *s, uint32_t *cell, uint64_t *header);

uint32_t cell_count_returned(struct segment *s);

/* The payload's address, from fields that are checked here: LIAISON_CORRUPT if they point
 * outside. */
int cell_payload(struct segment *s, uint32_t cell, const uint8_t **data, uint64_t *size);

#endif
