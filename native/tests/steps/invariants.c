#include "steps/invariants.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char wrong[256];

__attribute__((format(printf, 1, 2))) static const char *say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(wrong, sizeof wrong, format, arguments);
    va_end(arguments);
    return wrong;
}

static const struct header *header(const struct witness *w) { return (const void *)w->base; }
static const struct cell *cell(const struct witness *w, uint32_t x)
{
    return (const void *)(w->base + w->geometry->cells_at + (uint64_t)x * w->geometry->stride);
}
static uint64_t ring(const struct witness *w, uint64_t i)
{
    return ((const word64 *)(w->base + w->geometry->ring_at))[i & (w->geometry->ring_size - 1)];
}
static const struct attachment *attachment(const struct witness *w, uint32_t i)
{
    return (const struct attachment *)(w->base + w->geometry->attachments_at) + i;
}
static const struct waiter *waiter(const struct witness *w, uint32_t role, uint32_t i)
{
    return (const struct waiter *)(w->base + w->geometry->waiters_at) + role * WAITERS + i;
}
static const struct receipt *receipt(const struct witness *w, uint32_t i)
{
    return (const struct receipt *)(w->base + w->geometry->receipts_at) + i;
}
static uint64_t turn(const struct witness *w) { return header(w)->turn; }

static bool living(const struct witness *w, uint64_t identity)
{
    for (int i = 0; i < w->living_count; i++)
        if (w->living[i] == identity)
            return true;
    return false;
}

/* `owner` is an attachment's number + 1. */
static uint64_t identity_of(const struct witness *w, uint32_t owner)
{
    return owner == 0 || owner > w->geometry->attachments ? 0 : attachment(w, owner - 1)->identity;
}
static bool owner_lives(const struct witness *w, uint32_t owner)
{
    return living(w, identity_of(w, owner));
}

/* Who took it from the ring, and whether it was its sender taking it back. */
static uint32_t taker(uint64_t word) { return ring_owner(word) & 0x7ff; }
static bool withdrawn(uint64_t word) { return ring_owner(word) & 0x800; }
static bool vacant(uint64_t word)
{
    return ring_state(word) == RING_EMPTY || ring_state(word) == RING_CLOSED;
}

static bool is_port(const struct witness *w) { return w->geometry->kind == LIAISON_KIND_PORT; }
static bool has_letters(const struct witness *w) { return w->geometry->dead_letters[0] != 0; }

/* The position that a ring word belongs to: 32 bits of cycle. */
static uint64_t position_of(const struct witness *w, uint64_t i, uint64_t word)
{
    return (uint64_t)ring_cycle(word) * w->geometry->ring_size + i;
}

/* The ring word that cell x was last tried at, if it names the cell. */
static uint64_t word_of(const struct witness *w, uint32_t x)
{
    uint64_t p = cell(w, x)->position, at = ring(w, p);
    bool its = !vacant(at) && ring_cell(at) == x &&
               position_of(w, p & (w->geometry->ring_size - 1), at) == p;
    return its ? at : 0;
}

