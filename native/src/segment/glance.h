/* glance.h — one look at a link, for a listing. */
#ifndef LIAISON_GLANCE_H
#define LIAISON_GLANCE_H

#include "segment/segment.h"

/* A segment for one look, by the caller alone, at the header, the attachments, and if `counts` at
 * the ring, the cells, the waiters and the arena: the process's other threads do not find it. A
 * small one is copied, which costs a third of mapping it. segment_close() gives it up. */
int segment_glance(struct liaison_space *space, int file, const struct stat *st, bool counts,
                   struct segment **out);

#endif
