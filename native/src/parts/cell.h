/* cell.h — where a message lives, and whose it is. */
#ifndef LIAISON_CELL_H
#define LIAISON_CELL_H

#include "segment/segment.h"

/* FREE -> LOANED by this process. False when no cell is free. `cursor` is the caller's
 * hint of where to look. */
bool cell_claim(struct segment *s, word32 *cursor, uint32_t *cell, uint64_t *header);

/* LOANED or LEASED -> FREE, one generation on, if the cell still says `header`. */
bool cell_free(struct segment *s, uint32_t cell, uint64_t header);

/* LEASED -> RETURNED, if the cell still says `header`. */
bool cell_return(struct segment *s, uint32_t cell, uint64_t header);

/* Leases the oldest returned message. LIAISON_EMPTY when there is none. */
int cell_take_returned(struct segment *s, uint32_t *cell, uint64_t *header);

uint32_t cell_count_returned(struct segment *s);

/* The payload's address, from fields that are checked here: LIAISON_CORRUPT when they
 * point outside. */
int cell_payload(struct segment *s, uint32_t cell, const uint8_t **data, uint64_t *size);

#endif
