/* Ports, as a C program can rely on them; and the end of acceptance, in the ring itself. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "parts/ring.h"
#include "victim.h"

static liaison_space *space;

static struct liaison_policy policy_of_port(const char *dead_letters)
{
    struct liaison_policy policy = {.kind = LIAISON_KIND_PORT, .capacity = 64};
    strncpy(policy.dead_letters, dead_letters, sizeof policy.dead_letters - 1);
    return policy;
}

/* A port, which this process receives from. */
static liaison_mailbox *create(const char *dead_letters, uint32_t lifetime)
{
    struct liaison_policy policy = policy_of_port(dead_letters);
    liaison_mailbox *m;
    policy.lifetime = lifetime;
    CHECK_OK(liaison_mailbox_open(space, "port", LIAISON_CREATE, &policy, &m));
    return m;
}

static liaison_mailbox *open_to_send(void)
{
    liaison_mailbox *m;
    CHECK_OK(liaison_mailbox_open(space, "port", LIAISON_OPEN, NULL, &m));
    return m;
}

struct orphan {
    const char *dead_letters;
    int messages;
};

static int send_and_die(void *context)
{
    const struct orphan *orphan = context;
    liaison_mailbox *m = create(orphan->dead_letters, 0);
    for (int i = 0; i < orphan->messages; i++)
        CHECK_OK(test_send(m, &i, sizeof i, 0));
    raise(SIGKILL);
    return 0;
}

/* A port whose receiver accepted `messages` from itself and was killed. */
static void make_orphan(const char *dead_letters, int messages)
{
    CHECK(test_wait(test_child(send_and_die, &(struct orphan){dead_letters, messages})) ==
          -SIGKILL);
}

static void creating_one_is_busy_while_its_receiver_lives(void)
{
    struct liaison_policy policy = policy_of_port("");
    liaison_mailbox *m = create("", 0), *other;
    CHECK_RESULT(LIAISON_BUSY,
                 liaison_mailbox_open(space, "port", LIAISON_CREATE, &policy, &other));
    liaison_mailbox_close(m);
    liaison_mailbox_close(create("", 0));
    make_orphan("", 3);
    CHECK_RESULT(LIAISON_NOT_FOUND, liaison_mailbox_open(space, "port", LIAISON_OPEN, NULL, &m));
}

static void only_its_creator_receives(void)
{
    struct liaison_delivery d;
    char text[4];
    liaison_mailbox *m = create("", 0), *sender = open_to_send();
    CHECK_OK(test_send(sender, "a", 1, 0));
    CHECK_RESULT(LIAISON_DENIED, liaison_mailbox_try_take(sender, &d));
    CHECK(test_receive(m, text, sizeof text, 0) == 1);
    liaison_mailbox_close(sender);
    liaison_mailbox_close(m);
}

static void an_orphan_is_drained_by_one_at_a_time(void)
{
    make_orphan("dead", 64); /* the ring has no word to spare */
    struct liaison_policy policy = policy_of_port("dead");
    struct liaison_delivery d;
    liaison_mailbox *m = NULL, *other = NULL;
    CHECK_RESULT(LIAISON_ORPHANED,
                 liaison_mailbox_open(space, "port", LIAISON_CREATE, &policy, &m));
    CHECK_RESULT(LIAISON_ORPHANED, liaison_mailbox_open(space, "port", LIAISON_OPEN, NULL, &m));
    CHECK_OK(liaison_mailbox_open(space, "port", LIAISON_DRAIN, NULL, &m));
    CHECK_RESULT(LIAISON_BUSY, liaison_mailbox_open(space, "port", LIAISON_DRAIN, NULL, &other));
    for (int i = 0; i < 64; i++) {
        CHECK_OK(liaison_port_undelivered(m, &d));
        CHECK(d.size == sizeof i && memcmp(d.data, &i, sizeof i) == 0);
        liaison_mailbox_dead_letter(m, &d);
    }
    CHECK_RESULT(LIAISON_EMPTY, liaison_port_undelivered(m, &d));
    CHECK_RESULT(LIAISON_DESTROYED, liaison_port_undelivered(m, &d));
    liaison_mailbox_close(m);
    CHECK_RESULT(LIAISON_NOT_FOUND, liaison_mailbox_open(space, "port", LIAISON_OPEN, NULL, &m));
}

/* A sender may be stopped between its look at the state and its exchange in the ring, for as
 * long as draining takes. */
static void nothing_is_accepted_behind_a_closed_ring(void)
{
    static const struct liaison_wait at_once = {0};
    for (uint32_t full = 0; full <= 64; full += 32) {
        struct liaison_delivery d;
        struct liaison_loan loan;
        struct liaison_statistics now;
        liaison_mailbox *m = create("", 0);
        struct segment *s = victim_segment(m);
        for (int i = 0; i < 100; i++) { /* into the second cycle */
            CHECK_OK(test_send(m, &i, sizeof i, 0));
            CHECK(test_receive(m, &i, sizeof i, 0) == sizeof i);
        }
        for (uint32_t i = 0; i < full; i++)
            CHECK_OK(test_send(m, &i, sizeof i, 0));
        CHECK(ring_close(s) == (full < 64));
        CHECK(ring_count(s) == full);
        for (uint32_t i = 0; i < full; i++) {
            CHECK_OK(liaison_mailbox_try_take(m, &d));
            CHECK(memcmp(d.data, &i, sizeof i) == 0);
            CHECK_OK(liaison_mailbox_acknowledge(m, &d));
        }
        CHECK(ring_close(s) && ring_close(s));
        CHECK_RESULT(LIAISON_EMPTY, liaison_mailbox_try_take(m, &d));
        for (int i = 0; i < 200; i++) {
            CHECK_OK(liaison_mailbox_try_loan(m, 1, false, &loan));
            CHECK_RESULT(LIAISON_DESTROYED, liaison_mailbox_send_loan(m, &loan, 0, &at_once, NULL));
        }
        CHECK(ring_count(s) == 0);
        CHECK(!ring_holds(s, 100 + full, 0)); /* the closed word names no cell */
        CHECK_OK(liaison_mailbox_statistics(m, &now));
        CHECK(now.free == 64);
        liaison_mailbox_close(m);
    }
}

