/* pipe.h — links that end with one of their sides.
 *
 * A pipe without a name: who still has an end of it, the kernel alone knows, across fork, exec
 * and kill. So an ordinary pipe lies beside the memory, as a token through which nothing is ever
 * written: writers hold its writing end, readers its reading end, and poll() tells each when the
 * last of the others is gone. Messages go through the ring. Rejected: identities of members, as a
 * port has them, because a child that has an end and has not used it yet is nobody's member.
 *
 * A named pipe: two segments in one file, a way each. The creator sends on the first, who comes
 * second on the other; the identities of both are written down, as a port's receiver's is.
 *
 * Whoever notices the end of a side says so in the link's state, once, and wakes the others.
 */
#ifndef LIAISON_PIPE_H
#define LIAISON_PIPE_H

#include "links/handle.h"

/* Looks whether the sides are still there. */
void pipe_look(struct segment *s);

/* Whether an end was closed since this process looked last. */
static inline bool pipe_news(struct segment *s)
{
    return look32(&s->header->closings) != glance32(&s->closings_seen);
}

/* Whether the other way of a named pipe is known to be over, and this one is not yet. */
static inline bool pipe_over(const struct segment *s)
{
    return s->first && look32(&s->header->state) == LINK_LIVE &&
           look32(&s->first->header->state) != LINK_LIVE;
}

/* Whether the handle, in this very process, is an end for this role. Asked before a place on the
 * link is taken, which of a named pipe a forked child must not. */
bool pipe_admits(const liaison_mailbox *m, enum waiter_role role);

/* Whether somebody else has a message that may come back. */
bool pipe_pending(struct segment *s);

/* Has the epoll descriptor become readable when the other side is gone, where the token tells.
 * With the process lock held. */
void pipe_tell(struct segment *s, enum waiter_role role, int epoll);

/* Gives the handle's end up. */
void pipe_end(struct liaison_mailbox *m);

/* Closes the segment's descriptors, with nobody left who uses them. */
void pipe_let_go(struct segment *s);

#endif
