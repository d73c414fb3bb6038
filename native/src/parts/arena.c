/* arena.c — claiming blocks; arena.h is the contract.
 *
 * The blocks of a 4 MiB unit form a tree with four children a block. A block's tag is FREE no cell
 * has it, nor any part of it
 *   WHOLE(x)   cell x has all of it; when x's generation has moved on, the same as FREE
 *   SPLIT      its children are claimed one by one; they may all be free
 *   PROBING(x) a claimer is finding out whether all parts of a split block are free; when x
 *              has moved on (it died at it), the same as SPLIT
 *
 * To claim a block, every block above it is made SPLIT, then its own tag exchanged. Two claims can
 * collide only as a block and a part of it, and then each announces before it looks: a claimer of
 * the part writes the part's tag and then looks whether all blocks above are still SPLIT; a claimer
 * of the whole writes PROBING and then looks at the parts. At least one sees the other and steps
 * back. If both do, they try elsewhere. No process waits, and a claimer that is stopped half-way
 * keeps only what it claimed.
 *
 * Rejected: a bitmap (who owns a bit after a crash? clearing it twice frees what another
 * has since claimed); free lists (a torn push loses the list); merging neighbours by
 * boundary tags (a sleeping reader of an old boundary claims the middle of a new block). */
#include "parts/arena.h"

/* More failed exchanges than this are not contention. */
#define TRIES 1000u

static const uint32_t level_at[LEVELS] = {
    /* word offset in a unit's index, level 0 first */
    3 * PAGE / 8, PAGE / 8, 85, 21, 5, 1, 0,
};

static uint64_t block_size(uint32_t level) { return (uint64_t)BLOCK_MIN << (2 * level); }

static word64 *tag_at(const struct segment *s, uint32_t level, uint64_t i)
{
    uint64_t unit = i >> (2 * (TOP - level));
    uint64_t within = i & ((UINT64_C(1) << (2 * (TOP - level))) - 1);
    return (word64 *)(s->index + unit * INDEX_SIZE) + level_at[level] + within;
}

/* Whether the cell that a tag names still has it. */
static bool alive(const struct segment *s, uint64_t tag)
{
    uint32_t x = tag_cell(tag);
    return x < segment_cells(s) &&
           cell_generation(look(&segment_cell(s, x)->header)) == tag_generation(tag);
}

/* Whether any part of a block whose tag said SPLIT is claimed. */
static bool parts_claimed(const struct segment *s, uint32_t level, uint64_t i)
{
    if (level == 0)
        return false;
    for (uint64_t part = i * 4; part < i * 4 + 4; part++) {
        /* An index page that was never reserved is never touched: its blocks lie beyond
         * the arena's size. */
        if ((part + 1) * block_size(level - 1) > glance(&s->header->arena_size))
            break;
        uint64_t tag = look(tag_at(s, level - 1, part));
        switch (tag_kind(tag)) {
        case TAG_FREE:
            break;
        case TAG_WHOLE:
            if (alive(s, tag))
                return true;
            break;
        case TAG_PROBING:
            if (alive(s, tag))
                return true;
            /* fall through */
        case TAG_SPLIT:
            if (parts_claimed(s, level - 1, part))
                return true;
        }
    }
    return false;
}

/* Splits the block, so that its parts can be claimed. False: all of it is claimed. */
static bool split(struct segment *s, uint32_t level, uint64_t i)
{
    word64 *at = tag_at(s, level, i);
    for (uint32_t tries = 0; tries < TRIES; tries++) {
        uint64_t tag = look(at);
        if (tag_kind(tag) == TAG_SPLIT)
            return true;
        if (tag_kind(tag) != TAG_FREE && alive(s, tag))
            return false;
        if (replace(at, tag, tag_word(0, 0, TAG_SPLIT)))
            return true;
    }
    return false;
}

/* Claims one block. On failure `*blocked` is the level of the block that is in the way, and
 * `*collided` is whether it is likely to be free in a moment. */
