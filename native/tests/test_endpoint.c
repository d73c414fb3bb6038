/* Endpoints: whose name it is, what it is called, and what is told to those who know it. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const struct liaison_policy endpoint = {
    .kind = LIAISON_KIND_ENDPOINT, .capacity = -1, .pair_capacity = -1};

static liaison_mailbox *opened(liaison_space *space, const char *name)
{
    liaison_mailbox *m = NULL;
    int r = liaison_mailbox_open(space, name, LIAISON_OPEN_OR_CREATE, &endpoint, &m);
    return r == LIAISON_OK ? m : NULL;
}

static void one_process_has_it(liaison_space *space)
{
    liaison_mailbox *first = opened(space, "alice"), *second = opened(space, "alice");
    struct liaison_peer peer;
    liaison_endpoint_holder(first, &peer);
    CHECK(peer.identity == 0);
    CHECK(liaison_endpoint_claim(first) == LIAISON_OK);
    CHECK(liaison_endpoint_claim(second) == LIAISON_BUSY);
    liaison_endpoint_holder(second, &peer);
    CHECK(peer.pid == getpid());
    pid_t child = fork();
    if (child == 0) {
        CHECK(liaison_endpoint_claim(second) == LIAISON_BUSY);
        liaison_mailbox_close(first); /* a copy: the name stays its parent's */
        CHECK(liaison_endpoint_claim(second) == LIAISON_BUSY);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(liaison_endpoint_claim(second) == LIAISON_BUSY);
    liaison_mailbox_close(first);
    CHECK(liaison_endpoint_claim(second) == LIAISON_OK);
    CHECK(liaison_mailbox_destroy(second, false) == LIAISON_OK);
    liaison_mailbox_close(second);
}

static void a_dead_process_has_it_no_longer(liaison_space *space)
{
    pid_t child = fork();
    if (child == 0) {
        if (liaison_endpoint_claim(opened(space, "bob")) == LIAISON_OK)
            raise(SIGKILL);
        _exit(1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    liaison_mailbox *m = opened(space, "bob");
    CHECK(liaison_endpoint_claim(m) == LIAISON_OK);
    CHECK(liaison_mailbox_destroy(m, true) == LIAISON_OK);
    liaison_mailbox_close(m);
}

static bool called(liaison_mailbox *m, const char *name)
{
    char label[LIAISON_NAME_MAX + 4];
    liaison_link_label(m, label);
    return strcmp(label, name) == 0;
}

static bool leads(liaison_space *space, const char *name, const char *called_now)
{
    liaison_mailbox *m = NULL;
    bool there = liaison_mailbox_open(space, name, LIAISON_OBSERVE, NULL, &m) == LIAISON_OK;
    bool right = there && called(m, called_now);
    liaison_mailbox_close(m);
    return right;
}

static void every_name_leads_to_it(liaison_space *space)
{
    liaison_mailbox *m = opened(space, "carol"), *other = opened(space, "dave");
    CHECK(called(m, "carol"));
    uint64_t version = liaison_link_version(m);
    CHECK(liaison_link_alias(m, "dave") == LIAISON_NAME_TAKEN);
    CHECK(liaison_link_alias(m, "no/name") == LIAISON_INVALID);
    CHECK(liaison_link_alias(m, "caroline") == LIAISON_OK);
    CHECK(liaison_link_alias(m, "caroline") == LIAISON_OK); /* has it already */
    CHECK(liaison_link_version(m) == version);              /* nobody need look again */
    CHECK(liaison_link_set_label(m, "no/name") == LIAISON_INVALID);
    CHECK(liaison_link_set_label(m, "caroline") == LIAISON_OK);
    CHECK(liaison_link_version(m) != version);
    CHECK(leads(space, "carol", "caroline") && leads(space, "caroline", "caroline"));

    version = liaison_link_version(m);
    CHECK(liaison_link_retire(m, "dave") == LIAISON_NOT_FOUND);
    CHECK(liaison_link_retire(m, "carol") == LIAISON_OK);
    CHECK(liaison_link_version(m) != version);
    CHECK(liaison_link_retire(m, "carol") == LIAISON_NOT_FOUND);
    CHECK(!leads(space, "carol", "caroline") && leads(space, "caroline", "caroline"));
    CHECK(leads(space, "dave", "dave"));

    CHECK(liaison_link_alias(m, "carol") == LIAISON_OK);
    CHECK(liaison_mailbox_destroy(m, false) == LIAISON_OK);
    CHECK(liaison_link_version(m) & 1);
    CHECK(liaison_link_alias(m, "late") == LIAISON_DESTROYED);
    liaison_mailbox *gone;
    CHECK(liaison_mailbox_open(space, "carol", LIAISON_OBSERVE, NULL, &gone) == LIAISON_NOT_FOUND);
    CHECK(liaison_mailbox_open(space, "caroline", LIAISON_OBSERVE, NULL, &gone) ==
          LIAISON_NOT_FOUND);
    liaison_mailbox_close(m);
    CHECK(liaison_mailbox_destroy(other, false) == LIAISON_OK);
    liaison_mailbox_close(other);
}

static void a_name_taken_meanwhile_stays(liaison_space *space)
{
    /* Retired, and taken by another: that one keeps it. */
    liaison_mailbox *m = opened(space, "erin");
    CHECK(liaison_link_alias(m, "erin-2") == LIAISON_OK);
    CHECK(liaison_link_retire(m, "erin") == LIAISON_OK);
    liaison_mailbox *other = opened(space, "erin");
    CHECK(liaison_link_retire(m, "erin") == LIAISON_NOT_FOUND);
    CHECK(leads(space, "erin", "erin"));
    CHECK(liaison_mailbox_destroy(m, false) == LIAISON_OK);
    CHECK(leads(space, "erin", "erin"));
    CHECK(liaison_mailbox_destroy(other, false) == LIAISON_OK);
    liaison_mailbox_close(m);
    liaison_mailbox_close(other);
}

static void a_process_can_say_what_it_is_called(liaison_space *space)
{
    struct liaison_peer peers[4];
    size_t count;
    CHECK(liaison_space_introduce(space, "frank") == LIAISON_OK);
    CHECK(liaison_space_members(space, peers, 4, &count) == LIAISON_OK);
    CHECK(count == 1 && strcmp(peers[0].name, "frank") == 0);
    CHECK(liaison_space_introduce(space, "no/name") == LIAISON_INVALID);
    CHECK(liaison_space_introduce(space, "") == LIAISON_OK);
    CHECK(liaison_space_members(space, peers, 4, &count) == LIAISON_OK);
    CHECK(count == 1 && peers[0].name[0] == 0);
}

int main(void)
{
    liaison_space *space = test_space();
    one_process_has_it(space);
    a_dead_process_has_it_no_longer(space);
    every_name_leads_to_it(space);
    a_name_taken_meanwhile_stays(space);
    a_process_can_say_what_it_is_called(space);
    liaison_space_close(space);
    return 0;
}
