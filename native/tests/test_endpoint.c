/* Endpoints: which process has one, its names, and how senders notice a change of them. */
#include <limits.h>
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

/* Sorted by nothing: whether this is one of them. */
static bool noted(liaison_space *space, liaison_mailbox *m, const char *name, bool all)
{
    char names[LIAISON_NAMES_NOTED][LIAISON_NAME_MAX + 4];
    struct liaison_info info;
    size_t count;
    bool every, found = false;
    CHECK_OK(liaison_mailbox_info(m, &info));
    CHECK_OK(liaison_link_names(space, info.id, names, &count, &every));
    CHECK(every == all && count <= LIAISON_NAMES_NOTED);
    for (size_t i = 0; i < count; i++)
        found |= strcmp(names[i], name) == 0;
    return found;
}

static void its_header_lists_its_names(liaison_space *space)
{
    char names[LIAISON_NAMES_NOTED][LIAISON_NAME_MAX + 4], name[16];
    liaison_mailbox *m = opened(space, "gina");
    size_t count;
    bool all;
    CHECK_OK(liaison_link_alias(m, "ginny"));
    CHECK(noted(space, m, "gina", true) && noted(space, m, "ginny", true));
    CHECK_OK(liaison_link_retire(m, "gina"));
    liaison_mailbox *other = opened(space, "gina");
    CHECK(!noted(space, m, "gina", true) && noted(space, m, "ginny", true));
    CHECK(noted(space, other, "gina", true) && !noted(space, other, "ginny", true));
    /* With more names than there is room for it reports that these are not all. */
    for (int i = 0; i < 16; i++) {
        snprintf(name, sizeof name, "gina-%d", i);
        CHECK_OK(liaison_link_alias(m, name));
    }
    CHECK(!noted(space, m, "gina-15", false) && noted(space, m, "gina-14", false));
    CHECK(liaison_link_names(space, "00000000000000000000000000000000", names, &count, &all) ==
          LIAISON_NOT_FOUND);
    CHECK(liaison_link_names(space, "../names/gina", names, &count, &all) == LIAISON_INVALID);
    CHECK_OK(liaison_mailbox_destroy(m, false));
    CHECK_OK(liaison_mailbox_destroy(other, false));
    liaison_mailbox_close(m);
    liaison_mailbox_close(other);
}

/* A name that was retired and given again is listed once: twice it would hide another, which is not
 * noted. */
static void each_name_is_noted_once(liaison_space *space)
{
    char path[2][PATH_MAX];
    liaison_mailbox *m = opened(space, "ian");
    CHECK_OK(liaison_link_alias(m, "ike"));
    CHECK_OK(liaison_link_alias(m, "ivo"));
    CHECK_OK(liaison_link_retire(m, "ike"));
    CHECK_OK(liaison_link_retire(m, "ivo"));
    CHECK_OK(liaison_link_alias(m, "ivo"));
    CHECK(noted(space, m, "ivo", true));
    snprintf(path[0], sizeof path[0], "%s/names/ivo", liaison_space_path(space));
    snprintf(path[1], sizeof path[1], "%s/names/by-hand", liaison_space_path(space));
    CHECK(link(path[0], path[1]) == 0);
    CHECK(noted(space, m, "ivo", false) && !noted(space, m, "by-hand", false));
    CHECK_OK(liaison_mailbox_destroy(m, false));
    CHECK(access(path[1], F_OK) != 0);
    liaison_mailbox_close(m);
}

static void the_first_process_knows_that_it_is(liaison_space *space)
{
    liaison_mailbox *m = opened(space, "harry");
    struct liaison_delivery d;
    CHECK_OK(liaison_endpoint_claim(m));
    CHECK(liaison_endpoint_first(m) && liaison_endpoint_heard(m));
    CHECK_OK(test_send(m, "x", 1, 0));
    CHECK(!liaison_endpoint_heard(m));
    CHECK_OK(liaison_mailbox_try_take(m, &d));
    CHECK_OK(liaison_mailbox_release(m, &d)); /* it comes again */
    CHECK(!liaison_endpoint_heard(m));
    liaison_mailbox_close(m);
    m = opened(space, "harry");
    CHECK_OK(liaison_endpoint_claim(m));
    CHECK(!liaison_endpoint_first(m));
    CHECK_OK(liaison_mailbox_destroy(m, false));
    CHECK(!liaison_endpoint_heard(m)); /* what was said before its end is seen after it */
    liaison_mailbox_close(m);
}

static void a_process_can_set_its_name(liaison_space *space)
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
    its_header_lists_its_names(space);
    each_name_is_noted_once(space);
    the_first_process_knows_that_it_is(space);
    a_process_can_set_its_name(space);
    liaison_space_close(space);
    return 0;
}
