/* kind.h — the kinds of links, and what each of them does in its own way.
 *
 * segment/ has what all links have in common: a file, a geometry, names and attachments; it knows
 * none of the kinds. Each kind enters itself here when the engine is loaded.
 */
#ifndef LIAISON_KIND_H
#define LIAISON_KIND_H

#include "segment/layout.h"

struct liaison_mailbox;
struct segment;

/* How the words of a link are repaired. */
struct repair {
    /* Undoes or finishes what attachment `slot` was doing, while it is `identity`'s, which is dead
     * or leaves. Result: whether waiting processes may now be able to go on. */
    bool (*sweep)(struct segment *s, uint32_t slot, uint64_t identity);
    /* Clears the dead member's entries among the waiters. */
    void (*forget)(struct segment *s, uint64_t identity);
    /* Clears the waiters' entries of dead processes that have no attachment: a process that
     * attaches sweeps others first, and may have died at that. */
    void (*forget_strays)(struct segment *s);
    /* Wakes all waiters, so that each looks by itself. */
    void (*wake)(struct segment *s);
};

struct kind {
    uint32_t number;      /* in the geometry */
    uint32_t ways;        /* segments in its file, one behind the other */
    bool nameless;        /* its file never has a name */
    bool sides;           /* it ends when one of its sides does */
    uint32_t capacity;    /* by default */
    uint32_t max_message; /* likewise; 0: of any size */
    const struct repair *repair;

    /* Everything below but `check` may be NULL. */

    /* Fills in the defaults of properties that only this kind has. */
    void (*plan)(const struct liaison_policy *policy, struct geometry *g);
    /* Whether the values go together: those of a policy, and those in a file. */
    bool (*check)(const struct geometry *g);
    /* Whether the link may be opened now to take part. */
    int (*admit)(const struct segment *s);
    /* A process other than the creator has attached. */
    void (*came)(struct segment *s);
    /* Checks whether its sides are still there, and changes the link's state if not: `at_once`, or
     * else only if it has not looked since the clock's last tick. */
    void (*look)(struct segment *s, bool at_once);
    /* Whether this process, while it sleeps, should look now and then; `closely`: every few
     * milliseconds. */
    bool (*watched)(const struct segment *s);
    bool closely;
    /* The segment is unmapped. */
    void (*leave)(struct segment *s);
    /* Gives up what this handle has of the link: one of its sides, or its name. Idempotent. */
    void (*end)(struct liaison_mailbox *m);
    /* The handle is closed. */
    void (*closed)(struct liaison_mailbox *m);
};

/* Only while the engine is loaded, by one thread. */
void kind_enter(const struct kind *kind);
/* NULL: there is no such kind. */
const struct kind *kind_find(uint32_t number);

#define KIND_ENTER(kind)                                                                           \
    __attribute__((constructor)) static void enter_##kind(void) { kind_enter(&(kind)); }           \
    _Static_assert(true, "takes the semicolon")

#endif
