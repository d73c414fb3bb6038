/* available.h — whether there is something to receive. */
#ifndef LIAISON_AVAILABLE_H
#define LIAISON_AVAILABLE_H

#include "links/handle.h"

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

/* Whether the senders have ended, and what lies in the ring is all there will be. */
bool mailbox_nothing_more_comes(struct segment *s);
/* Of a pipe: whether a message that somebody else took may yet be for us. */
bool mailbox_may_come_back(struct segment *s);

#endif