static bool claim(struct segment *s, uint32_t level, uint64_t i, uint32_t cell, uint32_t generation,
                  uint32_t *blocked, bool *collided)
{
    for (uint32_t above = TOP; above > level; above--)
        if (!split(s, above, i >> (2 * (above - level)))) {
            *blocked = above;
            return false;
        }
    *blocked = level;
    word64 *at = tag_at(s, level, i);
    uint64_t whole = tag_word(generation, cell, TAG_WHOLE);
    uint64_t tag = look(at);
    uint32_t kind = tag_kind(tag);
    if ((kind == TAG_WHOLE || kind == TAG_PROBING) && alive(s, tag))
        return false;
    if (kind == TAG_FREE || kind == TAG_WHOLE) {
        if (!replace(at, tag, whole)) {
            *collided = true;
            return false;
        }
    } else {
        uint64_t probing = tag_word(generation, cell, TAG_PROBING);
        if (!replace(at, tag, probing)) {
            *collided = true;
            return false;
        }
        if (parts_claimed(s, level, i)) {
            replace(at, probing, tag_word(0, 0, TAG_SPLIT));
            return false;
        }
        replace(at, probing, whole);
    }
    /* Upwards: once a parent was seen SPLIT with our tag below it, no process can claim it unseen;
     * downwards a parent could be claimed whole and split again between two looks. */
    for (uint32_t above = level + 1; above <= TOP; above++)
        if (tag_kind(look(tag_at(s, above, i >> (2 * (above - level))))) != TAG_SPLIT) {
            replace(at, whole, tag_word(0, 0, TAG_FREE));
            *blocked = above;
            *collided = true;
            return false;
        }
    return true;
}

static void unclaim(struct segment *s, uint32_t level, uint64_t from, uint64_t to, uint32_t cell,
                    uint32_t generation)
{
    for (uint64_t i = from; i < to; i++)
        replace(tag_at(s, level, i), tag_word(generation, cell, TAG_WHOLE),
                tag_word(0, 0, TAG_FREE));
}

/* Looks for `n` free neighbours among blocks [from, to). */
static bool claim_run(struct segment *s, uint32_t level, uint64_t from, uint64_t to, uint64_t n,
                      uint32_t cell, uint32_t generation, uint64_t *start, bool *collided)
{
    uint64_t first = from, i = from;
    while (first + n <= to) {
        uint32_t blocked;
        if (claim(s, level, i, cell, generation, &blocked, collided)) {
            if (++i == first + n) {
                *start = first;
                return true;
            }
            continue;
        }
        unclaim(s, level, first, i, cell, generation);
        /* Go on behind the block that is in the way, which may be larger. */
        uint32_t shift = 2 * (blocked - level);
        first = i = ((i >> shift) + 1) << shift;
    }
    unclaim(s, level, first, i, cell, generation);
    return false;
}

static uint32_t level_for(uint64_t size)
{
    uint32_t level = 0;
    while (level < TOP && size > 16 * block_size(level))
        level++;
    return level;
}

uint64_t arena_largest(const struct segment *s)
{
    uint64_t limit = s->geometry.arena_limit;
    return limit / block_size(level_for(limit)) * block_size(level_for(limit));
}

/* Reserves more of the file, and its part of the index: half of what is reserved, so that growing
 * stays rare, and at least what is wanted. */
static int grow(struct segment *s, uint64_t size, uint64_t wanted)
{
    uint64_t limit = s->geometry.arena_limit;
    if (size >= limit)
        return LIAISON_FULL;
    uint64_t step = wanted > size / 2 ? wanted : size / 2;
    uint64_t end = size + step + block_size(level_for(wanted)); /* room to align */
    end = (end + 64 * 1024 - 1) / (64 * 1024) * (64 * 1024);
    if (end > limit)
        end = limit;
    for (uint64_t unit = size / BLOCK_TOP; unit * BLOCK_TOP < end; unit++) {
        uint64_t index = s->geometry.index_at + unit * INDEX_SIZE;
        uint64_t part = end - unit * BLOCK_TOP;
        if (part > BLOCK_TOP)
            part = BLOCK_TOP;
        int r = segment_reserve(s, index, PAGE);
        if (r == LIAISON_OK)
            r = segment_reserve(s, index + PAGE, part / block_size(1) * 8 + 8);
        if (r == LIAISON_OK)
            r = segment_reserve(s, index + 3 * PAGE, part / block_size(0) * 8);
        if (r != LIAISON_OK)
            return r;
    }
    int r = segment_reserve(s, s->geometry.arena_at + size, end - size);
    if (r != LIAISON_OK)
        return r;
    /* A death before this leaves pages that the next process to grow finds reserved. */
    uint64_t now = size;
    for (uint32_t tries = 0; tries < TRIES && now < end;
         tries++, now = glance(&s->header->arena_size))
        if (replace(&s->header->arena_size, now, end))
            break;
    return LIAISON_OK;
}

