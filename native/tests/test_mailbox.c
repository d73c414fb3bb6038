/* What a C program can rely on: each function states one fact. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static liaison_space *space;

static void messages_arrive_in_order_and_whole(void)
{
    liaison_mailbox *m = test_mailbox(space, "order", 16);
    char text[200], got[200];
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 16; i++) {
            memset(text, i, sizeof text);
            CHECK_OK(test_send(m, text, (size_t)(i * 12), 0));
        }
        CHECK_RESULT(LIAISON_FULL, test_send(m, "", 0, 0));
        for (int i = 0; i < 16; i++) {
            CHECK(test_receive(m, got, sizeof got, 0) == i * 12);
            memset(text, i, sizeof text);
            CHECK(memcmp(got, text, (size_t)(i * 12)) == 0);
        }
        CHECK(test_receive(m, got, sizeof got, 0) == -LIAISON_EMPTY);
    }
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
}

static void a_leased_message_counts_against_the_capacity(void)
{
    liaison_mailbox *m = test_mailbox(space, "leased", 1);
    struct liaison_delivery d;
    CHECK_OK(test_send(m, "a", 1, 0));
    CHECK_OK(liaison_mailbox_try_take(m, &d));
    CHECK_RESULT(LIAISON_FULL, test_send(m, "b", 1, 0));
    CHECK_OK(liaison_mailbox_acknowledge(m, &d));
    CHECK_RESULT(LIAISON_LEASE_LOST, liaison_mailbox_acknowledge(m, &d));
    CHECK_OK(test_send(m, "b", 1, 0));
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
}

static void a_returned_message_comes_first_even_when_full(void)
{
    liaison_mailbox *m = test_mailbox(space, "returned", 3);
    struct liaison_delivery first, second, d;
    CHECK_OK(test_send(m, "1", 1, 0));
    CHECK_OK(test_send(m, "2", 1, 0));
    CHECK_OK(test_send(m, "3", 1, 0));
    CHECK_OK(liaison_mailbox_try_take(m, &first));
    CHECK_OK(liaison_mailbox_try_take(m, &second));
    CHECK_OK(liaison_mailbox_release(m, &second));
    CHECK_OK(liaison_mailbox_release(m, &first));
    const char *expected = "123";
    for (int i = 0; i < 3; i++) {
        CHECK_OK(liaison_mailbox_try_take(m, &d));
        CHECK(*(const char *)d.data == expected[i]);
        CHECK(d.attempt == (i < 2 ? 2 : 1));
        CHECK_OK(liaison_mailbox_acknowledge(m, &d));
    }
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
}

static void what_a_dead_process_leased_is_delivered_again(void)
{
    liaison_mailbox *m = test_mailbox(space, "dead", 1);
    for (int i = 0; i < 20; i++) {
        CHECK_OK(test_send(m, "x", 1, 0));
        CHECK(test_wait(test_child(test_lease_and_die, m)) == -SIGKILL);
        struct liaison_wait wait = {.timeout = 60 * SECOND};
        struct liaison_delivery d;
        CHECK_OK(liaison_mailbox_take(m, &wait, &d));
        CHECK(d.attempt == 2);
        CHECK_OK(liaison_mailbox_acknowledge(m, &d));
    }
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
}

static int settle_the_parents(void *context)
{
    void **both = context;
    CHECK_RESULT(LIAISON_LEASE_LOST, liaison_mailbox_acknowledge(both[0], both[1]));
    return 0;
}

static void a_child_cannot_settle_what_its_parent_leased(void)
{
    liaison_mailbox *m = test_mailbox(space, "parents", 4);
    struct liaison_delivery d;
    CHECK_OK(test_send(m, "x", 1, 0));
    CHECK_OK(liaison_mailbox_try_take(m, &d));
    CHECK(test_wait(test_child(settle_the_parents, (void *[]){m, &d})) == 0);
    CHECK_OK(liaison_mailbox_acknowledge(m, &d));
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
}

static int receive_one(void *context)
{
    char text[16];
    return test_receive(context, text, sizeof text, 60 * SECOND) == 5 ? 0 : 1;
}

static void a_rendezvous_meets_or_takes_back(void)
{
    liaison_mailbox *m = test_mailbox(space, "rendezvous", 0);
    char text[16];
    CHECK_RESULT(LIAISON_NO_RECEIVER, test_send(m, "hello", 5, 0));
    CHECK_RESULT(LIAISON_NO_RECEIVER, test_send(m, "hello", 5, SECOND / 100));
    CHECK(test_receive(m, text, sizeof text, 0) == -LIAISON_EMPTY);
    pid_t child = test_child(receive_one, m);
    CHECK_OK(test_send(m, "hello", 5, 60 * SECOND));
    CHECK(test_wait(child) == 0);
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
}

static void a_receipt_shows_the_state_of_the_message(void)
{
    liaison_mailbox *m = test_mailbox(space, "receipt", 4);
    struct liaison_wait wait = {.timeout = 0};
    struct liaison_loan loan;
    struct liaison_receipt receipt;
    struct liaison_delivery d;
    struct liaison_peer peer;
    int state;
    CHECK_OK(liaison_mailbox_try_loan(m, 3, true, &loan));
    CHECK_OK(liaison_mailbox_send_loan(m, &loan, 0, &wait, &receipt));
    CHECK_OK(liaison_receipt_state(m, &receipt, &state, &peer));
    CHECK(state == LIAISON_QUEUED);
    CHECK_RESULT(LIAISON_EMPTY, liaison_receipt_wait(m, &receipt, LIAISON_RECEIVED, &wait));
    CHECK_OK(liaison_mailbox_try_take(m, &d));
    CHECK_OK(liaison_receipt_state(m, &receipt, &state, &peer));
    CHECK(state == LIAISON_RECEIVED && peer.pid == getpid());
    CHECK_OK(liaison_mailbox_acknowledge(m, &d));
    CHECK_OK(test_send(m, "another in the same cell", 24, 0));
    CHECK_OK(liaison_receipt_state(m, &receipt, &state, &peer));
    CHECK(state == LIAISON_ACKNOWLEDGED && peer.pid == getpid());
    liaison_receipt_drop(m, &receipt);
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
}

static int receive_until_destroyed(void *context)
{
    char text[16];
    return (int)-test_receive(context, text, sizeof text, FOREVER);
}

static void destruction_wakes_everybody(void)
{
    liaison_mailbox *m = test_mailbox(space, "destroyed", 4);
    pid_t child[3];
    for (int i = 0; i < 3; i++)
        child[i] = test_child(receive_until_destroyed, m);
    struct liaison_statistics s = {0};
    while (s.receivers_waiting < 3)
        CHECK_OK(liaison_mailbox_statistics(m, &s));
    CHECK_OK(liaison_mailbox_destroy(m, false));
    for (int i = 0; i < 3; i++)
        CHECK(test_wait(child[i]) == LIAISON_DESTROYED);
    CHECK_RESULT(LIAISON_DESTROYED, test_send(m, "", 0, 0));
    liaison_mailbox_close(m);
    CHECK_RESULT(LIAISON_NOT_FOUND,
                 liaison_mailbox_open(space, "destroyed", LIAISON_OPEN, NULL, &m));
}

static int destroy_anothers(void *context) { return liaison_mailbox_destroy(context, false); }

static bool give_up(void *context)
{
    ++*(int *)context;
    return true;
}

/* The undefined-behaviour sanitizer sees a deadline that ran over. */
static void a_timeout_beyond_the_clock_is_for_ever(void)
{
    liaison_mailbox *m = test_mailbox(space, "centuries", 1);
    int asked = 0;
    struct liaison_wait wait = {INT64_MAX, give_up, &asked};
    struct liaison_delivery d;
    struct liaison_loan loan;
    CHECK_RESULT(LIAISON_INTERRUPTED, liaison_mailbox_take(m, &wait, &d));
    CHECK_OK(test_send(m, "full", 4, 0));
    CHECK_RESULT(LIAISON_INTERRUPTED, liaison_mailbox_loan(m, 4, false, &wait, &loan));
    CHECK(asked == 2);
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
}

