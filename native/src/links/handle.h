/* handle.h — what a user of the engine holds: a link that is open, and what is private to that. */
#ifndef LIAISON_HANDLE_H
#define LIAISON_HANDLE_H

#include "parts/arena.h"
#include "segment/segment.h"
#include "waiting/linger.h"
#include "waiting/readiness.h"
#include "waiting/spin.h"

struct liaison_mailbox {
    struct segment *segment;
    word32 holds; /* the user's, and those of the sets that it is in */
    /* Private hints. */
    word32 cursor;
    struct arena_cursor arena;
    struct spin spin;
    struct linger lingers[2]; /* by role */
    word32 closed;
    /* Of a port or a pipe: what this handle is for. */
    bool receives;
    bool sends;
    bool drains;
    bool ended;     /* of a pipe: its end was given up */
    word64 claimed; /* of an endpoint: the epoch of the process that it names, by this handle */
    struct readiness readiness[2]; /* by role */
};

/* Gives up one of `holds`, and the handle with the last. */
void mailbox_let_go(liaison_mailbox *mailbox);

/* A handle for the segment, which stays the caller's where this gives NULL. */
struct liaison_mailbox *handle_create(struct segment *s);

#endif
