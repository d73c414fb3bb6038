/* nameless.h — segments without a name: a pipe's memory, and the second half of a named pipe's
 * file. */
#ifndef LIAISON_NAMELESS_H
#define LIAISON_NAMELESS_H

#include "segment/segment.h"

/* Makes a segment that has no name and never gets one; `file` is its descriptor, the segment's. */
int segment_create_nameless(struct liaison_space *space, const struct liaison_policy *policy,
                            const struct stat *token, struct segment **out);
/* Maps and attaches the nameless segment whose descriptor this is, which stays the caller's. */
int segment_adopt(struct liaison_space *space, int file, struct segment **out);
/* Maps and attaches the second half of a named pipe's file. LIAISON_NOT_FOUND: the name leads
 * elsewhere by now. */
int segment_open_back(struct segment *first, struct segment **out);

#endif
