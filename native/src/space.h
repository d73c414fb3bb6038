/* space.h — a directory of links, and the table of the processes that use them. */
#ifndef LIAISON_SPACE_H
#define LIAISON_SPACE_H

#include <limits.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "liaison.h"
#include "order.h"

struct members_page;
struct board;

struct liaison_space {
    struct liaison_space *next; /* process table; guarded by process_lock */
    int references;             /* likewise */
    char path[PATH_MAX];
    dev_t device;
    ino_t inode;
    uid_t owner;
    gid_t group;
    mode_t file_mode; /* 0600, or 0660 in a group's space */
    /* This process as a member: valid while `epoch` is the process's own. */
    word64 epoch;
    word64 identity;
    void *lock; /* the mapping that holds the member's lock; never touched */
    struct members_page *page;
    struct board *boards;  /* of all members */
    uint32_t boards_taken; /* of this process's own, a bit each; guarded by process_lock */
    word32 page_broken;    /* the file was cut off, and the page is now ours alone */
    _Atomic int probe;     /* descriptor for looking at other members' locks */
};

/* A name that may become a file: the grammar of addresses. */
bool name_valid(const char *name);
/* The same, or such a name behind a tilde: no user can say it, and no list shows it. Links that
 * are part of another one have such names. */
bool name_of_link_valid(const char *name);

/* Opens the space's directory anew and checks that it is still the same one. No
 * descriptor is kept: a process that daemonises closes all, and their numbers then mean
 * other files. Result: a descriptor, -ENOENT when the directory is gone or another, or
 * another negative errno. */
int space_directory(const struct liaison_space *space);

/* Opens a file below the space's directory, following nothing. LIAISON_DENIED when it is
 * not a plain file with the owner and mode that the space's files have. */
int space_file(const struct liaison_space *space, int directory, const char *path, int flags,
               int *fd, struct stat *status);

/* Another hold on the same space. */
struct liaison_space *space_hold(struct liaison_space *space);

/* A negative errno as a result: what users can meet becomes a condition. */
int space_result(int negative_errno);

#endif
