/* The arena against a plain model: what is claimed never overlaps, and what was acknowledged
 * can be claimed again, also in one piece. */
#include <string.h>

#include "check.h"

#define CELLS 200
#define MEMORY (3u << 20)

static struct liaison_loan loans[CELLS];
static uint8_t *owner; /* per KiB: its owner in the model */

static void mark(const uint8_t *base, const struct liaison_loan *loan, uint8_t from, uint8_t to)
{
    size_t first = (size_t)((const uint8_t *)loan->data - base) / 1024;
    size_t blocks = (loan->size + 1023) / 1024;
    CHECK(first + blocks <= MEMORY / 1024);
    for (size_t i = first; i < first + blocks; i++) {
        CHECK(owner[i] == from);
        owner[i] = to;
    }
}

int main(void)
{
    liaison_space *space = test_space();
    struct liaison_policy policy = {.capacity = CELLS, .memory = MEMORY};
    liaison_mailbox *m;
    struct liaison_loan whole;
    CHECK_OK(liaison_mailbox_open(space, "arena", LIAISON_CREATE, &policy, &m));
    owner = calloc(MEMORY / 1024, 1);
    /* 3 MiB is claimed as 12 blocks of 256 KiB: the arena from its first byte. */
    CHECK_OK(liaison_mailbox_try_loan(m, MEMORY, false, &whole));
    const uint8_t *base = whole.data;
    CHECK_RESULT(LIAISON_FULL, liaison_mailbox_try_loan(m, 100, false, &loans[0]));
    liaison_mailbox_discard(m, &whole);
    CHECK_RESULT(LIAISON_TOO_LARGE, liaison_mailbox_try_loan(m, MEMORY + 1, false, &whole));

    uint32_t seed = 4711, claimed = 0;
    for (int step = 0; step < 60000; step++) {
        uint32_t i = test_random(&seed) % CELLS;
        if (loans[i].data) {
            mark(base, &loans[i], (uint8_t)(i + 1), 0);
            liaison_mailbox_discard(m, &loans[i]);
            loans[i].data = NULL;
            continue;
        }
        /* Mostly small, some that need several large blocks. */
        uint32_t magnitude = 7 + test_random(&seed) % 14;
        size_t size = 100 + test_random(&seed) % (1u << magnitude);
        int r = liaison_mailbox_try_loan(m, size, false, &loans[i]);
        if (r == LIAISON_OK) {
            claimed++;
            mark(base, &loans[i], 0, (uint8_t)(i + 1));
        } else {
            CHECK(r == LIAISON_FULL);
            loans[i].data = NULL;
        }
    }
    CHECK(claimed > 10000);
    for (uint32_t i = 0; i < CELLS; i++)
        if (loans[i].data)
            liaison_mailbox_discard(m, &loans[i]);
    struct liaison_statistics s;
    CHECK_OK(liaison_mailbox_statistics(m, &s));
    CHECK(s.arena_used == 0 && s.free == CELLS);
    CHECK_OK(liaison_mailbox_try_loan(m, MEMORY, false, &whole));
    CHECK(whole.data == base);
    liaison_mailbox_discard(m, &whole);

    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
    liaison_space_close(space);
    free(owner);
    return 0;
}
