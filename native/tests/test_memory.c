/* How much of the memory file system a link takes: little while it is empty, more when it is used,
 * never more than its header says, and at creation what `memory` or `max_message` ask for. */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "victim.h"

#define IDLE (128u * 1024) /* bytes, at most */
#define CAPACITY 1024u     /* by default */

static liaison_space *space;

static uint64_t taken(liaison_mailbox *m)
{
    struct liaison_info info;
    CHECK_OK(liaison_mailbox_info(m, &info));
    return info.bytes;
}
static uint32_t places_free(liaison_mailbox *m)
{
    struct liaison_statistics now;
    CHECK_OK(liaison_mailbox_statistics(m, &now));
    return now.free;
}

static liaison_mailbox *create(const char *name, const struct liaison_policy *policy)
{
    liaison_mailbox *m;
    CHECK_OK(liaison_mailbox_open(space, name, LIAISON_CREATE, policy, &m));
    return m;
}

static void fill(liaison_mailbox *m, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        CHECK_OK(test_send(m, &i, sizeof i, 0));
}
static void drain(liaison_mailbox *m, uint32_t from, uint32_t to)
{
    for (uint32_t i = from, got; i < to; i++)
        CHECK(test_receive(m, &got, sizeof got, 0) == sizeof got && got == i);
}

/* Each kind with nothing but its defaults. */
static void takes_little_while_idle(void)
{
    for (uint32_t kind = LIAISON_KIND_MAILBOX; kind <= LIAISON_KIND_DIRECT; kind++) {
        struct liaison_policy policy = {.kind = kind,
                                        .capacity = -1,
                                        .pair_capacity = -1,
                                        .access = kind == LIAISON_KIND_DIRECT ? LIAISON_PAIR
                                                                              : LIAISON_ANY};
        /* 10 places of 8 KiB are what a queue is. */
        uint64_t most = kind == LIAISON_KIND_QUEUE ? IDLE + 10 * 8192 : IDLE;
        liaison_mailbox *m = create("idle", &policy);
        CHECK(taken(m) > 0 && taken(m) <= most);
        CHECK_OK(liaison_mailbox_destroy(m, true));
        liaison_mailbox_close(m);
    }
    liaison_mailbox *reader, *writer;
    CHECK_OK(liaison_pipe_create(space, NULL, &reader, &writer));
    CHECK(taken(reader) > 0 && taken(reader) <= IDLE);
    liaison_mailbox_close(reader);
    liaison_mailbox_close(writer);
    CHECK_OK(liaison_named_pipe_open(space, "idle", NULL, &writer, &reader));
    CHECK(taken(reader) > 0 && taken(reader) <= 2 * IDLE);
    liaison_mailbox_close(reader);
    liaison_mailbox_close(writer);
}

/* No place that has no memory is looked at, whatever a receipt says. */
static void a_receipt_of_no_place_is_refused(void)
{
    liaison_mailbox *m = create("receipt", NULL);
    struct liaison_wait wait = {.timeout = 0};
    struct liaison_loan loan;
    struct liaison_receipt receipt;
    int state;
    CHECK_OK(liaison_mailbox_try_loan(m, 1, true, &loan));
    CHECK_OK(liaison_mailbox_send_loan(m, &loan, 0, &wait, &receipt));
    CHECK_OK(liaison_receipt_state(m, &receipt, &state, NULL));
    receipt.cell = CELLS_STEP;
    CHECK_RESULT(LIAISON_INVALID, liaison_receipt_state(m, &receipt, &state, NULL));
    CHECK_OK(liaison_mailbox_destroy(m, true));
    liaison_mailbox_close(m);
}

/* Looking at it, and messages that do not pile up, take nothing more. */
static void takes_no_more_than_is_used(void)
{
    liaison_mailbox *m = create("used", NULL), *other = NULL;
    uint64_t idle = taken(m);
    CHECK(places_free(m) == CAPACITY);
    fill(m, 0, CELLS_STEP);
    drain(m, 0, CELLS_STEP);
    for (uint32_t i = 0; i < 3 * CAPACITY; i++) {
        fill(m, i, i + 1);
        drain(m, i, i + 1);
    }
    CHECK_OK(liaison_mailbox_open(space, "used", LIAISON_OPEN, NULL, &other));
    CHECK(places_free(other) == CAPACITY);
    liaison_mailbox_close(other);
    struct liaison_cleaned cleaned;
    CHECK_OK(liaison_space_clean(space, true, &cleaned));
    CHECK(taken(m) == idle);
    fill(m, 0, CELLS_STEP);
    CHECK(places_free(m) == CAPACITY - CELLS_STEP);
    CHECK(taken(m) == idle);
    fill(m, CELLS_STEP, CELLS_STEP + 1);
    uint64_t step = taken(m) - idle;
    CHECK(step > 0 && step <= IDLE);
    fill(m, CELLS_STEP + 1, 2 * CELLS_STEP);
    CHECK(taken(m) == idle + step);
    fill(m, 2 * CELLS_STEP, CAPACITY);
    CHECK(places_free(m) == 0);
    uint32_t more = CAPACITY;
    CHECK_RESULT(LIAISON_FULL, test_send(m, &more, sizeof more, 0));
    drain(m, 0, CAPACITY);
    CHECK(places_free(m) == CAPACITY);
    uint64_t full = taken(m);
    for (uint32_t round = 0; round < 3; round++) {
        fill(m, 0, CAPACITY);
        drain(m, 0, CAPACITY);
    }
    CHECK(taken(m) == full);
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
}

