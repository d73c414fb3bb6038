/* inspection.h — looking at a link without taking part in it. */
#ifndef LIAISON_INSPECTION_H
#define LIAISON_INSPECTION_H

#include "segment/segment.h"

/* Counts what is in it, also for a segment of segment_glance(); see
 * liaison_mailbox_statistics(). */
int inspection_count(struct segment *s, struct liaison_statistics *out);

#endif
