/* Ports, as a C program may rely on them; and the end of acceptance, in the ring itself. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
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

/* A port whose receiver accepted `messages` from itself and was killed. */
static void orphan(const char *name, const char *dead_letters, int messages)
{
    pid_t child = fork();
    if (child == 0) {
        struct liaison_policy policy = policy_of_port(dead_letters);
        liaison_mailbox *m = NULL;
        CHECK_OK(liaison_mailbox_open(space, name, LIAISON_CREATE, &policy, &m));
        for (int i = 0; i < messages; i++)
            CHECK_OK(test_send(m, &i, sizeof i, 0));
        kill(getpid(), SIGKILL);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
}

static void creating_one_is_busy_while_its_receiver_lives(void)
{
    struct liaison_policy policy = policy_of_port("");
    liaison_mailbox *m = NULL, *other = NULL;
    CHECK_OK(liaison_mailbox_open(space, "port", LIAISON_CREATE, &policy, &m));
    CHECK_RESULT(LIAISON_BUSY,
                 liaison_mailbox_open(space, "port", LIAISON_CREATE, &policy, &other));
    liaison_mailbox_close(m);
    CHECK_OK(liaison_mailbox_open(space, "port", LIAISON_CREATE, &policy, &other));
    liaison_mailbox_close(other);
    orphan("port", "", 3);
    CHECK_RESULT(LIAISON_NOT_FOUND, liaison_mailbox_open(space, "port", LIAISON_OPEN, NULL, &m));
}

static void only_who_created_it_receives(void)
{
    struct liaison_policy policy = policy_of_port("");
    struct liaison_delivery d;
    liaison_mailbox *m = NULL, *sender = NULL;
    CHECK_OK(liaison_mailbox_open(space, "port", LIAISON_CREATE, &policy, &m));
    CHECK_OK(liaison_mailbox_open(space, "port", LIAISON_OPEN, NULL, &sender));
    CHECK_OK(test_send(sender, "a", 1, 0));
    CHECK_RESULT(LIAISON_DENIED, liaison_mailbox_try_take(sender, &d));
    CHECK_OK(liaison_mailbox_try_take(m, &d));
    CHECK_OK(liaison_mailbox_acknowledge(m, &d));
    liaison_mailbox_close(sender);
    liaison_mailbox_close(m);
}

static void an_orphan_is_drained_by_one_at_a_time(void)
{
    orphan("port", "dead", 64); /* full to the brim: the ring has no word to spare */
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
        struct liaison_policy policy = policy_of_port("");
        struct liaison_delivery d;
        struct liaison_loan loan;
        struct liaison_statistics now;
        liaison_mailbox *m = NULL;
        CHECK_OK(liaison_mailbox_open(space, "port", LIAISON_CREATE, &policy, &m));
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

/* What a receive would say at once, a wait for many links must say as well: its descriptor
 * alone would have it look for ever. */
static void a_port_that_ended_is_ready(void)
{
    struct liaison_policy policy = policy_of_port("");
    struct liaison_delivery d;
    liaison_mailbox *m = NULL, *sender = NULL;
    policy.lifetime = LIAISON_LIFETIME_SENDERS;
    CHECK_OK(liaison_mailbox_open(space, "port", LIAISON_CREATE, &policy, &m));
    CHECK_RESULT(LIAISON_EMPTY, liaison_mailbox_ready(m));
    CHECK_OK(liaison_mailbox_open(space, "port", LIAISON_OPEN, NULL, &sender));
    CHECK_RESULT(LIAISON_EMPTY, liaison_mailbox_ready(m));
    CHECK_OK(test_send(sender, "a", 1, 0));
    liaison_mailbox_close(sender);
    CHECK_OK(liaison_mailbox_ready(m));
    CHECK_OK(liaison_mailbox_try_take(m, &d));
    CHECK_OK(liaison_mailbox_acknowledge(m, &d));
    CHECK_RESULT(LIAISON_DESTROYED, liaison_mailbox_ready(m));
    CHECK_RESULT(LIAISON_DESTROYED, liaison_mailbox_try_take(m, &d));
    liaison_mailbox_close(m);
}

static int open_and_die(void *context)
{
    liaison_mailbox *sender;
    CHECK_OK(liaison_mailbox_open(space, context, LIAISON_OPEN, NULL, &sender));
    CHECK_OK(test_send(sender, "a", 1, 0));
    kill(getpid(), SIGKILL);
    return 0;
}

/* Nobody calls then: whoever waits for many links has only its reminder, and `ready`. */
static void the_end_of_the_last_sender_is_noticed_by_looking_alone(void)
{
    struct liaison_policy policy = policy_of_port("");
    struct liaison_delivery d;
    liaison_mailbox *m = NULL;
    policy.lifetime = LIAISON_LIFETIME_SENDERS;
    CHECK_OK(liaison_mailbox_open(space, "port", LIAISON_CREATE, &policy, &m));
    CHECK(test_wait(test_child(open_and_die, "port")) == -SIGKILL);
    CHECK_OK(liaison_mailbox_try_take(m, &d));
    CHECK_OK(liaison_mailbox_acknowledge(m, &d));
    alarm(60);
    int r;
    while ((r = liaison_mailbox_ready(m)) == LIAISON_EMPTY)
        usleep(1000);
    alarm(0);
    CHECK_RESULT(LIAISON_DESTROYED, r);
    liaison_mailbox_close(m);
}

/* A sender raises the hint of how many places are in use before it has one, and may be
 * stopped, or die, in between. */
static void who_has_only_begun_to_come_has_not_gone(void)
{
    struct liaison_policy policy = policy_of_port("");
    struct liaison_delivery d;
    liaison_mailbox *m = NULL, *sender = NULL;
    policy.lifetime = LIAISON_LIFETIME_SENDERS;
    CHECK_OK(liaison_mailbox_open(space, "port", LIAISON_CREATE, &policy, &m));
    struct segment *s = victim_segment(m);
    announce32(&s->header->attachments_top, 2);
    note32(&s->last_look, 0);
    CHECK_RESULT(LIAISON_EMPTY, liaison_mailbox_try_take(m, &d));
    CHECK_OK(liaison_mailbox_open(space, "port", LIAISON_OPEN, NULL, &sender));
    liaison_mailbox_close(sender);
    CHECK_RESULT(LIAISON_DESTROYED, liaison_mailbox_try_take(m, &d));
    liaison_mailbox_close(m);
}

/* A living process that took a message in the last moment, and was stopped before the cell says
 * so, holds it: it may die, and then it is undelivered. */
static void what_the_living_are_taking_is_not_drained(void)
{
    struct liaison_policy policy = policy_of_port("dead");
    struct liaison_delivery d;
    liaison_mailbox *m = NULL, *drainer = NULL;
    CHECK_OK(liaison_mailbox_open(space, "port", LIAISON_CREATE, &policy, &m));
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
    who_has_only_begun_to_come_has_not_gone();
    what_the_living_are_taking_is_not_drained();
    creating_one_is_busy_while_its_receiver_lives();
    only_who_created_it_receives();
    an_orphan_is_drained_by_one_at_a_time();
    nothing_is_accepted_behind_a_closed_ring();
    liaison_space_close(space);
    return 0;
}
