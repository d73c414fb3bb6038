/* handle.h — an open link, as a user of the engine holds it, with its private state. */
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
    /* Of a port or a pipe: the operation that this handle may do. */
    bool receives;
    bool sends;
    bool drains;
    bool ended;     /* of a pipe: its end was given up */
    word64 claimed; /* of an endpoint: the epoch of the process that it names, by this handle */
    struct readiness readiness[2]; /* by role */
};

/* Releases one of `holds`, and with the last one the handle. */
void mailbox_let_go(liaison_mailbox *mailbox);

/* A handle for the segment, which stays the caller's if this gives NULL. */
struct liaison_mailbox *handle_create(struct segment *s);

#endif
