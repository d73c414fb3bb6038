/* stepper.h — a forked process that another drives, instruction by instruction. */
#ifndef STEPPER_H
#define STEPPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What parent and child both see. */
struct shared {
    volatile int phase; /* 0 preparing, 1 in the operation, 2 done */
    volatile int result;
    volatile uint64_t identity; /* the child's, once it is attached */
    volatile uint64_t count[4];
};
struct shared *stepper_shared(void);
/* Memory that children share, all zero. */
void *shared_memory(size_t size);
void shared_memory_free(void *memory, size_t size);

/* Ends this program as skipped, saying why, where a process cannot be single-stepped. */
void stepper_required(void);

/* Forks a child that prepares, and stands at the beginning of its operation. `prepare` and
 * `operate` run in the child. */
struct body {
    void (*prepare)(void *context);
    void (*operate)(void *context);
    void *context;
    struct shared *shared;
};
pid_t stepper_start(const struct body *body);

/* One instruction, or up to the next entry or exit of a system call, or up to the entry of the next
 * one that can change files, or also one that uses a file's name. False when the operation is over.
 * A child that dies by itself fails the test. */
bool stepper_step(pid_t pid, const struct shared *shared);
bool stepper_call(pid_t pid, const struct shared *shared);
bool stepper_system_call(pid_t pid, const struct shared *shared);
bool stepper_name(pid_t pid, const struct shared *shared);

/* Really kills it, and waits until it is gone. */
void stepper_kill(pid_t pid);
/* Lets it go on by itself to the end of its operation, where it exits: false when it does
 * not within a minute. */
bool stepper_finish(pid_t pid, const struct shared *shared);
/* A real SIGSTOP, no debugger attached any more. */
void stepper_stop(pid_t pid);
void stepper_continue(pid_t pid);

#endif
