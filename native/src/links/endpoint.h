/* endpoint.h — a process's own name.
 *
 * An endpoint is a link that one process at a time is: it has the link's turn, from its claim until
 * the handle is closed or it dies. What is sent to it lies in links of their own, one for each
 * sender; its own messages are introductions, each the id of a new sender. Nothing is lost where
 * they have no room: then there are some that it has not seen, and who has seen as many as there
 * is room for looks for links itself.
 */
#ifndef LIAISON_ENDPOINT_H
#define LIAISON_ENDPOINT_H

#include "links/handle.h"

/* Gives the name up, if this handle's process has it. */
void endpoint_leave(struct liaison_mailbox *m);

#endif
