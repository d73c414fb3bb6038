#include "parts/cell.h"

#include "parts/ring.h"

/* Looks at cells before more memory is reserved. If so many in a row are taken, most are; without a
 * limit, each send would look at all cells that are leased for long. */
#define FEW 16u

/* Of `n` cells, looking at `most`. */
static bool claim(struct segment *s, uint32_t n, uint32_t most, word32 *cursor, uint32_t *cell,
                  uint64_t *header)
{
    uint32_t me = segment_owner(s), x = glance32(cursor);
    if (x >= n)
        x = 0;
    for (uint32_t i = 0; i < n && i < most; i++, x = x + 1 < n ? x + 1 : 0) {
        struct cell *c = segment_cell(s, x);
        uint64_t h = look(&c->header); /* a sender that waits for room */
        uint64_t loaned = cell_word(cell_generation(h), 0, me, CELL_LOANED);
        if (cell_state(h) == CELL_FREE && replace(&c->header, h, loaned)) {
            uint32_t next = x + 1 < n ? x + 1 : 0;
            note32(cursor, next);
            /* Its line lies in the cache of the process that freed it; fetch it while this message
             * is under way. */
            __builtin_prefetch(segment_cell(s, next), 1);
            /* A bit left by a process that died just before it returned the cell. */
            if (observe(&s->header->return_epoch) != glance(&s->header->clean_epoch))
                clear_bits(&s->returned[x / 64], UINT64_C(1) << (x % 64));
            *cell = x;
            *header = loaned;
            return true;
        }
        /* Freed in about the order in which they were filled: a miss mostly means full, and
         * the ring can often tell for certain without a walk through every cell. */
        if (i == 1 && ring_full(s, n))
            return false;
    }
    return false;
}

/* Reserves memory for more than `n` cells. A death before the exchange leaves pages that the next
 * process finds reserved; a process that is stopped there delays no other, and its exchange fails
 * when it continues. */
static int reserve_more(struct segment *s, uint32_t n)
{
    const struct geometry *g = &s->geometry;
    uint32_t more = g->cells - n < CELLS_STEP ? g->cells - n : CELLS_STEP;
    int r = segment_reserve(s, g->cells_at + (uint64_t)n * g->stride, (uint64_t)more * g->stride);
    if (r == LIAISON_OK)
        (void)replace32(&s->header->cells_top, n, n + more);
    return r;
}

int cell_claim(struct segment *s, word32 *cursor, uint32_t most, uint32_t *cell, uint64_t *header)
{
    uint32_t all = s->geometry.cells, few = FEW;
    int r = LIAISON_OK;
    /* Each time there are more cells than before, or the segment is corrupt. */
    for (uint32_t tries = 0; tries <= all / CELLS_STEP + 1; tries++) {
        uint32_t n = segment_cells(s);
        if (__builtin_expect(claim(s, n, n < all ? few : most, cursor, cell, header), 1))
            return LIAISON_OK;
        if (n == all)
            return LIAISON_FULL;
        if (r != LIAISON_OK)
            return r;
        r = reserve_more(s, n);
        if (r == LIAISON_OK)
            note32(cursor, n);
        else
            few = all; /* no more memory: look at all that have some */
    }
    return LIAISON_CORRUPT;
}

uint32_t cell_count_free_roughly(const struct segment *s, const word32 *cursor)
{
    /* They become free in about the order in which they were filled. */
    uint32_t n = segment_cells(s), x = glance32(cursor);
    const uint32_t steps[] = {1, 4, n / 4, n / 2 + 1};
    uint32_t found = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && steps[i] > found; i++) {
        if (cell_state(glance(&segment_cell(s, (x + steps[i] - 1) % n)->header)) != CELL_FREE)
            break;
        found = steps[i];
    }
    return found;
}

bool cell_free(struct segment *s, uint32_t cell, uint64_t header)
{
    return replace(&segment_cell(s, cell)->header, header,
                   cell_word(cell_generation(header) + 1, 0, 0, CELL_FREE));
}

