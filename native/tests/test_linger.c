/* When a receiver or a sender lingers to find more, and how what it finds changes that. */
#include <stdio.h>

#include "base/process.h"
#include "check.h"
#include "waiting/linger.h"

#define PLACES 1024u

/* How many waits pass until it lingers once. */
static uint32_t waits(struct linger *l, liaison_space *space)
{
    uint32_t n = 1;
    for (; !linger(l, space); n++)
        CHECK(n < 100000);
    return n;
}

static void finds(struct linger *l, liaison_space *space, uint32_t found)
{
    waits(l, space);
    linger_ended(l, found);
}

static uint32_t stay(const struct linger *l) { return glance32(&l->stay); }

int main(void)
{
    liaison_space *space = test_space();
    struct linger l;
    if (process_cores() < 2) {
        puts("SKIPPED: with one processor nobody stays away");
        return 77;
    }

    /* A process that finds one message at a time, as in a dialogue, soon hardly ever tries. */
    linger_begin(&l, LINGER_RECEIVING, PLACES);
    uint32_t first = waits(&l, space);
    linger_ended(&l, 1);
    uint32_t second = waits(&l, space);
    for (int i = 0; i < 20; i++)
        finds(&l, space, 1);
    CHECK(second > first && waits(&l, space) > 4000);

    /* A process that finds several lingers each time, and tries again soon after one miss. */
    linger_begin(&l, LINGER_RECEIVING, PLACES);
    finds(&l, space, 5);
    CHECK(waits(&l, space) == 1);
    linger_ended(&l, 0);
    CHECK(stay(&l) == 0 && waits(&l, space) < 10);

    /* What it finds never makes a receiver linger longer; it does a sender, until much is free. */
    linger_begin(&l, LINGER_RECEIVING, PLACES);
    for (int i = 0; i < 10; i++)
        finds(&l, space, 5);
    CHECK(stay(&l) == LINGER_RECEIVING);
    linger_begin(&l, LINGER_SENDING, PLACES);
    for (int i = 0; i < 10; i++)
        finds(&l, space, 5);
    CHECK(stay(&l) == LINGER_SENDING);
    finds(&l, space, PLACES);
    CHECK(stay(&l) == LINGER_SENDING / 2);
    finds(&l, space, PLACES / 3);
    CHECK(stay(&l) == LINGER_SENDING / 2);
    /* If nothing is free after the longest stay, no process receives. */
    for (int i = 0; i < 2; i++)
        finds(&l, space, 0);
    CHECK(stay(&l) == 0);
    /* And it is tried less and less. */
    for (int i = 0; i < 200; i++)
        finds(&l, space, 0);
    while (stay(&l))
        finds(&l, space, 0);
    CHECK(waits(&l, space) > 4000);

    /* On a link of few places the other would soon have nothing to do. */
    linger_begin(&l, LINGER_SENDING, 10);
    for (int i = 0; i < 1000; i++)
        CHECK(!linger(&l, space));

    liaison_space_close(space);
    return 0;
}
