/* space.h — a directory of links, and the processes that use them, as this process has it open. */
#ifndef LIAISON_SPACE_H
#define LIAISON_SPACE_H

#include "space/names.h"
#include "space/place.h"

/* Another hold on the same space, of one that uses it. With the last the descriptors are closed and
 * all is unmapped but what shows that this process lives: the space then costs one mapping, and
 * links that it has made are still those of a living process. */
struct liaison_space *space_hold(struct liaison_space *space);
void space_release(struct liaison_space *space);

/* What removing a space needs open. Whoever decides that it is removed has this first: then for
 * want of a descriptor nothing is left half done. */
#define SPACE_SPARES 3u
struct space_way {
    int parent, top;
    int spare[SPACE_SPARES]; /* as many as emptying it opens at a time; closed for that */
};
int space_way_open(struct liaison_space *space, struct space_way *way);
void space_way_close(struct space_way *way);

/* Takes a space that nobody can use any more (removal.h) out of the way, and removes all that is in
 * it. LIAISON_OK also where another process does so; -ENOTEMPTY: it is out of the way, but there is
 * something in it that cannot be removed. */
int space_remove(struct liaison_space *space, struct space_way *way);
/* The same with one that cannot be opened, since nobody can tell who uses it. */
int space_remove_ruin(const char *root, uid_t owner, const char *name);

/* Removes what makers and removers of this user's spaces left when they died. */
void space_sweep(const struct liaison_space *space);

#endif
