#include "parts/ring.h"

/* Every failed exchange means that another process got on. So many in a row, in one operation, are
 * not contention: the segment is corrupt. */
#define TRIES (1u << 20)

/* TAKEN(c, cell, o) -> EMPTY(c + 1), after the cell says LEASED(o). `w` was read from the
 * position's word. Idempotent, and harmless when stale:
 *   - the header is read, then the ring word again. If that is still `w`, the header read
 *     belongs to this very lease: the owner goes on to settle it only after the word has
 *     changed. (Otherwise a process that helps, and was stopped, could lease the cell's next
 *     message to the owner of the last one.)
 *   - the exchange then names the generation, so it fails if the cell has moved on.
 * It can also fail because a sweeper removed a dead sender from the header. Then the cell is still
 * QUEUED and must be tried again: freeing the ring word now would lose it. */
static void finish(struct segment *s, uint64_t position, uint64_t w)
{
    word64 *at = ring_at(s, position);
    if (ring_cell(w) < segment_cells(s)) {
        struct cell *cell = segment_cell(s, ring_cell(w));
        for (uint32_t tries = 0;; tries++) {
            if (tries == TRIES)
                return; /* left for the next process: the segment is corrupt */
            uint64_t h = observe(&cell->header);
            if (cell_state(h) != CELL_QUEUED || observe(at) != w)
                break;
            uint32_t deliveries = cell_deliveries(h), owner = ring_owner(w) & ~RING_WITHDRAWN;
            if (owner == ring_owner(w) && deliveries < DELIVERIES_MAX)
                deliveries++;
            if (replace(&cell->header, h,
                        cell_word(cell_generation(h), deliveries, owner, CELL_LEASED)))
                break;
        }
    }
    replace(at, w, ring_word(ring_cycle(w) + 1, 0, 0, RING_EMPTY));
}

/* Fetches a small message's second line while its header's is on its way: for writing, if the
 * processor has an instruction for that, although it is only read here. When the cell is free again
 * the line then goes to the next sender without a further transfer. */
static void ask_for_payload(const struct segment *s, uint32_t cell)
{
    if (s->geometry.stride > 64)
        __builtin_prefetch((uint8_t *)segment_cell(s, cell) + 64, 1);
}

int ring_push(struct segment *s, uint32_t cell, uint64_t *position)
{
    struct header *h = s->header;
    struct cell *c = segment_cell(s, cell);
    uint64_t p = glance(&h->tail);
    for (uint32_t tries = 0; tries < TRIES; tries++) {
        word64 *at = ring_at(s, p);
        uint32_t cycle = cycle_of(s, p);
        uint64_t w = look(at); /* a sender that waits for a place of a rendezvous */
        int32_t ahead = (int32_t)(ring_cycle(w) - cycle);
        if (ahead == 0 && ring_state(w) == RING_CLOSED)
            return LIAISON_DESTROYED;
        if (ahead == 0 && ring_state(w) == RING_EMPTY) {
            /* Written before it is true: recovery looks for the message here, and only here. */
            note(&c->position, p);
            if (replace(at, w, ring_word(cycle, cell, 0, RING_FULL))) { /* acceptance */
                advance(&h->tail, p);
                *position = p;
                return LIAISON_OK;
            }
        } else if (ahead >= 0) {
            advance(&h->tail, p); /* a message was accepted here, and the hint not moved yet */
            p++;
            uint64_t tail = glance(&h->tail);
            if ((int64_t)(tail - p) > 0)
                p = tail;
        } else if (ahead == -1 && ring_state(w) == RING_TAKEN) {
            finish(s, p - s->geometry.ring_size, w);
        } else if (ahead == -1 && ring_state(w) == RING_FULL && s->geometry.rendezvous) {
            return LIAISON_FULL;
        } else {
            /* Still FULL from the cycle before: then every cell would be queued, but the caller has
             * one; or the hint would be ahead, which cannot be. */
            return LIAISON_CORRUPT;
        }
    }
    return LIAISON_CORRUPT;
}

int ring_take(struct segment *s, uint32_t *cell, uint64_t *header)
{
    struct header *h = s->header;
    uint32_t me = segment_owner(s);
    uint64_t p = glance(&h->head);
    for (uint32_t tries = 0; tries < TRIES; tries++) {
        word64 *at = ring_at(s, p);
        uint32_t cycle = cycle_of(s, p);
        uint64_t w = look(at); /* a receiver that waits: pair 1 of order.h */
        int32_t ahead = (int32_t)(ring_cycle(w) - cycle);
        if (ahead == 0 && (ring_state(w) == RING_EMPTY || ring_state(w) == RING_CLOSED))
            return LIAISON_EMPTY;
        if (ahead == 0 && ring_state(w) == RING_FULL) {
            uint32_t x = ring_cell(w);
            if (x >= segment_cells(s))
                return LIAISON_CORRUPT;
            uint64_t taken = ring_word(cycle, x, me, RING_TAKEN);
            ask_for_payload(s, x);
            if (replace(at, w, taken)) { /* the lease */
                finish(s, p, taken);
                advance(&h->head, p);
                uint64_t now = observe(&segment_cell(s, x)->header);
                if (cell_state(now) != CELL_LEASED || cell_owner(now) != me)
                    return LIAISON_CORRUPT; /* no other process may change it */
                *cell = x;
                *header = now;
                return LIAISON_OK;
            }
        } else if (ahead == 0 && ring_state(w) == RING_TAKEN) {
            finish(s, p, w);
        } else if (ahead > 0) {
            advance(&h->head, p);
            p++;
            uint64_t head = glance(&h->head);
            if ((int64_t)(head - p) > 0)
                p = head;
        } else {
            return LIAISON_CORRUPT;
        }
    }
    return LIAISON_CORRUPT;
}

