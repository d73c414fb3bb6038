/* Threads of one process on one handle: every message arrives exactly once, whole, and in its
 * sender's order, through mailboxes so small that everything collides. And everything that
 * liaison.h offers at once, on shared handles and on own ones, while links are destroyed and
 * created anew: no result that is not documented, and no data race. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "victim.h"

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

/* ---- everything at once ----------------------------------------------------------------- */

#define EVERYBODY 4

static void *do_everything(void *context)
{
    struct victim *v = context;
    for (unsigned i = 0; i < 30; i++)
        victim_round(v, (unsigned)(v->seed + i));
    return NULL;
}

/* Two threads on one handle and two on handles of their own, of one segment. */
static void everything_at_once(liaison_space *space, const struct liaison_policy *policy)
{
    for (uint32_t round = 0; round < 3; round++) {
        liaison_mailbox *handle[3];
        pthread_t threads[EVERYBODY];
        struct victim v[EVERYBODY];
        struct progress *p = progress_new();
        for (int i = 0; i < 3; i++)
            CHECK_OK(liaison_mailbox_open(space, "everything", LIAISON_OPEN_OR_CREATE, policy,
                                          &handle[i]));
        for (uint32_t i = 0; i < EVERYBODY; i++) {
            v[i] = (struct victim){.space = space,
                                   .name = "everything",
                                   .mailbox = handle[i < 2 ? 0 : i - 1],
                                   .progress = p,
                                   .seed = 1000 * round + i + 1,
                                   .closes = round > 0, /* and the first to its end */
                                   .longest = SECOND / 500};
            CHECK(pthread_create(&threads[i], NULL, do_everything, &v[i]) == 0);
        }
        for (int i = 0; i < EVERYBODY; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(p->results[LIAISON_CORRUPT] == 0);
        int r = liaison_mailbox_destroy(handle[0], true);
        CHECK(r == LIAISON_OK || r == LIAISON_DESTROYED);
        for (int i = 0; i < 3; i++)
            liaison_mailbox_close(handle[i]);
    }
}

/* Opening, closing, destroying and creating of one name, from all sides. */
static void *come_and_go(void *context)
{
    liaison_space *space = context;
    static _Atomic uint32_t seeds;
    uint32_t seed = atomic_fetch_add(&seeds, 1) + 9;
    struct liaison_policy policy = {.capacity = 2, .memory = 16384};
    for (int i = 0; i < 300; i++) {
        liaison_mailbox *m;
        struct liaison_delivery d;
        struct liaison_wait wait = {.timeout = 1000};
        CHECK_OK(liaison_mailbox_open(space, "comes", LIAISON_OPEN_OR_CREATE, &policy, &m));
        int r = test_send(m, "x", 1, 1000);
        CHECK(r == LIAISON_OK || r == LIAISON_FULL || r == LIAISON_DESTROYED);
        r = liaison_mailbox_take(m, &wait, &d);
        CHECK(r == LIAISON_OK || r == LIAISON_EMPTY || r == LIAISON_DESTROYED);
        if (r == LIAISON_OK)
            r = liaison_mailbox_acknowledge(m, &d);
        CHECK(r == LIAISON_OK || r == LIAISON_EMPTY || r == LIAISON_DESTROYED);
        if (test_random(&seed) % 4 == 0) {
            r = liaison_mailbox_destroy(m, false);
            CHECK(r == LIAISON_OK || r == LIAISON_DESTROYED);
        }
        liaison_mailbox_close(m);
    }
    return NULL;
}

static void *wait_for_ever(void *context)
{
    char text[16];
    int64_t n = test_receive(context, text, sizeof text, FOREVER);
    CHECK(n == -LIAISON_DESTROYED || n == -LIAISON_CLOSED);
    return NULL;
}

/* Destroyed, or interrupted, while others wait in it. */
static void waiters_are_sent_away(liaison_space *space, bool destroyed)
{
    liaison_mailbox *m = test_mailbox(space, "left", 2);
    pthread_t threads[THREADS];
    struct liaison_statistics s = {0};
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, wait_for_ever, m) == 0);
    while (s.receivers_waiting < THREADS)
        CHECK_OK(liaison_mailbox_statistics(m, &s));
    if (destroyed)
        CHECK_OK(liaison_mailbox_destroy(m, false));
    else
        liaison_mailbox_interrupt(m);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    if (!destroyed)
        CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
}

/* ---- pipes and sets ---------------------------------------------------------------------------
 */

#define PIPES 3
#define LETTERS 400
static liaison_mailbox *pipe_reader[PIPES], *pipe_writer[PIPES];
static _Atomic uint32_t pipe_sum, pipe_ended;

