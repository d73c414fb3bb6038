/* place.h — a space in the file system: opening its parts, and checking that they are its own. */
#ifndef LIAISON_PLACE_H
#define LIAISON_PLACE_H

#include <limits.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/descriptor.h"
#include "base/order.h"
#include "liaison.h"
#include "space/directory.h"

struct members_page;
struct board;

/* The directories that a space consists of. */
enum space_part {
    SPACE_TOP,
    SPACE_LINKS = LIAISON_SPACE_LINKS,
    SPACE_NAMES = LIAISON_SPACE_NAMES,
    SPACE_BELLS = LIAISON_SPACE_BELLS,
    SPACE_PARTS
};

struct liaison_space {
    struct liaison_space *next;  /* process table; guarded by process_lock */
    int references;              /* likewise */
    int uses;                    /* likewise: of these, open links and looks */
    struct descriptor directory; /* open while there are uses */
    dev_t device;
    ino_t inodes[SPACE_PARTS];
    uid_t owner;
    gid_t group;
    mode_t mode;      /* of the directory */
    mode_t file_mode; /* 0600, or 0660 in a group's space */

    /* The members file; see member.h. */
    uint64_t table[2];       /* its random id */
    struct descriptor probe; /* for looking at other members' locks */
    word32 lost;             /* a result, not LIAISON_OK: table_lost() */
    word32 last_seen;        /* tick; when we last looked whether it was */
    /* This process as a member: valid while `enrolled` is the process's own epoch. */
    word64 enrolled;
    word64 identity;
    void *lock; /* the mapping that holds the member's lock; never touched */
    /* And what it needs while it uses links: valid while `epoch` is the process's own. */
    word64 epoch;
    struct members_page *page;
    struct board *boards;  /* of all members */
    uint32_t boards_taken; /* of this process's own, a bit each; guarded by process_lock */
    word32 page_broken;    /* the file was cut off, and the page is now ours alone */

    char path[];
};

/* A plain file of a space whose directory has this mode. */
mode_t place_file_mode(mode_t mode);

/* Opens the space, or makes it with the content `space`, checks each of its directories, and writes
 * which they are. Result: the descriptor of its directory, or a negative errno. */
int place_find(const char *root, uid_t owner, const char *name, bool create, int64_t gid,
               const struct content *space, struct stat st[SPACE_PARTS]);

/* The directories in a space that is made or removed; the former 0 or a negative errno. */
int place_make_parts(int fd, const struct shape *shape);
void place_remove_parts(int fd);
/* Opens one of them by its name, following no link. Result: a descriptor or a negative errno.
 */
int place_open_part(int fd, enum space_part part);

/* The space's own directory, kept open while the space is used: so neither a chroot nor a new mount
 * namespace changes where it is. Opened anew, by its path, if the program has closed it. Result:
 * its descriptor, which stays the space's; -ENOENT if it is gone or another, or another negative
 * errno. */
int space_directory(struct liaison_space *space);

/* Whether it still has its name: otherwise opening that name finds another, or none. */
bool space_stands(struct liaison_space *space);

/* Opens one of the space's directories anew and checks that it is still the same one: in a shared
 * space, a member that may rename a directory could put another in its place, or a symbolic link.
 * So what is in a directory is named by one component below a descriptor from here, and never by a
 * path. Result: a descriptor, -ENOENT if the directory is gone or another, or another negative
 * errno. */
int space_part(struct liaison_space *space, enum space_part part);

/* The two directories that hold the names of links. */
int space_links_and_names(struct liaison_space *space, int *links, int *names);

/* Opens a file in one of the space's directories, following no link. LIAISON_DENIED if it is not a
 * plain file with the owner and mode of the space's files. */
int space_file(const struct liaison_space *space, int directory, const char *name, int flags,
               int *fd, struct stat *status);

/* Makes a result of a negative errno: an error that users can handle becomes a condition. */
int space_result(int negative_errno);

#endif
