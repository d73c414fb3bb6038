/* directory.h — a directory that is there whole or not at all.
 *
 * It is made under another name and renamed when it is complete, so that neither racing makers nor
 * dying ones show half of one. What a dead maker leaves under the other name is removed by whoever
 * sweeps. */
#ifndef LIAISON_DIRECTORY_H
#define LIAISON_DIRECTORY_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

/* What a directory has to be. */
struct shape {
    uid_t owner;
    mode_t mode;
    gid_t group; /* -1: any */
};
bool directory_fits(const struct stat *status, const struct shape *shape);

/* Whether nobody but root, this user and `owner` can rename what is theirs in this directory. In
 * any other, somebody could put another directory in the place of one that was just made. */
bool directory_trusted(const struct stat *status, uid_t owner);

/* What lies in a directory that is made; both work on its descriptor. `clear` also removes what a
 * `fill` that died has made, and nothing else. */
struct content {
    int (*fill)(int fd, const struct shape *shape); /* 0 or a negative errno */
    void (*clear)(int fd);
};
extern const struct content directory_empty;

/* Opens `name` under `parent`, following nothing. Result: a descriptor, or a negative errno,
 * -EACCES when it is not of this shape. */
int directory_open(int parent, const char *name, const struct shape *shape);

/* Makes it; `parent` is one that is trusted. Result: 0 or a negative errno, -EEXIST when there is
 * one. */
int directory_make(int parent, const char *name, const struct shape *shape,
                   const struct content *content);

/* Removes what this user's makers left in `parent` when they died. */
void directory_sweep(int parent, const struct content *content);

#endif
