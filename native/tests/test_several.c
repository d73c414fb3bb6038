/* Waiting for any of many: each function states one fact. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "segment/segment.h"
#include "victim.h"

#define MANY 100

static liaison_space *space;
static liaison_mailbox *box[1000];
static int boxes; /* of these that are open */

static void open_boxes(int n)
{
    boxes = n > boxes ? n : boxes;
    for (int i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "box-%d", i);
        struct liaison_policy policy = {.capacity = 4, .max_message = 64};
        CHECK_OK(liaison_mailbox_open(space, name, LIAISON_OPEN_OR_CREATE, &policy, &box[i]));
    }
}

static void destroy_boxes(void)
{
    for (int i = 0; i < boxes; i++) {
        liaison_mailbox_destroy(box[i], true);
        liaison_mailbox_close(box[i]);
    }
    boxes = 0;
}

static liaison_several *set_of(int n)
{
    liaison_several *set;
    CHECK_OK(liaison_several_open(space, &set));
    for (int i = 0; i < n; i++)
        CHECK_OK(liaison_several_add(set, box[i], (uint64_t)i));
    return set;
}

static liaison_several *set_of_new(int n)
{
    open_boxes(n);
    return set_of(n);
}

static void end(liaison_several *set)
{
    liaison_several_close(set);
    destroy_boxes();
}

static void tell(int n) { CHECK_OK(test_send(box[n], &n, sizeof n, FOREVER)); }

static int heard(int n)
{
    int message;
    int64_t r = test_receive(box[n], &message, sizeof message, 0);
    return r == (int64_t)sizeof message ? message : -1;
}

/* The tag that was reported, or minus the result. */
static int64_t wait_for(liaison_several *set, int64_t timeout)
{
    uint64_t tag;
    size_t count;
    int r = liaison_several_wait(set, &(struct liaison_wait){.timeout = timeout}, &tag, 1, &count);
    return r != LIAISON_OK ? -r : count ? (int64_t)tag : INT64_MAX;
}

static void the_mailbox_with_a_message_is_reported(void)
{
    liaison_several *set = set_of_new(MANY);
    CHECK(wait_for(set, 0) == -LIAISON_EMPTY);
    CHECK(wait_for(set, SECOND / 100) == -LIAISON_EMPTY);
    for (int i = 0; i < 3 * MANY; i++) {
        int n = i * 37 % MANY;
        tell(n);
        CHECK(wait_for(set, FOREVER) == n && wait_for(set, 0) == n);
        CHECK(heard(n) == n && wait_for(set, 0) == -LIAISON_EMPTY);
    }
    end(set);
}

static int echo_all(void *context)
{
    int rounds = *(int *)context;
    for (int i = 0; i < rounds; i++) {
        int n = i * 37 % MANY, answer;
        tell(n);
        CHECK(test_receive(box[MANY], &answer, sizeof answer, FOREVER) == sizeof answer);
        CHECK(answer == n);
    }
    return 0;
}

static void a_sleeper_is_woken_by_whichever_gets_a_message(void)
{
    int rounds = 5000;
    open_boxes(MANY + 1);
    liaison_several *set = set_of(MANY);
    pid_t pid = test_child(echo_all, &rounds);
    for (int i = 0; i < rounds; i++) {
        int n = (int)wait_for(set, FOREVER);
        CHECK(n == i * 37 % MANY && heard(n) == n);
        CHECK_OK(test_send(box[MANY], &n, sizeof n, FOREVER));
    }
    CHECK(test_wait(pid) == 0);
    end(set);
}

static void the_last_reported_comes_last(void)
{
    liaison_several *set = set_of_new(3);
    for (int n = 0; n < 3; n++)
        tell(n);
    for (int i = 0; i < 9; i++)
        CHECK(wait_for(set, 0) == i % 3);
    end(set);
}

