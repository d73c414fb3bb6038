/* opening.h — creating a link under a name, and finding one.
 *
 * A segment is built without a name, complete, and then given one: no reader sees half of one,
 * exactly one of several racing creators succeeds, and one that dies half-way leaves nothing that
 * is in use. */
#ifndef LIAISON_OPENING_H
#define LIAISON_OPENING_H

#include "segment/segment.h"

int segment_create(struct liaison_space *space, const char *name,
                   const struct liaison_policy *policy, struct segment **out);
/* Maps the link and, if `attach`, attaches this process. */
int segment_open(struct liaison_space *space, const char *name, const struct liaison_policy *policy,
                 bool attach, struct segment **out);
/* segment_map() for the file of this name in the directory `names`. LIAISON_NOT_FOUND also for a
 * link that is over, whose names it then removes. */
int segment_find(struct liaison_space *space, int names, const char *name, struct segment **out,
                 struct stat *st);

#endif
