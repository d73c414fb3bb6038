/* handle.h — what a user of the engine holds: a link that is open, and what is private to that. */
#ifndef LIAISON_HANDLE_H
#define LIAISON_HANDLE_H

#include "parts/arena.h"
#include "segment/segment.h"
#include "waiting/descriptor.h"
#include "waiting/spin.h"

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
    struct descriptor descriptors[2]; /* by role */
};

/* Gives up one of `holds`, and the handle with the last. */
void mailbox_let_go(liaison_mailbox *mailbox);

/* Whether a receive would not have to wait. LIAISON_EMPTY: it would. What is neither is what it
 * would say. Cheap, and no more than that: looks after nobody, and arms nothing. */
int mailbox_receivable(liaison_mailbox *mailbox);

/* What that begins with. A port's one receiver may take what is left when its senders have ended.
 */
int mailbox_may_take(const liaison_mailbox *mailbox, uint64_t epoch);
/* Whether there is something to receive: a message, or a refusal. */
bool mailbox_has_message(liaison_mailbox *mailbox);
/* Whether a receive that finds nothing would say that nothing will come. */
bool mailbox_over(struct segment *s);

/* Nothing was found: arms the receivers' descriptor anew, where there is one. */
void descriptor_rearm(liaison_mailbox *mailbox);

/* A handle for the segment, which stays the caller's where this gives NULL. */
struct liaison_mailbox *handle_create(struct segment *s);

#endif
