/* inspection.h — looking at a link without taking part in it. */
#ifndef LIAISON_INSPECTION_H
#define LIAISON_INSPECTION_H

#include "segment/segment.h"

/* Counts what is in it, also for who has only glanced at it; see liaison_mailbox_statistics(). */
int inspection_count(struct segment *s, struct liaison_statistics *out);

#endif