/* With `memory` or `max_message` nothing that fits takes more later. */
static void takes_at_creation_what_was_asked_for(void)
{
    const struct liaison_policy asked[] = {{.capacity = CAPACITY, .memory = 256 * 1024},
                                           {.capacity = CAPACITY, .max_message = 200},
                                           {.capacity = -1, .memory = 1},
                                           {.capacity = CELLS_STEP}};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        liaison_mailbox *m = create("asked", &asked[i]);
        uint64_t before = taken(m);
        uint32_t all = places_free(m);
        fill(m, 0, all);
        drain(m, 0, all);
        char large[200] = "";
        if (asked[i].capacity >= (int64_t)CAPACITY)
            CHECK_OK(test_send(m, large, sizeof large, 0));
        CHECK(taken(m) == before);
        CHECK_OK(liaison_mailbox_destroy(m, false));
        liaison_mailbox_close(m);
    }
}

/* Of many processes at once each gets places of its own, and together they get all. */
#define LOANERS 4u
static liaison_mailbox *shared;
static int loan_a_share(void *context)
{
    struct liaison_loan loan;
    uint32_t *counted = context;
    for (uint32_t i = 0; i < CAPACITY / LOANERS; i++) {
        CHECK_OK(liaison_mailbox_try_loan(shared, sizeof i, false, &loan));
        __atomic_fetch_add(&counted[loan.cell], 1, __ATOMIC_RELAXED);
    }
    pause(); /* they are its own for as long as it lives */
    return 0;
}
static void many_take_more_at_once(void)
{
    pid_t loaner[LOANERS];
    shared = create("many", NULL);
    uint32_t *counted = mmap(NULL, CAPACITY * sizeof *counted, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(counted != MAP_FAILED);
    for (uint32_t i = 0; i < LOANERS; i++)
        loaner[i] = test_child(loan_a_share, counted);
    for (uint32_t i = 0; i < CAPACITY; i++)
        while (__atomic_load_n(&counted[i], __ATOMIC_RELAXED) == 0)
            usleep(100);
    for (uint32_t i = 0; i < CAPACITY; i++)
        CHECK(counted[i] == 1);
    CHECK(places_free(shared) == 0);
    for (uint32_t i = 0; i < LOANERS; i++) {
        kill(loaner[i], SIGKILL);
        CHECK(test_wait(loaner[i]) == -SIGKILL);
    }
    /* What the dead had in later places is found as well. */
    while (places_free(shared) != CAPACITY) {
        CHECK_OK(test_send(shared, "x", 1, FOREVER));
        char x;
        CHECK(test_receive(shared, &x, 1, 0) == 1);
    }
    CHECK_OK(liaison_mailbox_destroy(shared, false));
    liaison_mailbox_close(shared);
}

/* Another process writes any count there: every operation ends with a result, and after the count
 * is put back the link works again. */
static void survives_any_count(void)
{
    const uint32_t values[] = {
        0, 1, CELLS_STEP - 1, CELLS_STEP + 1, CAPACITY - 1, CAPACITY + 1, 1u << 18, UINT32_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        liaison_mailbox *m = create("lied-to", NULL), *other;
        struct segment *s = victim_segment(m);
        struct liaison_delivery d;
        fill(m, 0, 2 * CELLS_STEP);
        uint32_t top = glance32(&s->header->cells_top);
        note32(&s->header->cells_top, values[i]);
        for (uint32_t n = 0; n < 2 * CAPACITY && test_send(m, &n, sizeof n, 0) == LIAISON_OK; n++)
            ;
        CHECK_OK(liaison_mailbox_open(space, "lied-to", LIAISON_OPEN, NULL, &other));
        CHECK(places_free(other) <= CAPACITY);
        liaison_mailbox_close(other);
        for (uint32_t n = 0; n < CAPACITY; n++)
            if (liaison_mailbox_try_take(m, &d) == LIAISON_OK && n % 2)
                (void)liaison_mailbox_release(m, &d);
        note32(&s->header->cells_top, values[i]);
        (void)test_send(m, &top, sizeof top, 0);
        note32(&s->header->cells_top, CAPACITY);
        while (liaison_mailbox_try_take(m, &d) == LIAISON_OK)
            CHECK_OK(liaison_mailbox_acknowledge(m, &d));
        CHECK_OK(test_send(m, &top, sizeof top, 0));
        CHECK_OK(liaison_mailbox_destroy(m, false));
        liaison_mailbox_close(m);
    }
}

int main(void)
{
    space = test_space();
    takes_little_while_idle();
    a_receipt_of_no_place_is_refused();
    takes_no_more_than_is_used();
    takes_at_creation_what_was_asked_for();
    many_take_more_at_once();
    survives_any_count();
    liaison_space_close(space);
    return 0;
}