static void more_links_than_a_board_has_places_are_distinguished(void)
{
    liaison_several *set = set_of_new(1000);
    CHECK(wait_for(set, SECOND / 100) == -LIAISON_EMPTY);
    for (int n = 0; n < 1000; n += 7) {
        tell(n);
        CHECK(wait_for(set, FOREVER) == n && heard(n) == n);
    }
    end(set);
}

static void what_is_removed_is_not_reported(void)
{
    liaison_several *set = set_of_new(5);
    CHECK(wait_for(set, SECOND / 1000) == -LIAISON_EMPTY); /* all are armed */
    liaison_several_remove(set, box[1]);
    tell(1);
    CHECK(wait_for(set, SECOND / 1000) == -LIAISON_EMPTY);
    tell(4); /* which has another place now */
    CHECK(wait_for(set, FOREVER) == 4 && heard(4) == 4);
    CHECK_OK(liaison_several_add(set, box[1], 11));
    CHECK(wait_for(set, FOREVER) == 11 && heard(1) == 1);
    end(set);
}

static int destroy_second(void *context)
{
    (void)context;
    return liaison_mailbox_destroy(box[1], true);
}

static void what_is_destroyed_or_interrupted_is_reported(void)
{
    liaison_several *set = set_of_new(3);
    pid_t pid = test_child(destroy_second, NULL);
    CHECK(wait_for(set, FOREVER) == 1 && test_wait(pid) == 0);
    liaison_several_remove(set, box[1]);
    CHECK(wait_for(set, 0) == -LIAISON_EMPTY);
    liaison_mailbox_interrupt(box[2]);
    CHECK(wait_for(set, FOREVER) == 2);
    end(set);
}

static void what_is_closed_is_reported_until_it_is_removed(void)
{
    liaison_several *set = set_of_new(3);
    CHECK(wait_for(set, SECOND / 1000) == -LIAISON_EMPTY);
    liaison_mailbox_close(box[1]);
    CHECK(wait_for(set, FOREVER) == 1 && wait_for(set, 0) == 1);
    liaison_several_remove(set, box[1]);
    CHECK(wait_for(set, 0) == -LIAISON_EMPTY);
    liaison_mailbox_close(box[2]);
    liaison_several_close(set);
    liaison_mailbox_close(box[0]);
    open_boxes(3);
    destroy_boxes();
}

static void *call(void *set)
{
    liaison_several_call(set);
    return NULL;
}

static void a_call_ends_a_wait(void)
{
    liaison_several *set = set_of_new(2);
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, call, set) == 0);
        CHECK(wait_for(set, FOREVER) == INT64_MAX);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(wait_for(set, 0) == -LIAISON_EMPTY);
    }
    end(set);
}

static int go_on_in_a_child(void *context)
{
    liaison_several *set = context;
    CHECK(wait_for(set, FOREVER) == 2 && heard(2) == 2);
    CHECK(wait_for(set, SECOND / 100) == -LIAISON_EMPTY);
    tell(0);
    CHECK(wait_for(set, FOREVER) == 0 && heard(0) == 0);
    liaison_several_close(set);
    return 0;
}

static void a_child_goes_on_with_a_set_of_its_own(void)
{
    liaison_several *set = set_of_new(4);
    CHECK(wait_for(set, SECOND / 1000) == -LIAISON_EMPTY);
    tell(2);
    pid_t pid = test_child(go_on_in_a_child, set);
    CHECK(test_wait(pid) == 0);
    tell(3);
    CHECK(wait_for(set, FOREVER) == 3 && heard(3) == 3);
    CHECK(wait_for(set, 0) == -LIAISON_EMPTY);
    end(set);
}

/* A signal's handler that forks, once: in the child it returns as well. */
static pid_t forked = -1;
static bool fork_once(void *context)
{
    (void)context;
    if (forked < 0)
        forked = fork();
    return false;
}

