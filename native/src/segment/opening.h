/* opening.h — making a segment, finding and mapping one, and giving it up.
 *
 * A segment is built without a name, complete, and then given one: no reader sees half of one, of
 * racing creators exactly one wins, and one that dies half-way leaves nothing that is in use. All
 * handles of a process share a mapping and an attachment. No descriptor of a segment with a name is
 * kept. */
#ifndef LIAISON_OPENING_H
#define LIAISON_OPENING_H

#include "segment/segment.h"

int segment_create(struct liaison_space *space, const char *name,
                   const struct liaison_policy *policy, struct segment **out);
/* Maps the link and, if `attach`, takes this process's place on it. */
int segment_open(struct liaison_space *space, const char *name, const struct liaison_policy *policy,
                 bool attach, struct segment **out);
/* Maps the file, which stays the caller's, without taking a place on the link. */
int segment_map(struct liaison_space *space, int file, const struct stat *st, struct segment **out);
/* For one look by the caller alone, at the header, the attachments, and if `counts` at the ring,
 * the cells, who waits and the arena: the process's other threads do not find it. Where that is
 * little it is copied, which costs a third of mapping it. */
int segment_glance(struct liaison_space *space, int file, const struct stat *st, bool counts,
                   struct segment **out);
/* As segment_map() does, what has this name in the directory `names`. LIAISON_NOT_FOUND also where
 * looking showed that it is over, which takes its names away. */
int segment_find(struct liaison_space *space, int names, const char *name, struct segment **out,
                 struct stat *st);
void segment_close(struct segment *s);
/* Whether this process takes part in a link of the space, and what one such is called. */
bool segment_in_use(const struct liaison_space *space, char name[LIAISON_NAME_MAX + 4]);
/* Makes a segment that has no name and never gets one; `file` is its descriptor, the segment's. */
int segment_create_nameless(struct liaison_space *space, const struct liaison_policy *policy,
                            const struct stat *token, struct segment **out);
/* Maps and attaches the nameless segment whose descriptor this is, which stays the caller's. */
int segment_adopt(struct liaison_space *space, int file, struct segment **out);
/* Maps and attaches the second half of a named pipe's file. LIAISON_NOT_FOUND: the name leads
 * elsewhere by now. */
int segment_open_back(struct segment *first, struct segment **out);

#endif
