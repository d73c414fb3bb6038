/* kind.h — what kinds of links there are, and what each of them does in its own way.
 *
 * What all links have in common, a file, a geometry, names and attachments, is segment/'s, which
 * knows none of them. Each kind enters itself here when the engine is loaded.
 */
#ifndef LIAISON_KIND_H
#define LIAISON_KIND_H

#include "segment/layout.h"

struct liaison_mailbox;
struct segment;

/* How the words of a link are repaired. */
struct repair {
    /* Undoes or finishes what attachment `slot` was doing, while it is `identity`'s, which is dead
     * or leaves. Whether others may now go on that could not. */
    bool (*sweep)(struct segment *s, uint32_t slot, uint64_t identity);
    /* Clears where the dead member waited. */
    void (*forget)(struct segment *s, uint64_t identity);
    /* Clears where dead processes waited that have no attachment, which those who do it at every
     * attaching may have left. */
    void (*forget_strays)(struct segment *s);
    /* Wakes everybody, to look for themselves. */
    void (*wake)(struct segment *s);
};

struct kind {
    uint32_t number;      /* in the geometry */
    uint32_t ways;        /* segments in its file, one behind the other */
    bool nameless;        /* its file never has a name */
    bool sides;           /* it ends with those who are on one side of it */
    uint32_t capacity;    /* where none was asked for */
    uint32_t max_message; /* likewise; 0: of any size */
    const struct repair *repair;

    /* Everything below but `check` may be NULL. */

    /* Fills in what was not asked for and only this kind has. */
    void (*plan)(const struct liaison_policy *policy, struct geometry *g);
    /* Whether all that goes together: what was asked for, and what a file says. */
    bool (*check)(const struct geometry *g);
    /* Whether the link may be opened now to take part. */
    int (*admit)(const struct segment *s);
    /* Another process than the creator has its place now. */
    void (*came)(struct segment *s);
    /* Looks whether its sides are still there, and says so in the link's state if not; `at_once`,
     * or when it has not looked since the clock's last tick. */
    void (*look)(struct segment *s, bool at_once);
    /* Whether this process, while it sleeps, should do so now and then; `closely`, every few
     * milliseconds. */
    bool (*watched)(const struct segment *s);
    bool closely;
    /* The segment is unmapped. */
    void (*leave)(struct segment *s);
    /* Gives up what this handle is: one of its sides, its name. Idempotent. */
    void (*end)(struct liaison_mailbox *m);
    /* The handle is closed. */
    void (*closed)(struct liaison_mailbox *m);
};

/* Only while the engine is loaded, by one thread. */
void kind_enter(const struct kind *kind);
/* NULL where there is none. */
const struct kind *kind_find(uint32_t number);

#define KIND_ENTER(kind)                                                                           \
    __attribute__((constructor)) static void enter_##kind(void) { kind_enter(&(kind)); }           \
    _Static_assert(true, "takes the semicolon")

#endif
