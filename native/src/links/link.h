/* link.h — what all links have in common: a ring of messages, and senders and receivers that wait.
 */
#ifndef LIAISON_LINK_H
#define LIAISON_LINK_H

#include "segment/segment.h"

#define LINK_CAPACITY 1024u /* by default, of most kinds */

extern const struct repair link_repair;

#endif