/* A wait for many links must report what a receive would return at once: by its descriptor alone
 * it would look for ever. */
static void a_port_that_ended_is_ready(void)
{
    struct liaison_delivery d;
    char text[4];
    liaison_mailbox *m = create("", LIAISON_LIFETIME_SENDERS);
    CHECK_RESULT(LIAISON_EMPTY, liaison_mailbox_ready(m));
    liaison_mailbox *sender = open_to_send();
    CHECK_RESULT(LIAISON_EMPTY, liaison_mailbox_ready(m));
    CHECK_OK(test_send(sender, "a", 1, 0));
    liaison_mailbox_close(sender);
    CHECK_OK(liaison_mailbox_ready(m));
    CHECK(test_receive(m, text, sizeof text, 0) == 1);
    CHECK_RESULT(LIAISON_DESTROYED, liaison_mailbox_ready(m));
    CHECK_RESULT(LIAISON_DESTROYED, liaison_mailbox_try_take(m, &d));
    liaison_mailbox_close(m);
}

static int open_and_die(void *context)
{
    (void)context;
    CHECK_OK(test_send(open_to_send(), "a", 1, 0));
    raise(SIGKILL);
    return 0;
}

/* No process calls then: a wait for many links has only its reminder, and `ready`. */
static void the_end_of_the_last_sender_is_noticed_by_looking_alone(void)
{
    char text[4];
    liaison_mailbox *m = create("", LIAISON_LIFETIME_SENDERS);
    CHECK(test_wait(test_child(open_and_die, NULL)) == -SIGKILL);
    CHECK(test_receive(m, text, sizeof text, 0) == 1);
    alarm(60);
    int r;
    while ((r = liaison_mailbox_ready(m)) == LIAISON_EMPTY)
        usleep(1000);
    alarm(0);
    CHECK_RESULT(LIAISON_DESTROYED, r);
    liaison_mailbox_close(m);
}

/* A sender raises the hint of how many attachments are in use before it has one, and may be
 * stopped, or die, in between. */
static void a_sender_that_has_only_begun_to_attach_has_not_ended(void)
{
    struct liaison_delivery d;
    liaison_mailbox *m = create("", LIAISON_LIFETIME_SENDERS);
    struct segment *s = victim_segment(m);
    announce32(&s->header->attachments_top, 2);
    note32(&s->last_look, 0);
    CHECK_RESULT(LIAISON_EMPTY, liaison_mailbox_try_take(m, &d));
    liaison_mailbox_close(open_to_send());
    CHECK_RESULT(LIAISON_DESTROYED, liaison_mailbox_try_take(m, &d));
    liaison_mailbox_close(m);
}

/* A living process that took a message at the last moment, and was stopped before the cell shows
 * it, holds it: if it dies, the message is undelivered. */
static void what_the_living_are_taking_is_not_drained(void)
{
    struct liaison_delivery d;
    liaison_mailbox *m = create("dead", 0), *drainer;
    struct segment *s = victim_segment(m);
    CHECK_OK(test_send(m, "a", 1, 0));
    uint64_t full = observe(&s->ring[0]);
    CHECK(ring_state(full) == RING_FULL);
    CHECK(replace(&s->ring[0], full, /* as ring_take does it, and no further */
                  ring_word(0, ring_cell(full), segment_owner(s), RING_TAKEN)));
    liaison_port_end(m);
    CHECK_OK(liaison_mailbox_open(space, "port", LIAISON_DRAIN, NULL, &drainer));
    CHECK_RESULT(LIAISON_BUSY, liaison_port_undelivered(drainer, &d));
    struct cell *c = segment_cell(s, ring_cell(full));
    CHECK(cell_state(observe(&c->header)) == CELL_LEASED);
    d = (struct liaison_delivery){
        .cell = ring_cell(full), .header = observe(&c->header), .epoch = observe(&s->epoch)};
    CHECK_OK(liaison_mailbox_release(m, &d));
    CHECK_OK(liaison_port_undelivered(drainer, &d));
    CHECK(d.attempt == 2);
    CHECK_OK(liaison_mailbox_dead_letter(drainer, &d));
    CHECK_RESULT(LIAISON_EMPTY, liaison_port_undelivered(drainer, &d));
    liaison_mailbox_close(drainer);
    liaison_mailbox_close(m);
}

int main(void)
{
    space = test_space();
    a_port_that_ended_is_ready();
    the_end_of_the_last_sender_is_noticed_by_looking_alone();
    a_sender_that_has_only_begun_to_attach_has_not_ended();
    what_the_living_are_taking_is_not_drained();
    creating_one_is_busy_while_its_receiver_lives();
    only_its_creator_receives();
    an_orphan_is_drained_by_one_at_a_time();
    nothing_is_accepted_behind_a_closed_ring();
    liaison_space_close(space);
    return 0;
}
