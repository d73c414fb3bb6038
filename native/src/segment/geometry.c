#include "segment/geometry.h"

#include <stdio.h>
#include <string.h>

#include "base/platform.h"
#include "space/names.h"

#define RENDEZVOUS_CELLS 64u
#define DEFAULT_STRIDE 128u
#define ARENA_LIMIT (UINT64_C(1) << 30) /* by default */
#define MEMORY_MAX (UINT64_C(1) << 40)

uint64_t geometry_checksum(const struct geometry *g)
{
    /* FNV-1a: against accidents. The checks of every value are against malice. */
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    const uint8_t *p = (const uint8_t *)g;
    for (size_t i = 0; i < sizeof *g; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static bool kind_fits(const struct geometry *g)
{
    const struct kind *kind = kind_find(g->kind);
    return kind && kind->check(g);
}

uint64_t geometry_index_size(const struct geometry *g)
{
    return (g->arena_limit + BLOCK_TOP - 1) / BLOCK_TOP * INDEX_SIZE;
}

int geometry_plan(struct geometry *g)
{
    if (g->cells < 1 || g->cells > LIAISON_CAPACITY_MAX || g->max_message > MEMORY_MAX ||
        g->memory > MEMORY_MAX || (g->memory && g->max_message))
        return LIAISON_INVALID;
    g->ring_size = 64; /* not smaller: the cycle should take long to come round */
    while (g->ring_size < g->cells)
        g->ring_size *= 2;
    g->attachments = g->access == LIAISON_PAIR ? 2 : ATTACHMENTS;
    g->receipts = g->rendezvous ? 2 * g->cells : g->cells;
    uint64_t stride = g->max_message ? round_up(CELL_PAYLOAD + g->max_message, 64) : DEFAULT_STRIDE;
    if (stride > UINT32_MAX)
        return LIAISON_INVALID;
    g->stride = (uint32_t)stride;
    bool grows = !g->max_message && !g->memory;
    g->cells_start = grows && g->cells > CELLS_STEP ? CELLS_STEP : g->cells;
    g->arena_start = round_up(g->memory, PAGE);
    g->arena_limit = grows ? ARENA_LIMIT : g->arena_start;
    g->ring_at = PAGE;
    g->attachments_at = g->ring_at + (uint64_t)g->ring_size * sizeof(word64);
    g->waiters_at = g->attachments_at + round_up(g->attachments * sizeof(struct attachment), LINE);
    g->receipts_at = g->waiters_at + 2 * WAITERS * sizeof(struct waiter);
    g->returned_at = g->receipts_at + round_up(g->receipts * sizeof(struct receipt), LINE);
    g->cells_at = g->returned_at + round_up((g->cells + 63) / 64 * sizeof(word64), LINE);
    /* Parts that are reserved on their own, and the second half of a named pipe, which is mapped on
     * its own, begin at a page of any size. With smaller pages the gap costs addresses, but no
     * memory.
     */
    g->index_at = round_up(g->cells_at + (uint64_t)g->cells * g->stride, PAGE_MOST);
    g->arena_at = round_up(g->index_at + geometry_index_size(g), PAGE_MOST);
    g->size = round_up(g->arena_at + g->arena_limit, PAGE_MOST);
    return LIAISON_OK;
}

/* Whether it has only characters of an address, and none that disturb a terminal or a decoder. */
static bool plain_text(const char *text, size_t size)
{
    size_t n = strnlen(text, size);
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return n < size;
}

int geometry_of(const struct liaison_policy *p, const char *name, struct geometry *g)
{
    memset(g, 0, sizeof *g);
    g->magic = LAYOUT_MAGIC;
    g->version = LAYOUT_VERSION;
    g->header_size = sizeof(struct header);
    g->kind = p->kind;
    g->access = p->access ? p->access : LIAISON_ANY;
    g->rendezvous = p->capacity == 0;
    if (p->capacity > (int64_t)LIAISON_CAPACITY_MAX ||
        p->pair_capacity > (int64_t)LIAISON_CAPACITY_MAX || g->access > LIAISON_PAIR)
        return LIAISON_INVALID;
    const struct kind *kind = kind_find(g->kind);
    if (!kind)
        return LIAISON_INVALID;
    g->cells = p->capacity < 0   ? kind->capacity
               : p->capacity > 0 ? (uint32_t)p->capacity
                                 : RENDEZVOUS_CELLS;
    g->max_message = p->max_message ? p->max_message : kind->max_message;
    g->memory = p->memory;
    g->max_deliveries = p->max_deliveries;
    g->lifetime = p->lifetime;
    memcpy(g->name, name, strnlen(name, LIAISON_NAME_MAX));
    memcpy(g->dead_letters, p->dead_letters, strnlen(p->dead_letters, LIAISON_ADDRESS_MAX - 1));
    if (kind->plan)
        kind->plan(p, g);
    if (!kind->check(g))
        return LIAISON_INVALID;
    return plain_text(g->dead_letters, sizeof g->dead_letters) ? geometry_plan(g) : LIAISON_INVALID;
}

bool segment_fits(const struct liaison_policy *p, const struct geometry *g)
{
    if (p->capacity >= 0 && (p->capacity == 0) != (g->rendezvous != 0))
        return false;
    return (p->capacity <= 0 || p->capacity == (int64_t)g->cells) &&
           (!p->kind || p->kind == g->kind) && (!p->access || p->access == g->access) &&
           (!p->max_message || p->max_message == g->max_message) &&
           (!p->memory || p->memory == g->memory) &&
           (!p->max_deliveries || p->max_deliveries == g->max_deliveries) &&
           (!p->lifetime || p->lifetime == g->lifetime) &&
           (p->pair_capacity < 0 || p->pair_capacity == (int64_t)g->pair_capacity) &&
           (!p->dead_letters[0] || strcmp(p->dead_letters, g->dead_letters) == 0);
}

/* Of the file: a named pipe is two segments, one behind the other. */
uint64_t geometry_file_size(const struct geometry *g) { return kind_find(g->kind)->ways * g->size; }

/* Everything that an attacher relies on later is checked here, once. */
int geometry_check(const struct header *h, uint64_t size)
{
    const struct geometry *g = &h->geometry;
    if (g->magic != LAYOUT_MAGIC)
        return LIAISON_CORRUPT;
    if (g->version != LAYOUT_VERSION || g->header_size != sizeof(struct header))
        return LIAISON_VERSION;
    if (h->checksum != geometry_checksum(g))
        return LIAISON_CORRUPT;
    struct geometry plan = *g;
    if (g->access < LIAISON_ANY || g->access > LIAISON_PAIR || g->rendezvous > 1 || !kind_fits(g) ||
        geometry_plan(&plan) != LIAISON_OK || memcmp(&plan, g, sizeof plan) != 0 ||
        memchr(g->name, 0, sizeof g->name) == NULL ||
        !(kind_find(g->kind)->nameless || name_of_link_valid(g->name)) ||
        !plain_text(g->dead_letters, sizeof g->dead_letters) || size != geometry_file_size(g))
        return LIAISON_CORRUPT;
    return LIAISON_OK;
}

void segment_id(const struct geometry *g, char text[40])
{
    snprintf(text, 40, "%016llx%016llx", (unsigned long long)g->id[0],
             (unsigned long long)g->id[1]);
}