/* The coarsest level at which rounding up wastes no more than an eighth: the fewest exchanges. If
 * there is no run of blocks of that size, level_for() finds room between others. */
static uint32_t coarsest_for(uint64_t size)
{
    uint32_t level = level_for(size);
    while (level < TOP) {
        uint64_t block = block_size(level + 1);
        if ((size + block - 1) / block * block > size + size / 8)
            break;
        level++;
    }
    return level;
}

static bool claim_at(struct segment *s, uint32_t level, struct arena_cursor *cursor,
                     uint64_t reserved, uint64_t size, uint32_t cell, uint32_t generation,
                     uint64_t *offset, bool *collided)
{
    uint64_t block = block_size(level), n = (size + block - 1) / block;
    uint64_t total = reserved / block, start;
    /* First the beginning: if few messages are under way the same blocks are used again and again,
     * and stay in the cache. Then where there was room last. */
    uint64_t from = glance32(&cursor->next[level]), few = n + 7 < total ? n + 7 : total;
    if (from >= total)
        from = 0;
    if (!claim_run(s, level, 0, few, n, cell, generation, &start, collided) &&
        !claim_run(s, level, from, total, n, cell, generation, &start, collided) &&
        !claim_run(s, level, 0, from + n - 1 < total ? from + n - 1 : total, n, cell, generation,
                   &start, collided))
        return false;
    note32(&cursor->next[level], (uint32_t)start);
    *offset = start * block;
    return true;
}

int arena_claim(struct segment *s, struct arena_cursor *cursor, uint32_t cell, uint32_t generation,
                uint64_t size, uint64_t *offset)
{
    if (size > arena_largest(s))
        return LIAISON_TOO_LARGE;
    uint32_t fine = level_for(size), coarse = coarsest_for(size);
    for (int tries = 0; tries < 64; tries++) {
        uint64_t reserved = observe(&s->header->arena_size);
        if (reserved > s->geometry.arena_limit)
            return LIAISON_CORRUPT;
        bool collided = false;
        if (claim_at(s, coarse, cursor, reserved, size, cell, generation, offset, &collided))
            return LIAISON_OK;
        if (fine != coarse &&
            claim_at(s, fine, cursor, reserved, size, cell, generation, offset, &collided))
            return LIAISON_OK;
        if (collided)
            continue; /* there may be room after all */
        int r = grow(s, reserved, size + block_size(fine));
        if (r != LIAISON_OK)
            return r;
    }
    return LIAISON_FULL;
}

static uint64_t used(const struct segment *s, uint32_t level, uint64_t i, uint64_t reserved)
{
    if (i * block_size(level) >= reserved)
        return 0;
    uint64_t tag = observe(tag_at(s, level, i));
    if (tag_kind(tag) == TAG_FREE || (tag_kind(tag) == TAG_WHOLE && !alive(s, tag)))
        return 0;
    if (tag_kind(tag) == TAG_WHOLE)
        return block_size(level);
    uint64_t sum = 0;
    for (uint64_t part = i * 4; level > 0 && part < i * 4 + 4; part++)
        sum += used(s, level - 1, part, reserved);
    return sum;
}

uint64_t arena_used(const struct segment *s)
{
    uint64_t sum = 0, reserved = observe(&s->header->arena_size);
    if (reserved > s->geometry.arena_limit)
        return 0;
    for (uint64_t unit = 0; unit * BLOCK_TOP < reserved; unit++)
        sum += used(s, TOP, unit, reserved);
    return sum;
}
