/* mapping.h — the segments that this process has mapped.
 *
 * They are found by their files' inodes: all handles of a process share a mapping, and with it an
 * attachment. No descriptor of a segment with a name is kept. */
#ifndef LIAISON_MAPPING_H
#define LIAISON_MAPPING_H

#include "segment/segment.h"

/* The header of the segment that begins a file, checked. */
int mapping_read_header(int file, const struct stat *st, struct header *h);

/* A segment that is not mapped yet; NULL: out of memory. */
struct segment *mapping_begin(struct liaison_space *space, const struct stat *st,
                              const struct geometry *g);
/* Undoes that. */
void mapping_end(struct segment *s);

/* Maps the segment `at` this offset of the file, for the caller alone. */
int mapping_make(struct liaison_space *space, int fd, const struct stat *st,
                 const struct geometry *g, uint64_t at, struct segment **out);
/* Lets this process's other threads find it. */
void mapping_enlist(struct segment *s);
/* The same; gives another thread's segment if that was faster. */
struct segment *mapping_enlist_or_find(struct segment *s);
/* The segment if it is mapped already, or its way `back`, with another reference for the caller; or
 * NULL. */
struct segment *mapping_find(const struct stat *st, bool back);

/* Maps the file, which stays the caller's, without taking a place on the link. */
int segment_map(struct liaison_space *space, int file, const struct stat *st, struct segment **out);
void segment_close(struct segment *s);
/* Whether this process is attached to a link of the space, and the name of one of them. */
bool segment_in_use(const struct liaison_space *space, char name[LIAISON_NAME_MAX + 4]);

#endif