static const char *check_ring(const struct witness *w)
{
    uint32_t size = w->geometry->ring_size;
    uint64_t tail = UINT64_MAX, last = 0, head = UINT64_MAX, closed = UINT64_MAX;
    for (uint32_t i = 0; i < size; i++) {
        uint64_t word = ring(w, i), p = position_of(w, i, word);
        uint64_t next = vacant(word) ? p : p + size;
        tail = next < tail ? next : tail;
        last = next > last ? next : last;
        if (vacant(word)) {
            if (ring_cell(word) || ring_owner(word))
                return say("ring word %u is empty and names a cell or an owner", i);
            if (ring_state(word) == RING_CLOSED && closed != UINT64_MAX)
                return say("the ring is closed twice");
            if (ring_state(word) == RING_CLOSED)
                closed = p;
            continue;
        }
        head = p < head ? p : head;
        uint32_t x = ring_cell(word);
        if (x >= w->geometry->cells)
            return say("ring word %u is %#llx", i, (unsigned long long)word);
        if (word_of(w, x) != word)
            return say("ring word %u names cell %u, which is elsewhere", i, x);
        uint64_t h = cell(w, x)->header;
        if (ring_state(word) == RING_FULL && (ring_owner(word) || cell_state(h) != CELL_QUEUED))
            return say("ring word %u is full, its cell in state %u", i, cell_state(h));
        if (ring_state(word) == RING_TAKEN && cell_state(h) != CELL_QUEUED &&
            (cell_state(h) != CELL_LEASED || cell_owner(h) != taker(word)))
            return say("ring word %u is taken, its cell in state %u", i, cell_state(h));
        if (ring_state(word) == RING_TAKEN && identity_of(w, taker(word)) == 0)
            return say("ring word %u is taken by nobody", i);
        if (withdrawn(word) && !w->geometry->rendezvous)
            return say("ring word %u is withdrawn, and no rendezvous", i);
    }
    if (last - tail != size - 1)
        return say("the ring has a gap: next positions run from %llu to %llu",
                   (unsigned long long)tail, (unsigned long long)last);
    if (closed != UINT64_MAX && closed != tail)
        return say("position %llu is closed, and %llu is the next", (unsigned long long)closed,
                   (unsigned long long)tail);
    if (closed != UINT64_MAX && (!is_port(w) || header(w)->state == LINK_LIVE))
        return say("the ring is closed, and the link in state %u", header(w)->state);
    head = head == UINT64_MAX ? tail : head;
    if (header(w)->tail > tail || header(w)->head > head)
        return say("a hint is too high: head %llu, true %llu; tail %llu, true %llu",
                   (unsigned long long)header(w)->head, (unsigned long long)head,
                   (unsigned long long)header(w)->tail, (unsigned long long)tail);
    return NULL;
}

static bool bit(const struct witness *w, uint32_t x)
{
    return ((const word64 *)(w->base + w->geometry->returned_at))[x / 64] >> (x % 64) & 1;
}

static const char *check_cell(const struct witness *w, uint32_t x)
{
    uint64_t h = cell(w, x)->header;
    uint32_t state = cell_state(h), owner = cell_owner(h);
    switch (state) {
    case CELL_FREE:
    case CELL_RETURNED:
        if (owner)
            return say("cell %u is in state %u and has an owner", x, state);
        if (state == CELL_FREE)
            return cell_deliveries(h) ? say("cell %u is free and was delivered", x) : NULL;
        if (!bit(w, x) || header(w)->return_epoch == header(w)->clean_epoch)
            return say("cell %u is returned and nobody will see it", x);
        return NULL;
    case CELL_LOANED:
    case CELL_LEASED:
        if (identity_of(w, owner) == 0)
            return say("cell %u is in state %u and nobody's", x, state);
        if (attachment(w, owner - 1)->roles == 0)
            return say("cell %u belongs to one that does not take part", x);
        if (state == CELL_LEASED && cell_deliveries(h) == 0 && !w->geometry->rendezvous)
            return say("cell %u is leased and was not delivered", x);
        return NULL;
    case CELL_QUEUED:
        if (owner && identity_of(w, owner) == 0 && word_of(w, x) == 0)
            return say("cell %u is queued nowhere, and nobody's", x);
        if (owner == 0 && word_of(w, x) == 0)
            return say("cell %u is queued nowhere", x);
        return NULL;
    default:
        return say("cell %u is in state %u", x, state);
    }
}

/* Places without memory have no owner. */
static const char *check_places(const struct witness *w)
{
    const struct geometry *g = w->geometry;
    uint32_t top = header(w)->cells_top;
    if (top < g->cells_start || top > g->cells)
        return say("%u of %u places have memory", top, g->cells);
    for (uint32_t x = top; x < g->cells; x++)
        if (cell(w, x)->header != 0)
            return say("cell %u is used and has no memory", x);
    return NULL;
}

