/* directory.h — a directory that is there whole or not at all.
 *
 * It is made under another name and renamed when it is complete, so that neither a race of makers
 * nor a death shows half of one; and renamed once more before anything in it is removed. Sweeping
 * removes what dead processes have left under such names. */
#ifndef LIAISON_DIRECTORY_H
#define LIAISON_DIRECTORY_H

#include <dirent.h>
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

/* What lies in a directory that is made; all of these work on its descriptor. `clear` also removes
 * what a `fill` that died has made, and nothing else; `empty`, all that was put in it since. */
struct content {
    int (*fill)(int fd, const struct shape *shape); /* 0 or a negative errno */
    void (*clear)(int fd);
    void (*empty)(int fd);
};
extern const struct content directory_empty;

/* Opens `name` under `parent`, following no link. Result: a descriptor, or a negative errno,
 * -EACCES when it is not of this shape. */
int directory_open(int parent, const char *name, const struct shape *shape);

/* Makes it; `parent` is one that is trusted. Result: 0 or a negative errno, -EEXIST when there is
 * one. */
int directory_make(int parent, const char *name, const struct shape *shape,
                   const struct content *content);

/* Removes the directory of `fd`, if `name` still leads to it: first renames it, then empties it.
 * Result: 0; -ENOENT, it has another name or none; -EBUSY, another process is doing this, and does
 * not finish; -ENOTEMPTY, it does not have its name any more, but there is something in it that is
 * not its content; or another negative errno. */
int directory_remove(int parent, const char *name, int fd, const struct content *content);

/* Removes what this user's makers and removers left in `parent` when they died. */
void directory_sweep(int parent, const struct content *content);

/* Its entries, by a descriptor of the listing's own; NULL where they cannot be read. */
DIR *directory_list(int fd);
/* Removes all files in it, but no directories. */
void directory_remove_files(int fd);

#endif
