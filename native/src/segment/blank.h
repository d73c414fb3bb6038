/* blank.h — the content of a new segment's file: a header, and memory that is reserved. */
#ifndef LIAISON_BLANK_H
#define LIAISON_BLANK_H

#include "segment/geometry.h"
#include "space/space.h"

/* A new segment's header, without its checksum. */
int blank_header(struct liaison_space *space, const char *name, const struct liaison_policy *policy,
                 struct header *h);
/* Gives the file its mode, its size and its content. 0 or a negative errno. */
int blank_fill(int fd, const struct header *h, mode_t mode);

#endif