static const char *check_owners(const struct witness *w)
{
    const struct geometry *g = w->geometry;
    for (uint32_t i = 0; i < g->attachments; i++) {
        uint64_t identity = attachment(w, i)->identity;
        if (identity && i >= header(w)->attachments_top)
            return say("attachment %u lies where nobody looks", i);
        for (uint32_t j = 0; identity && j < i; j++)
            if (attachment(w, j)->identity == identity)
                return say("attachments %u and %u are one process's", j, i);
    }
    for (uint32_t role = 0; role < 2; role++)
        for (uint32_t i = 0; i < WAITERS; i++) {
            bool waiting = header(w)->waiters[role][i / 64] >> (i % 64) & 1;
            uint64_t owner = waiter(w, role, i)->owner;
            if (waiting && !owner)
                return say("waiter %u of role %u is announced and nobody's", i, role);
        }
    for (uint32_t i = 0; i < g->receipts; i++) {
        uint64_t claim = receipt(w, i)->claim;
        if ((claim & 1) && identity_of(w, (uint32_t)claim >> 1 & 0xfff) == 0)
            return say("receipt %u is nobody's", i);
    }
    uint32_t owner = (uint32_t)turn(w) & 0xfff;
    if (owner && identity_of(w, owner) == 0)
        return say("the turn is nobody's");
    return NULL;
}

/* ---- the arena ------------------------------------------------------------------------ */

static uint64_t tag(const struct witness *w, uint32_t level, uint64_t i)
{
    static const uint32_t first[LEVELS] = {3 * PAGE / 8, PAGE / 8, 85, 21, 5, 1, 0};
    uint64_t in_unit = UINT64_C(1) << (2 * (TOP - level));
    const word64 *index =
        (const void *)(w->base + w->geometry->index_at + i / in_unit * INDEX_SIZE);
    return index[first[level] + i % in_unit];
}

static bool claimed(const struct witness *w, uint64_t t)
{
    return tag_kind(t) == TAG_WHOLE && tag_cell(t) < w->geometry->cells &&
           cell_generation(cell(w, tag_cell(t))->header) == tag_generation(t);
}

/* The owners of the smallest blocks, by every valid tag; -1: none, -2: two. */
static void owners_of_blocks(const struct witness *w, int *owner, uint64_t blocks)
{
    for (uint64_t i = 0; i < blocks; i++) {
        owner[i] = -1;
        for (uint32_t level = 0; level < LEVELS; level++) {
            uint64_t t = tag(w, level, i >> (2 * level));
            if (claimed(w, t))
                owner[i] = owner[i] == -1 ? (int)tag_cell(t) : -2;
        }
    }
}

/* Bytes of the message in cell x lie in blocks that belong to this cell alone. */
static const char *check_payload(const struct witness *w, uint32_t x, const int *owner,
                                 uint64_t blocks)
{
    uint64_t at = cell(w, x)->block, length = cell(w, x)->length;
    if (w->geometry->arena_limit == 0 || length <= w->geometry->stride - CELL_PAYLOAD)
        return NULL;
    if (at % BLOCK_MIN || at + length > blocks * BLOCK_MIN)
        return say("the payload of cell %u lies at %llu", x, (unsigned long long)at);
    for (uint64_t i = at / BLOCK_MIN; i * BLOCK_MIN < at + length; i++)
        if (owner[i] != (int)x)
            return say("block %llu of cell %u is had by %d", (unsigned long long)i, x, owner[i]);
    return NULL;
}

