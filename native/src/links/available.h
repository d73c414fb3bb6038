/* available.h — whether there is something to receive. */
#ifndef LIAISON_AVAILABLE_H
#define LIAISON_AVAILABLE_H

#include "links/handle.h"

/* Whether a receive would not have to wait. LIAISON_EMPTY: it would. Any other result is what it
 * would return. Cheap: looks for no dead process, and arms nothing. */
int mailbox_receivable(liaison_mailbox *mailbox);

/* The checks before that. A port's receiver may take what is left when its senders have ended.
 */
int mailbox_may_take(const liaison_mailbox *mailbox, uint64_t epoch);
/* Whether there is something to receive: a message, or a refusal. */
bool mailbox_has_message(liaison_mailbox *mailbox);
/* Whether a receive that finds nothing would return that nothing will come. */
bool mailbox_over(struct segment *s);

/* Whether the senders have ended, so that the ring holds all messages that will ever come. */
bool mailbox_nothing_more_comes(struct segment *s);
/* Of a pipe: whether a message that another process took may still come back. */
bool mailbox_may_come_back(struct segment *s);

#endif
