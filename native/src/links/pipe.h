/* pipe.h — links that end with one of their sides.
 *
 * A pipe without a name: only the kernel knows which processes still have an end, across fork, exec
 * and kill. So an ordinary pipe lies beside the memory, as a token through which nothing is ever
 * written: writers hold its writing end, readers its reading end, and poll() shows each side when
 * the last of the other is gone. Messages go through the ring. Rejected: identities of members, as
 * a port has them, because a child that has an end and has not used it yet is no member.
 *
 * A named pipe: two segments in one file, a way each. The creator sends on the first, the second
 * side on the other; the identities of both are recorded, as a port's receiver's is.
 *
 * The process that notices the end of a side changes the link's state, once, and wakes the others.
 */
#ifndef LIAISON_PIPE_H
#define LIAISON_PIPE_H

#include "links/handle.h"

static inline bool is_pipe(const struct segment *s)
{
    return s->geometry.kind == LIAISON_KIND_PIPE || s->geometry.kind == LIAISON_KIND_NAMED_PIPE;
}

/* Whether the handle, in this very process, is an end for this role. Asked before attaching,
 * because a forked child must not attach to its parent's named pipe. */
bool pipe_admits(const liaison_mailbox *m, enum waiter_role role);

/* Whether another process has a message that may come back. */
bool pipe_pending(struct segment *s);

/* Makes the epoll descriptor readable when the other side is gone, by the token. With the process
 * lock held. Result: LIAISON_OK or a negative errno. */
int pipe_tell(struct segment *s, enum waiter_role role, int epoll);

#endif