static void only_its_creator_destroys_a_link_while_it_lives(void)
{
    liaison_mailbox *m = test_mailbox(space, "mine", 4);
    CHECK(test_wait(test_child(destroy_anothers, m)) == LIAISON_NOT_OWNER);
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
}

static void names_outside_the_grammar_create_nothing(void)
{
    const char *bad[] = {"",   ".",  "..",  "a/b", "../a",    "a..b",
                         ".a", "a.", "a b", "a\n", "\xc3\xa4"};
    struct liaison_policy policy = {.capacity = 1};
    liaison_mailbox *m;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_RESULT(LIAISON_INVALID,
                     liaison_mailbox_open(space, bad[i], LIAISON_OPEN_OR_CREATE, &policy, &m));
}

static void an_existing_link_is_not_opened_as_another(void)
{
    struct liaison_policy policy = {.capacity = 4, .max_message = 100};
    liaison_mailbox *m, *other;
    CHECK_OK(liaison_mailbox_open(space, "policy", LIAISON_CREATE, &policy, &m));
    CHECK_RESULT(LIAISON_NAME_TAKEN,
                 liaison_mailbox_open(space, "policy", LIAISON_CREATE, &policy, &other));
    policy.capacity = 5;
    CHECK_RESULT(LIAISON_MISMATCH,
                 liaison_mailbox_open(space, "policy", LIAISON_OPEN_OR_CREATE, &policy, &other));
    CHECK_RESULT(LIAISON_TOO_LARGE, test_send(m, "", 101, 0));
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
}

static void a_link_is_described(void)
{
    struct liaison_policy policy = {
        .capacity = 3, .memory = 5000, .max_deliveries = 7, .dead_letters = "dead"};
    struct liaison_info asked, known;
    liaison_mailbox *m;
    CHECK_OK(liaison_mailbox_open(space, "described", LIAISON_CREATE, &policy, &m));
    CHECK_OK(liaison_mailbox_info(m, &asked));
    liaison_mailbox_describe(m, &known);
    CHECK(asked.bytes > 0 && asked.creator.identity == known.creator.identity);
    asked.bytes = 0;
    asked.creator = known.creator;
    CHECK(memcmp(&asked, &known, sizeof known) == 0);
    CHECK(known.policy.capacity == 3 && known.policy.max_deliveries == 7 && known.largest >= 5000);
    CHECK_OK(liaison_mailbox_destroy(m, false));
    liaison_mailbox_close(m);
}

int main(void)
{
    space = test_space();
    messages_arrive_in_order_and_whole();
    a_leased_message_counts_against_the_capacity();
    a_returned_message_comes_first_even_when_full();
    what_a_dead_process_leased_is_delivered_again();
    a_child_cannot_settle_what_its_parent_leased();
    a_rendezvous_meets_or_takes_back();
    a_receipt_shows_the_state_of_the_message();
    destruction_wakes_everybody();
    a_timeout_beyond_the_clock_is_for_ever();
    only_its_creator_destroys_a_link_while_it_lives();
    names_outside_the_grammar_create_nothing();
    an_existing_link_is_not_opened_as_another();
    a_link_is_described();
    liaison_space_close(space);
    return 0;
}