#define BLOCKS 4096u
static const char *check_arena(const struct witness *w, bool idle)
{
    static int owner[BLOCKS];
    uint64_t blocks = header(w)->arena_size / BLOCK_MIN;
    if (header(w)->arena_size > w->geometry->arena_limit || blocks > BLOCKS)
        return say("the arena has %llu bytes", (unsigned long long)header(w)->arena_size);
    if (blocks)
        owners_of_blocks(w, owner, blocks);
    for (uint64_t i = 0; idle && i < blocks; i++)
        if (owner[i] != -1)
            return say("block %llu is cell %d's, which has no message", (unsigned long long)i,
                       owner[i]);
    for (uint32_t x = 0; x < w->geometry->cells; x++) {
        uint32_t state = cell_state(cell(w, x)->header);
        const char *s =
            state == CELL_FREE || state == CELL_LOANED ? NULL : check_payload(w, x, owner, blocks);
        if (s)
            return s;
    }
    return NULL;
}

/* Where a port can come to; and that one with dead letters leaves no message behind. */
static const char *check_end(const struct witness *w)
{
    uint32_t state = header(w)->state;
    if (state > LINK_ORPHANED ||
        (state == LINK_ENDED &&
         !(is_port(w) && w->geometry->lifetime == LIAISON_LIFETIME_SENDERS)) ||
        (state == LINK_ORPHANED && !(is_port(w) && has_letters(w))))
        return say("the link is in state %u", state);
    if (state != LINK_DESTROYED || !is_port(w) || !has_letters(w))
        return NULL;
    for (uint32_t i = 0; i < w->geometry->ring_size; i++)
        if (!vacant(ring(w, i)))
            return say("the port is destroyed with a message in ring word %u", i);
    for (uint32_t x = 0; x < w->geometry->cells; x++) {
        uint32_t now = cell_state(cell(w, x)->header);
        if (now == CELL_LEASED || now == CELL_RETURNED)
            return say("the port is destroyed with a message in cell %u", x);
    }
    return NULL;
}

const char *invariants_always(const struct witness *w)
{
    const char *s = check_end(w);
    if (!s)
        s = check_ring(w);
    for (uint32_t x = 0; !s && x < w->geometry->cells; x++)
        s = check_cell(w, x);
    if (!s)
        s = check_places(w);
    if (!s)
        s = check_owners(w);
    return s ? s : check_arena(w, false);
}

const char *invariants_swept(const struct witness *w)
{
    const char *s = invariants_always(w);
    if (s)
        return s;
    for (uint32_t i = 0; i < w->geometry->attachments; i++)
        if (attachment(w, i)->identity && !living(w, attachment(w, i)->identity))
            return say("attachment %u is a dead process's", i);
    for (uint32_t x = 0; x < w->geometry->cells; x++) {
        uint64_t h = cell(w, x)->header;
        if ((cell_state(h) == CELL_LOANED || cell_state(h) == CELL_LEASED) &&
            !owner_lives(w, cell_owner(h)))
            return say("cell %u is a dead process's", x);
        if (cell_state(h) == CELL_QUEUED && word_of(w, x) == 0)
            return say("cell %u was not accepted and not freed", x);
    }
    for (uint32_t i = 0; i < w->geometry->ring_size; i++)
        if (ring_state(ring(w, i)) == RING_TAKEN)
            return say("ring word %u is still taken", i);
    for (uint32_t role = 0; role < 2; role++)
        for (uint32_t i = 0; i < WAITERS; i++)
            if (waiter(w, role, i)->owner && !living(w, waiter(w, role, i)->owner))
                return say("waiter %u of role %u is a dead process's", i, role);
    for (uint32_t i = 0; i < w->geometry->receipts; i++)
        if ((receipt(w, i)->claim & 1) &&
            !owner_lives(w, (uint32_t)receipt(w, i)->claim >> 1 & 0xfff))
            return say("receipt %u is a dead process's", i);
    if ((turn(w) & 0xfff) && !owner_lives(w, (uint32_t)turn(w) & 0xfff))
        return say("the turn is a dead process's");
    return NULL;
}