static void *write_and_end(void *context)
{
    uintptr_t i = (uintptr_t)context;
    for (uint32_t n = 1; n <= LETTERS; n++)
        CHECK_OK(test_send(pipe_writer[i], &n, sizeof n, FOREVER));
    liaison_mailbox_close(pipe_writer[i]);
    return NULL;
}

/* A set of each thread's own, of pipes that all of them read. */
static void *wait_in_a_set(void *context)
{
    liaison_several *set;
    CHECK_OK(liaison_several_open(context, &set));
    bool in[PIPES] = {true, true, true};
    for (uint64_t i = 0; i < PIPES; i++)
        CHECK_OK(liaison_several_add(set, pipe_reader[i], i));
    for (int left_over = PIPES; left_over > 0;) {
        uint64_t tag[PIPES];
        size_t count;
        CHECK_OK(liaison_several_wait(set, &(struct liaison_wait){.timeout = FOREVER}, tag, PIPES,
                                      &count));
        for (size_t k = 0; k < count; k++) {
            uint32_t n;
            int64_t r = test_receive(pipe_reader[tag[k]], &n, sizeof n, 0);
            CHECK(r == sizeof n || r == -LIAISON_EMPTY || r == -LIAISON_DESTROYED);
            if (r == sizeof n)
                atomic_fetch_add(&pipe_sum, n);
            if (r != -LIAISON_DESTROYED || !in[tag[k]])
                continue;
            in[tag[k]] = false;
            left_over--;
            liaison_several_remove(set, pipe_reader[tag[k]]);
            atomic_fetch_add(&pipe_ended, 1);
        }
    }
    liaison_several_close(set);
    return NULL;
}

/* Threads that wait in sets for pipes get each message once between them, and each the ends. */
static void pipes_in_sets(liaison_space *space)
{
    static const struct liaison_policy policy = {
        .capacity = 4, .pair_capacity = -1, .max_message = 60};
    pthread_t threads[PIPES + THREADS];
    for (int i = 0; i < PIPES; i++)
        CHECK_OK(liaison_pipe_create(space, &policy, &pipe_reader[i], &pipe_writer[i]));
    for (uintptr_t i = 0; i < PIPES; i++)
        CHECK(pthread_create(&threads[i], NULL, write_and_end, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[PIPES + i], NULL, wait_in_a_set, space) == 0);
    for (int i = 0; i < PIPES + THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(pipe_sum == PIPES * LETTERS * (LETTERS + 1) / 2);
    CHECK(pipe_ended == PIPES * THREADS);
    for (int i = 0; i < PIPES; i++)
        liaison_mailbox_close(pipe_reader[i]);
}

/* Threads that open, adopt, end and close the same pipes. */
static void *come_and_go_on_pipes(void *context)
{
    liaison_space *space = context;
    for (int i = 0; i < 100; i++) {
        liaison_mailbox *out, *in, *reader, *writer, *again;
        int memory, token;
        bool receives;
        CHECK_OK(liaison_named_pipe_open(space, "passage", NULL, &out, &in));
        int r = test_send(out, "x", 1, 0);
        CHECK(r == LIAISON_OK || r == LIAISON_FULL || r == LIAISON_DESTROYED);
        liaison_mailbox_close(out);
        liaison_mailbox_close(in);
        CHECK_OK(liaison_pipe_create(space, NULL, &reader, &writer));
        CHECK_OK(liaison_pipe_descriptors(writer, &memory, &token));
        CHECK_OK(liaison_pipe_adopt(space, dup(memory), dup(token), &again, &receives));
        CHECK(!receives);
        liaison_mailbox_close(writer);
        CHECK_OK(test_send(again, "x", 1, 0));
        liaison_mailbox_close(again);
        char text[4];
        CHECK(test_receive(reader, text, sizeof text, FOREVER) == 1);
        CHECK(test_receive(reader, text, sizeof text, FOREVER) == -LIAISON_DESTROYED);
        liaison_mailbox_close(reader);
    }
    return NULL;
}

int main(void)
{
    liaison_space *space = test_space();
    waiters_are_sent_away(space, true);
    waiters_are_sent_away(space, false);
    const struct liaison_policy policies[] = {
        {.capacity = 3, .memory = 65536},
        {.capacity = 3, .memory = 65536, .access = LIAISON_EXCLUSIVE},
        {.capacity = 2, .max_message = 100, .access = LIAISON_PAIR},
        {.capacity = 0, .memory = 65536},
    };
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
        everything_at_once(space, &policies[i]);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, come_and_go, space) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, come_and_go_on_pipes, space) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    pipes_in_sets(space);
    alarm(0);
    round_trip(space, "one", 1, 0, 64);
    round_trip(space, "three", 3, 0, LARGEST);
    round_trip(space, "tight", 64, 16 * 1024, LARGEST); /* the arena fills before the cells */
    round_trip(space, "roomy", 256, 0, LARGEST);
    liaison_space_close(space);
    return 0;
}
