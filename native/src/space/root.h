/* root.h — the directory in which a user's spaces are. */
#ifndef LIAISON_ROOT_H
#define LIAISON_ROOT_H

#include "space/directory.h"

/* Whether the spaces there are open to groups. */
bool root_is_shared(const char *root);

/* Opens it, or makes it. Result: a descriptor or a negative errno. */
int root_open(const char *root, uid_t owner, bool create);

/* Opens `name` under `parent`, or makes it with its content. */
int root_open_or_make(int parent, const char *name, const struct shape *shape, bool create,
                      const struct content *content);

/* Removes what dead makers of this user's spaces have left there. */
void root_sweep(const char *root, uid_t owner, const struct content *space);

#endif
