/* An observer copies a link's bytes while others change them: between any two words of that copy
 * its endpoint is renamed twice, so that the name with which the copy began is overwritten. The
 * observer sees one of the names that it had, and no part of another.
 *
 * The kernel copies in one call, in whatever order it likes, so this file's own pread() stands in
 * for it: word by word, upwards and downwards. */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

/* Of several words, so that a part of one is none of them. */
#define FIRST "the-name-that-it-had-at-first-of-more-than-four-words"
#define SECOND_NAME "another-name-which-has-nothing-in-common-with-that-one"
#define THIRD "one-more-that-is-unlike-both-of-those-it-had-before-it"

static liaison_mailbox *endpoint;
static bool copying, downwards;
static int words, overtaken_at;

static void overtake(void)
{
    CHECK_OK(liaison_link_set_label(endpoint, SECOND_NAME));
    CHECK_OK(liaison_link_set_label(endpoint, THIRD));
}

ssize_t pread(int file, void *to, size_t size, off_t at)
{
    if (!copying || size % 8)
        return syscall(SYS_pread64, file, to, size, at);
    for (size_t i = 0; i < size; i += 8) {
        size_t word = downwards ? size - 8 - i : i;
        if (words++ == overtaken_at)
            overtake();
        if (syscall(SYS_pread64, file, (char *)to + word, 8, at + (off_t)word) != 8)
            return -1;
    }
    return (ssize_t)size;
}

int main(void)
{
    static const struct liaison_policy policy = {
        .kind = LIAISON_KIND_ENDPOINT, .capacity = -1, .pair_capacity = -1};
    liaison_space *space = test_space();
    int names, failures = 0;
    struct liaison_info info;
    struct liaison_user users[4];
    size_t count;
    CHECK_OK(liaison_space_directory(space, LIAISON_SPACE_NAMES, &names));
    CHECK_OK(liaison_mailbox_open(space, FIRST, LIAISON_CREATE, &policy, &endpoint));
    CHECK_OK(liaison_endpoint_claim(endpoint));
    for (int way = 0; way < 2; way++) {
        downwards = way;
        overtaken_at = -1;
        do {
            overtaken_at++;
            CHECK_OK(liaison_link_set_label(endpoint, FIRST));
            words = 0;
            copying = true;
            CHECK_OK(liaison_space_look(space, names, FIRST, &info, users, 4, &count, NULL));
            copying = false;
            if (strcmp(info.name, FIRST) != 0 && strcmp(info.name, SECOND_NAME) != 0 &&
                strcmp(info.name, THIRD) != 0) {
                printf("VIOLATION, overtaken before word %d, %s: '%s'\n", overtaken_at,
                       downwards ? "downwards" : "upwards", info.name);
                failures++;
            }
        } while (words > overtaken_at);
        CHECK(words > 0); /* there was a copy */
    }
    CHECK_OK(liaison_mailbox_destroy(endpoint, true));
    liaison_mailbox_close(endpoint);
    close(names);
    liaison_space_close(space);
    printf("%d violations\n", failures);
    return failures != 0;
}
