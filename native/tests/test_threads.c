/* Threads of one process on one handle: every message arrives exactly once, whole, and in its
 * sender's order, through mailboxes so small that everything collides. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"

#define THREADS 3
#define MESSAGES 2000
#define LARGEST 9000

struct message {
    uint32_t sender, number, size;
};
static liaison_mailbox *box;
static _Atomic uint32_t received[THREADS][MESSAGES];
static _Atomic uint32_t left = THREADS * MESSAGES;
static size_t largest;

static void *sender(void *context)
{
    struct message m = {.sender = (uint32_t)(uintptr_t)context};
    uint32_t seed = m.sender * 77 + 1;
    uint8_t *text = malloc(LARGEST);
    for (m.number = 0; m.number < MESSAGES; m.number++) {
        m.size = (uint32_t)sizeof m + test_random(&seed) % (uint32_t)(largest - sizeof m);
        memset(text, (int)(m.number % 251), m.size);
        memcpy(text, &m, sizeof m);
        CHECK_OK(test_send(box, text, m.size, FOREVER));
    }
    free(text);
    return NULL;
}

static void *receiver(void *context)
{
    uint32_t seed = (uint32_t)(uintptr_t)context * 13 + 5;
    struct liaison_wait wait = {.timeout = SECOND / 20};
    while (atomic_load(&left) > 0) {
        struct liaison_delivery d;
        int r = liaison_mailbox_take(box, &wait, &d);
        if (r == LIAISON_EMPTY)
            continue;
        CHECK(r == LIAISON_OK);
        struct message m;
        memcpy(&m, d.data, sizeof m);
        CHECK(m.size == d.size && m.sender < THREADS && m.number < MESSAGES);
        const uint8_t *text = d.data;
        for (size_t i = sizeof m; i < d.size; i++)
            CHECK(text[i] == m.number % 251);
        if (test_random(&seed) % 16 == 0) {
            liaison_mailbox_hold(box);
            CHECK_OK(liaison_mailbox_release(box, &d));
            liaison_mailbox_unhold(box, d.epoch);
            continue;
        }
        CHECK(atomic_fetch_add(&received[m.sender][m.number], 1) == 0);
        CHECK_OK(liaison_mailbox_acknowledge(box, &d));
        atomic_fetch_sub(&left, 1);
    }
    return NULL;
}

static void round_trip(liaison_space *space, const char *name, int64_t capacity, uint64_t memory,
                       size_t size)
{
    struct liaison_policy policy = {.capacity = capacity, .memory = memory};
    CHECK_OK(liaison_mailbox_open(space, name, LIAISON_CREATE, &policy, &box));
    memset(received, 0, sizeof received);
    atomic_store(&left, THREADS * MESSAGES);
    largest = size;
    pthread_t threads[2 * THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, sender, (void *)i) == 0);
        CHECK(pthread_create(&threads[THREADS + i], NULL, receiver, (void *)i) == 0);
    }
    for (int i = 0; i < 2 * THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    struct liaison_statistics s;
    CHECK_OK(liaison_mailbox_statistics(box, &s));
    CHECK(s.waiting == 0 && s.leased == 0 && s.loaned == 0 && s.arena_used == 0);
    CHECK_OK(liaison_mailbox_destroy(box, false));
    liaison_mailbox_close(box);
}

int main(void)
{
    liaison_space *space = test_space();
    round_trip(space, "one", 1, 0, 64);
    round_trip(space, "three", 3, 0, LARGEST);
    round_trip(space, "tight", 64, 16 * 1024, LARGEST); /* the arena fills before the cells */
    round_trip(space, "roomy", 256, 0, LARGEST);
    liaison_space_close(space);
    return 0;
}
