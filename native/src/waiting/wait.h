/* wait.h — try, spin a little, sleep; and who wakes whom.
 *
 * A sleeper is announced in the waiters table before it looks a last time; a waker looks at
 * the table after its change is announced. So one of them sees the other. Wakers wake the
 * oldest sleeper, one for one message, and only if there is one: nobody asleep, no system
 * call.
 *
 * A waker can die between its change and its wake-up. So it wakes first (`wait_before`),
 * makes the change, and then makes sure (`wait_after`): whoever slept when it began is
 * already awake when it can die. Who goes to sleep in between sleeps in slices that begin
 * short and grow with the time it has slept: what it missed it finds after one to three
 * times that, and three seconds at most.
 */
#ifndef LIAISON_WAIT_H
#define LIAISON_WAIT_H

#include "segment/segment.h"
#include "waiting/spin.h"

struct wakeup {
    uint32_t entry; /* + 1; 0: nobody was woken */
    bool spared;    /* a doorbell was not rung that is to be rung afterwards */
    uint64_t ticket;
};

struct wakeup wait_wake(struct segment *s, enum waiter_role role);
/* Before there is a reason. */
struct wakeup wait_wake_early(struct segment *s, enum waiter_role role);
/* Without ringing the doorbells and boards. */
struct wakeup wait_wake_threads(struct segment *s, enum waiter_role role);
/* Rings the doorbells and boards that are armed, and wakes no thread. */
void wait_ring(struct segment *s, enum waiter_role role);

static inline bool wait_any(struct segment *s, enum waiter_role role)
{
    word64 *bits = s->header->waiters[role];
    return (look(&bits[0]) | look(&bits[1]) | look(&bits[2]) | look(&bits[3])) != 0;
}
_Static_assert(WAITER_WORDS == 4, "as many as are looked at above");

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

/* Everybody: the link is destroyed, or a dead process's messages came back. */
void wait_wake_all(struct segment *s);
/* The threads of this process only. */
void wait_wake_own(struct segment *s);

/* Somebody now holds a message for a while: sees to it that one of the sleepers, if there
 * are any, sleeps lightly enough to notice its death. */
void wait_watch(struct segment *s);

struct waiting {
    struct segment *segment;
    enum waiter_role role;
    const struct liaison_wait *wait;
    struct spin *spin; /* the handle's */
    word32 *closed;    /* the handle's */
    bool announced;    /* be seen waiting from the first moment: do not spin before */
    int pending;       /* the result of `attempt` that means: not yet */
    int (*attempt)(void *context);
    void *context;
};
/* Repeats `attempt` until it gives something other than `pending`, and waits between.
 * Gives that, or `pending` when the time is over, or INTERRUPTED or CLOSED. */
int wait_until(const struct waiting *w);
/* The beginning of that, before anybody is announced: for microseconds, not beyond `end` (-1: as
 * long as it is worth), and only while there is a processor to spare. */
int wait_spin(const struct waiting *w, int64_t end);

/* Claims an entry and announces it; LIAISON_EXHAUSTED when all are taken. */
int wait_enter(struct segment *s, enum waiter_role role, uint32_t kind, uint64_t detail,
               uint32_t *entry);
/* Gives the signal as it was when it was silenced: who was called meanwhile must know. */
uint32_t wait_leave(struct segment *s, enum waiter_role role, uint32_t entry);

/* Takes over and clears the entries of a member that is dead, or leaves. */
void wait_sweep(struct segment *s, uint64_t identity);

uint32_t wait_count(struct segment *s, enum waiter_role role);

#endif
