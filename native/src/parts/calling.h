/* calling.h — which waiters are called, and when.
 *
 * Callers wake the oldest sleeper, one for one message, and only if there is one: without a sleeper
 * there is no system call.
 *
 * A caller can die between its change and its call. So it calls first (`wait_before`), makes the
 * change, and then makes sure (`wait_after`): a thread that slept when it began is already awake
 * when it can die. A thread that falls asleep in between sleeps in slices, which grow with the time
 * it has slept: it finds what it missed after one to three times that, and after three seconds at
 * most. */
#ifndef LIAISON_CALLING_H
#define LIAISON_CALLING_H

#include "parts/waiters.h"

struct wakeup {
    uint32_t entry; /* + 1; 0: none was woken */
    bool spared;    /* a doorbell must be rung afterwards */
    uint64_t woken; /* from where and when; changes when it has acted */
};

struct wakeup wait_wake(struct segment *s, enum waiter_role role);
/* Before the change. */
struct wakeup wait_wake_early(struct segment *s, enum waiter_role role);
/* Without ringing the doorbells and boards. */
struct wakeup wait_wake_threads(struct segment *s, enum waiter_role role);
/* Rings the doorbells and boards that are armed, and wakes no thread. */
void wait_ring(struct segment *s, enum waiter_role role);

static inline struct wakeup wait_before(struct segment *s, enum waiter_role role)
{
    if (__builtin_expect(wait_any(s, role), 0))
        return wait_wake_early(s, role);
    return (struct wakeup){0, false, 0};
}
void wait_after_slow(struct segment *s, enum waiter_role role, struct wakeup before);
static inline void wait_after(struct segment *s, enum waiter_role role, struct wakeup before)
{
    if (__builtin_expect(wait_any(s, role), 0))
        wait_after_slow(s, role, before);
}

static inline struct wakeup wait_before_threads(struct segment *s, enum waiter_role role)
{
    if (wait_any(s, role))
        return wait_wake_threads(s, role);
    return (struct wakeup){0, false, 0};
}
void wait_after_threads(struct segment *s, enum waiter_role role, struct wakeup before);

/* A waiter has left without a message; a caller may have relied on it as a stand-in. */
void wait_left(struct segment *s, enum waiter_role role);

/* All waiters: the link is destroyed, or a dead process's messages were returned. */
void wait_wake_all(struct segment *s);
/* The threads of this process only. */
void wait_wake_own(struct segment *s);

/* Whether a waiter other than `except` watches the holders of messages. */
bool wait_watched(struct segment *s, const struct waiter *except);
/* Call this when a process begins to hold a message for a while: makes sure that one of the
 * sleepers, if there are any, sleeps lightly enough to notice its death. */
void wait_watch(struct segment *s);

#endif
