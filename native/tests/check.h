/* check.h — what every test of the engine needs: assertions that stay, and a space of its own
 * in memory that is gone afterwards. */
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include "liaison.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define CHECK_RESULT(expected, call)                                                               \
    do {                                                                                           \
        int result_ = (call);                                                                      \
        if (result_ != (expected)) {                                                               \
            fprintf(stderr, "%s:%d: %s gave %d, not %s\n", __FILE__, __LINE__, #call, result_,     \
                    #expected);                                                                    \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define CHECK_OK(call) CHECK_RESULT(LIAISON_OK, call)

/* Make a directory, removed when the test's process ends; and a space in it. */
const char *test_directory(void);
liaison_space *test_space(void);
/* Opens another space of this user, or makes it. */
liaison_space *test_space_in(const char *root, const char *name);
/* Removes it at once, for a child that made one of its own and leaves by _exit(). */
void test_space_end(void);

/* A mailbox; `capacity` < 0 the default. */
liaison_mailbox *test_mailbox(liaison_space *space, const char *name, int64_t capacity);

int test_send(liaison_mailbox *m, const void *data, size_t size, int64_t timeout);
/* Receives and acknowledges; gives the size, or minus the result. */
int64_t test_receive(liaison_mailbox *m, void *data, size_t size, int64_t timeout);

/* Sends and receives through a mailbox of its own. */
void test_use(liaison_space *space);

/* Runs `body` in a forked child; the child ends with its result. */
pid_t test_child(int (*body)(void *), void *context);
/* Leases a message of the mailbox `m` and kills itself, as the body of a child. */
int test_lease_and_die(void *m);
int test_wait(pid_t pid); /* exit code, or minus the signal */

/* How many files and directories are in it. */
int test_entries(const char *directory);

/* How many descriptors are open, and the one that counts them. */
int test_descriptors(void);

uint32_t test_random(uint32_t *state);

#define FOREVER INT64_C(-1)
#define SECOND INT64_C(1000000000)

#endif
