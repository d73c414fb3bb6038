/* geometry.h — a segment's layout, and the link's properties: written once, checked before use.
 */
#ifndef LIAISON_GEOMETRY_H
#define LIAISON_GEOMETRY_H

#include "segment/kind.h"

/* The geometry for a policy. LIAISON_INVALID: its values do not go together. */
int geometry_of(const struct liaison_policy *policy, const char *name, struct geometry *g);
/* Fills in everything that follows from the given values. The same function lays out a new segment
 * and checks an old one. */
int geometry_plan(struct geometry *g);
/* Everything that an attacher relies on later, of a file of so many bytes, checked once. */
int geometry_check(const struct header *h, uint64_t size);
/* Against accidents. The checks of every value are against malice. */
uint64_t geometry_checksum(const struct geometry *g);
/* Of the file: a named pipe is two segments, one behind the other. */
uint64_t geometry_file_size(const struct geometry *g);

static inline uint64_t round_up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }
/* Bytes of the arena's index. */
uint64_t geometry_index_size(const struct geometry *g);

/* Whether it satisfies the policy. */
bool segment_fits(const struct liaison_policy *p, const struct geometry *g);
/* The permanent name. */
void segment_id(const struct geometry *g, char text[40]);

#endif
