/* fileno.h — a link's descriptors, for waiting in an event loop. */
#ifndef LIAISON_FILENO_H
#define LIAISON_FILENO_H

#include "links/handle.h"

/* Nothing was found: arms the receivers' descriptor anew, if there is one. */
void readiness_rearm(liaison_mailbox *mailbox);

#endif