const char *invariants_idle(const struct witness *w)
{
    const char *s = invariants_swept(w);
    if (s)
        return s;
    uint32_t held = 0;
    for (uint32_t x = 0; x < w->geometry->cells; x++) {
        uint32_t state = cell_state(cell(w, x)->header);
        held += state == CELL_LEASED || state == CELL_LOANED;
        if (state != CELL_FREE && state != CELL_LEASED && state != CELL_LOANED)
            return say("cell %u is in state %u and was not received", x, state);
    }
    for (uint32_t i = 0; i < w->geometry->ring_size; i++)
        if (!vacant(ring(w, i)))
            return say("ring word %u is not empty", i);
    return check_arena(w, held == 0);
}

/* ---- the story ---------------------------------------------------------------------------- */

struct message {
    bool returned, held;
    uint64_t position;
    uint32_t attempt;
    char letter;
};

static char letter_of(const struct witness *w, uint32_t x)
{
    uint64_t length = cell(w, x)->length, inline_max = w->geometry->stride - CELL_PAYLOAD;
    const uint8_t *data = cell(w, x)->payload;
    if (length > inline_max) {
        if (length > header(w)->arena_size || cell(w, x)->block > header(w)->arena_size - length)
            return '?';
        data = w->base + w->geometry->arena_at + cell(w, x)->block;
    }
    for (uint64_t i = 0; i < length; i += 1024)
        if (data[i] != data[0])
            return '?';
    return length ? (char)data[0] : '?';
}

static int earlier(const void *a, const void *b)
{
    const struct message *s = a, *t = b;
    if (s->held != t->held)
        return s->held ? 1 : -1;
    if (s->returned != t->returned)
        return s->returned ? -1 : 1;
    return s->position < t->position ? -1 : s->position > t->position;
}

/* Whether the cell holds an accepted message, and its state when the dead have been swept. */
static bool accepted(const struct witness *w, uint32_t x, struct message *t)
{
    uint64_t h = cell(w, x)->header, word = word_of(w, x);
    *t = (struct message){.position = cell(w, x)->position, .attempt = cell_deliveries(h) + 1};
    switch (cell_state(h)) {
    case CELL_QUEUED:
        if (ring_state(word) == RING_TAKEN) {
            t->attempt++;
            t->held = owner_lives(w, taker(word));
            t->returned = true;
        }
        return word != 0 && (t->held || !withdrawn(word));
    case CELL_LEASED:
        t->held = owner_lives(w, cell_owner(h));
        t->returned = true;
        return t->held || cell_deliveries(h) != 0;
    case CELL_RETURNED:
        t->returned = true;
        return true;
    default:
        return false;
    }
}

void invariants_story(const struct witness *w, char story[STORY])
{
    struct message list[64];
    size_t n = 0, at = 0;
    /* A port's messages end with its receiver, unless they have somewhere to go. */
    if (header(w)->state == LINK_DESTROYED ||
        (is_port(w) && !has_letters(w) && !living(w, w->geometry->creator))) {
        snprintf(story, STORY, "gone");
        return;
    }
    for (uint32_t x = 0; x < w->geometry->cells && n < 64; x++)
        if (accepted(w, x, &list[n]))
            list[n++].letter = letter_of(w, x);
    qsort(list, n, sizeof *list, earlier);
    story[0] = 0;
    for (size_t i = 0; i < n && at + 8 < STORY; i++) {
        const char *gap = i ? " " : "";
        if (list[i].held)
            at += (size_t)snprintf(story + at, STORY - at, "%s(%c)", gap, list[i].letter);
        else
            at += (size_t)snprintf(story + at, STORY - at, "%s%c%u", gap, list[i].letter,
                                   list[i].attempt);
    }
}

uint32_t invariants_held(const struct witness *w)
{
    uint32_t n = 0;
    for (uint32_t x = 0; x < w->geometry->cells; x++) {
        uint64_t h = cell(w, x)->header;
        bool owned = cell_state(h) == CELL_LEASED || cell_state(h) == CELL_LOANED;
        n += owned && owner_lives(w, cell_owner(h));
    }
    return n;
}