static void a_child_that_is_forked_in_a_wait_leaves_it(void)
{
    liaison_several *set = set_of_new(3);
    struct liaison_wait wait = {.timeout = SECOND / 10, .interrupted = fork_once};
    uint64_t tag;
    size_t count;
    int r = liaison_several_wait(set, &wait, &tag, 1, &count);
    CHECK(forked >= 0);
    if (forked == 0) {
        CHECK(r == LIAISON_OK && count == 0);
        tell(2);
        CHECK(wait_for(set, FOREVER) == 2);
        _exit(0);
    }
    CHECK(r == LIAISON_EMPTY || (r == LIAISON_OK && tag == 2));
    CHECK(test_wait(forked) == 0);
    CHECK(wait_for(set, FOREVER) == 2);
    end(set);
}

static void what_a_dead_process_held_is_reported(void)
{
    liaison_several *set = set_of_new(MANY);
    for (int n = 0; n < MANY; n += 33) {
        tell(n);
        CHECK(test_wait(test_child(test_lease_and_die, box[n])) == -SIGKILL);
        CHECK(wait_for(set, FOREVER) == n && heard(n) == n);
    }
    end(set);
}

static int wait_and_die(void *context)
{
    liaison_several *set = context;
    CHECK(wait_for(set, SECOND / 1000) == -LIAISON_EMPTY);
    raise(SIGKILL);
    return 0;
}

static void what_a_dead_process_had_armed_is_cleared(void)
{
    liaison_several *set = set_of_new(3);
    CHECK(test_wait(test_child(wait_and_die, set)) == -SIGKILL);
    const struct segment *s = victim_segment(box[0]);
    CHECK(look(&s->header->waiters[RECEIVERS][0]) != 0);
    liaison_mailbox_close(box[0]); /* attaching sweeps */
    liaison_several_close(set);
    open_boxes(1);
    s = victim_segment(box[0]);
    CHECK(look(&s->header->waiters[RECEIVERS][0]) == 0);
    destroy_boxes();
}

static void a_set_is_of_one_space(void)
{
    char root[512];
    liaison_space *other;
    liaison_several *set;
    open_boxes(1);
    snprintf(root, sizeof root, "%s", liaison_space_path(space));
    *strrchr(root, '/') = 0;
    other = test_space_in(root, "elsewhere");
    CHECK_OK(liaison_several_open(other, &set));
    CHECK_RESULT(LIAISON_INVALID, liaison_several_add(set, box[0], 0));
    liaison_several_close(set);
    liaison_space_close(other);
    destroy_boxes();
}

static void as_many_sets_wait_at_once_as_there_are_boards(void)
{
    open_boxes(1);
    liaison_several *set[17];
    for (int i = 0; i < 17; i++) {
        set[i] = set_of(1);
        CHECK(wait_for(set[i], 0) == -(i < 16 ? LIAISON_EMPTY : LIAISON_EXHAUSTED));
    }
    liaison_several_close(set[3]);
    CHECK_RESULT(-LIAISON_EMPTY, (int)wait_for(set[16], 0));
    tell(0);
    for (int i = 0; i < 17; i++)
        CHECK(i == 3 || wait_for(set[i], FOREVER) == 0);
    for (int i = 0; i < 17; i++)
        if (i != 3)
            liaison_several_close(set[i]);
    destroy_boxes();
}

int main(void)
{
    space = test_space();
    the_mailbox_with_a_message_is_reported();
    a_sleeper_is_woken_by_whichever_gets_a_message();
    the_last_reported_comes_last();
    more_links_than_a_board_has_places_are_distinguished();
    what_is_removed_is_not_reported();
    what_is_destroyed_or_interrupted_is_reported();
    what_is_closed_is_reported_until_it_is_removed();
    a_call_ends_a_wait();
    a_child_goes_on_with_a_set_of_its_own();
    a_child_that_is_forked_in_a_wait_leaves_it();
    what_a_dead_process_held_is_reported();
    what_a_dead_process_had_armed_is_cleared();
    a_set_is_of_one_space();
    as_many_sets_wait_at_once_as_there_are_boards();
    liaison_space_close(space);
    return 0;
}