/* The bit, then the epoch, then the cell: wherever this stops, a process that takes RETURNED cells
 * sees that the epoch has changed, and finds the bit. A bit without a returned cell costs a look; a
 * returned cell without a bit would be lost. */
bool cell_return(struct segment *s, uint32_t cell, uint64_t header)
{
    set_bits(&s->returned[cell / 64], UINT64_C(1) << (cell % 64));
    add(&s->header->return_epoch, 1);
    return replace(&segment_cell(s, cell)->header, header,
                   cell_word(cell_generation(header), cell_deliveries(header), 0, CELL_RETURNED));
}

int cell_take_returned(struct segment *s, uint32_t *cell, uint64_t *header)
{
    uint64_t epoch = look(&s->header->return_epoch);
    uint64_t clean = observe(&s->header->clean_epoch);
    if (__builtin_expect(epoch == clean, 1))
        return LIAISON_EMPTY;
    uint32_t words = (s->geometry.cells + 63) / 64;
    for (uint32_t tries = 0; tries < s->geometry.cells + 1; tries++) {
        bool any = false, found = false;
        uint32_t oldest = 0;
        uint64_t oldest_header = 0, oldest_position = 0;
        for (uint32_t i = 0; i < words; i++) {
            uint64_t bits = look(&s->returned[i]);
            any |= bits != 0;
            for (; bits; bits &= bits - 1) {
                uint32_t x = i * 64 + (uint32_t)__builtin_ctzll(bits);
                if (x >= segment_cells(s))
                    return LIAISON_CORRUPT;
                uint64_t h = look(&segment_cell(s, x)->header);
                uint64_t position = glance(&segment_cell(s, x)->position);
                if (cell_state(h) != CELL_RETURNED ||
                    (found && (int64_t)(position - oldest_position) >= 0))
                    continue;
                found = true;
                oldest = x;
                oldest_header = h;
                oldest_position = position;
            }
        }
        if (!found) {
            /* Only after a scan that saw no bit at all: a bit whose cell is not returned yet
             * belongs to a process that is about to return it. */
            if (!any)
                replace(&s->header->clean_epoch, clean, epoch);
            return LIAISON_EMPTY;
        }
        uint32_t deliveries = cell_deliveries(oldest_header);
        if (deliveries < DELIVERIES_MAX)
            deliveries++;
        uint64_t leased =
            cell_word(cell_generation(oldest_header), deliveries, segment_owner(s), CELL_LEASED);
        if (replace(&segment_cell(s, oldest)->header, oldest_header, leased)) {
            /* It is ours now: no other process can be returning it, so the bit can be cleared. */
            clear_bits(&s->returned[oldest / 64], UINT64_C(1) << (oldest % 64));
            *cell = oldest;
            *header = leased;
            return LIAISON_OK;
        }
    }
    return LIAISON_EMPTY;
}

uint32_t cell_count_returned(struct segment *s)
{
    if (look(&s->header->return_epoch) == observe(&s->header->clean_epoch))
        return 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < (s->geometry.cells + 63) / 64; i++)
        for (uint64_t bits = look(&s->returned[i]); bits; bits &= bits - 1) {
            uint32_t x = i * 64 + (uint32_t)__builtin_ctzll(bits);
            if (x < segment_cells(s) &&
                cell_state(look(&segment_cell(s, x)->header)) == CELL_RETURNED)
                n++;
        }
    return n;
}

int cell_payload(struct segment *s, uint32_t cell, const uint8_t **data, uint64_t *size)
{
    struct cell *c = segment_cell(s, cell);
    uint64_t length = glance(&c->length);
    *size = length;
    if (length <= s->inline_max) {
        *data = c->payload;
        return LIAISON_OK;
    }
    /* The size that is reserved, not the limit: beyond it there are no pages. */
    uint64_t block = glance(&c->block), limit = observe(&s->header->arena_size);
    if (limit > s->geometry.arena_limit || length > limit || block > limit - length)
        return LIAISON_CORRUPT;
    *data = s->arena + block;
    return LIAISON_OK;
}
