/* space.h — a directory of links, and the processes that use them, as this process has it open. */
#ifndef LIAISON_SPACE_H
#define LIAISON_SPACE_H

#include "space/names.h"
#include "space/place.h"

/* Another hold on the same space, by a user of it. When the last one is released the descriptors
 * are closed, and everything is unmapped except what shows that this process lives: the space then
 * costs one mapping, and links that the process has made still have a living creator. */
struct liaison_space *space_hold(struct liaison_space *space);
void space_release(struct liaison_space *space);

/* What removing a space needs open. It is opened before the removal is decided: so a lack of
 * descriptors leaves nothing half done. */
#define SPACE_SPARES 3u
struct space_way {
    int parent, top;
    int spare[SPACE_SPARES]; /* as many as emptying opens at a time; closed before that */
};
int space_way_open(struct liaison_space *space, struct space_way *way);
void space_way_close(struct space_way *way);

/* Renames a space that was removed (removal.h), and removes all that is in it. LIAISON_OK also if
 * another process does so; -ENOTEMPTY: it was renamed, but there is something in it that cannot be
 * removed. */
int space_remove(struct liaison_space *space, struct space_way *way);
/* The same for a space that cannot be opened, because its users are unknown. */
int space_remove_ruin(const char *root, uid_t owner, const char *name);

/* Removes what dead makers and removers of this user's spaces have left. */
void space_sweep(const struct liaison_space *space);

#endif