bool ring_close(struct segment *s)
{
    struct header *h = s->header;
    uint64_t p = glance(&h->tail);
    for (uint32_t tries = 0; tries < TRIES; tries++) {
        word64 *at = ring_at(s, p);
        uint32_t cycle = cycle_of(s, p);
        uint64_t w = observe(at);
        int32_t ahead = (int32_t)(ring_cycle(w) - cycle);
        if (ahead == 0 && ring_state(w) == RING_CLOSED)
            return true;
        if (ahead == 0 && ring_state(w) == RING_EMPTY) {
            if (replace(at, w, ring_word(cycle, 0, 0, RING_CLOSED)))
                return true;
        } else if (ahead >= 0) {
            advance(&h->tail, p++);
        } else if (ahead == -1 && ring_state(w) == RING_TAKEN) {
            finish(s, p - s->geometry.ring_size, w);
        } else {
            return false; /* full: there is no word to close */
        }
    }
    return false;
}

bool ring_drained(struct segment *s)
{
    bool drained = true;
    for (uint64_t i = 0; i < s->geometry.ring_size; i++) {
        uint64_t w = observe(&s->ring[i]);
        if (ring_state(w) == RING_TAKEN)
            finish(s, i, w);
        drained &= ring_state(w) != RING_FULL;
    }
    return drained;
}

bool ring_withdraw(struct segment *s, uint64_t position, uint32_t cell)
{
    uint64_t full = ring_word(cycle_of(s, position), cell, 0, RING_FULL);
    uint64_t taken =
        ring_word(cycle_of(s, position), cell, segment_owner(s) | RING_WITHDRAWN, RING_TAKEN);
    if (!replace(ring_at(s, position), full, taken))
        return false;
    finish(s, position, taken);
    return true;
}

bool ring_holds(struct segment *s, uint64_t position, uint32_t cell)
{
    uint64_t w = observe(ring_at(s, position));
    return ring_cycle(w) == cycle_of(s, position) &&
           (ring_state(w) == RING_FULL || ring_state(w) == RING_TAKEN) && ring_cell(w) == cell;
}

bool ring_leases(struct segment *s, uint64_t position, uint32_t cell)
{
    uint64_t w = observe(ring_at(s, position));
    return ring_cycle(w) == cycle_of(s, position) && ring_state(w) == RING_TAKEN &&
           ring_cell(w) == cell && !(ring_owner(w) & RING_WITHDRAWN);
}

bool ring_full(struct segment *s, uint32_t cells)
{
    if (s->geometry.rendezvous)
        return false; /* withdrawn messages leave holes */
    uint64_t head = glance(&s->header->head);
    uint64_t tail = observe(&s->header->tail);
    uint64_t w = look(ring_at(s, head));
    if (ring_state(w) != RING_FULL || ring_cycle(w) != cycle_of(s, head))
        return false; /* the hint lags: it is uncertain */
    return (int64_t)(tail - head) >= (int64_t)cells;
}

uint32_t ring_count_roughly(const struct segment *s)
{
    int64_t n = (int64_t)(glance(&s->header->tail) - glance(&s->header->head));
    return n < 0 ? 0 : n > s->geometry.cells ? s->geometry.cells : (uint32_t)n;
}

uint32_t ring_count(struct segment *s)
{
    if (s->geometry.rendezvous) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < s->geometry.ring_size; i++)
            n += ring_state(look(&s->ring[i])) == RING_FULL;
        return n;
    }
    /* From the true head to the true tail, found as an operation would find them. */
    uint64_t head = glance(&s->header->head), tail = glance(&s->header->tail);
    for (uint32_t i = 0; i < s->geometry.ring_size; i++, head++) {
        uint64_t w = look(ring_at(s, head));
        if (ring_cycle(w) == cycle_of(s, head) && ring_state(w) != RING_TAKEN)
            break;
    }
    if ((int64_t)(tail - head) < 0)
        tail = head;
    for (uint32_t i = 0; i < s->geometry.ring_size; i++, tail++) {
        uint64_t w = look(ring_at(s, tail));
        if (ring_cycle(w) == cycle_of(s, tail) &&
            (ring_state(w) == RING_EMPTY || ring_state(w) == RING_CLOSED))
            break;
        if ((int32_t)(ring_cycle(w) - cycle_of(s, tail)) < 0)
            break;
    }
    uint64_t n = tail - head;
    return n > s->geometry.cells ? s->geometry.cells : (uint32_t)n;
}

void ring_finish_owner(struct segment *s, uint32_t slot)
{
    for (uint64_t i = 0; i < s->geometry.ring_size; i++) {
        uint64_t w = observe(&s->ring[i]);
        if (ring_state(w) == RING_TAKEN && (ring_owner(w) & ~RING_WITHDRAWN) == slot + 1)
            finish(s, i, w);
    }
}
