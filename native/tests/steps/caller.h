/* caller.h — a process that sends a message, and calls a waiter, step by step. */
#ifndef CALLER_H
#define CALLER_H

#include <stdbool.h>

#include "check.h"
#include "steps/stepper.h"

struct caller {
    pid_t pid;
    struct shared *shared;
    liaison_space *space;
    const char *link;
};
/* It stands before its send. */
struct caller caller_begin(liaison_space *space, const char *link);
/* False when it has come to its end before. */
bool caller_step(const struct caller *c, unsigned long steps);
void caller_kill(const struct caller *c);

/* The same without interruption. */
void caller_send(liaison_space *space, const char *link);

/* Whether a process sleeps on a futex; it sets `awake` when it is woken. Waits until either is
 * certain. */
bool lies_on_the_futex(pid_t pid, const volatile int *awake);

#endif
