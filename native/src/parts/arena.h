/* arena.h — memory for payloads of any size.
 *
 * Blocks of 1 KiB x 4^level. A payload takes a run of neighbouring blocks of one level, the
 * coarsest that wastes no more than an eighth, else the finest that needs at most 16 (any
 * number of the largest): a claim costs a handful of exchanges whatever the size.
 *
 * A block's tag names the cell that has it, and that cell's generation. The tag is valid while the
 * cell is at that generation; the instant a message is acknowledged its cell's generation moves,
 * and all its blocks are free. So no block is ever freed by itself: there is no step after the
 * acknowledgement in which a death could leak memory, and nothing for recovery to do here.
 */
#ifndef LIAISON_ARENA_H
#define LIAISON_ARENA_H

#include "segment/segment.h"

/* Where this process last found room: private, a hint. */
struct arena_cursor {
    word32 next[LEVELS];
};

/* The largest payload that could ever be placed. */
uint64_t arena_largest(const struct segment *s);

/* Claims room for `size` bytes in the name of `cell` at `generation`, which the caller has LOANED.
 * LIAISON_FULL: there is none now; LIAISON_TOO_LARGE: there never will be; LIAISON_NO_SPACE: the
 * file could not grow. */
int arena_claim(struct segment *s, struct arena_cursor *cursor, uint32_t cell, uint32_t generation,
                uint64_t size, uint64_t *offset);

/* Bytes in blocks that living cells have. Looks at every block: for statistics. */
uint64_t arena_used(const struct segment *s);

#endif
