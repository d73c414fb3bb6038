/* opening.h — making a link of a name, and finding one.
 *
 * A segment is built without a name, complete, and then given one: no reader sees half of one, of
 * racing creators exactly one wins, and one that dies half-way leaves nothing that is in use. */
#ifndef LIAISON_OPENING_H
#define LIAISON_OPENING_H

#include "segment/segment.h"

int segment_create(struct liaison_space *space, const char *name,
                   const struct liaison_policy *policy, struct segment **out);
/* Maps the link and, if `attach`, takes this process's place on it. */
int segment_open(struct liaison_space *space, const char *name, const struct liaison_policy *policy,
                 bool attach, struct segment **out);
/* As segment_map() does, what has this name in the directory `names`. LIAISON_NOT_FOUND also where
 * looking showed that it is over, which takes its names away. */
int segment_find(struct liaison_space *space, int names, const char *name, struct segment **out,
                 struct stat *st);

#endif
