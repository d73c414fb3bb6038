/* handle.h — what a user of the engine holds: a link that is open, and what is private to that. */
#ifndef LIAISON_HANDLE_H
#define LIAISON_HANDLE_H

#include "arena.h"
#include "doorbell.h"
#include "segment.h"
#include "spin.h"

/* A descriptor that somebody asked for; `epoch` 0: nobody did. */
struct bell {
    word64 epoch;
    struct doorbell door;
    uint32_t entry;
    word64 slice; /* ns until its owner looks by itself; 0: not armed yet */
};

struct liaison_mailbox {
    struct segment *segment;
    word32 holds; /* the user's, and those of the sets that it is in */
    /* Private hints. */
    word32 cursor;
    struct arena_cursor arena;
    struct spin spin;
    word32 closed;
    /* Of a port or a pipe: what this handle is for. */
    bool receives;
    bool sends;
    bool buries;
    bool ended;     /* of a pipe: its end was given up */
    word64 claimed; /* of an endpoint: the epoch of the process that it names, by this handle */
    struct bell bells[2]; /* by role */
};

/* Gives up one of `holds`, and the handle with the last. */
void mailbox_let_go(liaison_mailbox *mailbox);

/* Whether a receive would not have to wait. LIAISON_EMPTY: it would. What is neither is what it
 * would say. Cheap, and no more than that: looks after nobody, and arms nothing. */
int mailbox_receivable(liaison_mailbox *mailbox);

/* A handle for the segment, which stays the caller's where this gives NULL. */
struct liaison_mailbox *handle_create(struct segment *s);

#endif
