/* table.h — the members file: the bytes of it, and seeing that it is the one that it was.
 *
 *   0       preamble, and shared words   struct members_page
 *   64 KiB  records     256 x MEMBERS     read and written by system calls: they are looked at
 *                                         seldom, and so their pages need no reserving
 *           boards     1024 x MEMBERS     of a member; reserved before it is one
 *
 * Who lives, the locks on its bytes tell, and locks are the inode's. So whoever has another file
 * under its name, a copy of it too, takes the living for dead. Therefore each segment says by which
 * table its users are known, the file itself at which inode it was made, and a space that it is the
 * same file still. One that is longer than it should be is as good as before; one that is shorter
 * has lost what was in it.
 *
 * Each part begins where a page does, of 64 KiB too.
 */
#ifndef LIAISON_TABLE_H
#define LIAISON_TABLE_H

#include "space/place.h"

#define MEMBERS 4096u
#define MEMBERS_NAME "members"
/* Bytes that each member has for its boards; drawn in board.h. */
#define BOARDS_OF_MEMBER 1024u

#define TABLE_MAGIC UINT64_C(0x314d454d4941494c) /* "LIAIMEM1", little endian */
#define TABLE_VERSION 2u
#define TABLE_ALIGNMENT 65536

/* Written before the file has a name, and never again. */
struct preamble {
    uint64_t magic;
    uint32_t version;
    uint32_t members;
    uint64_t id[2]; /* random */
    uint64_t inode; /* its own: a copy has another */
};

/* In the place of how often a process came: none can any more, and whoever finds the space's
 * directory takes it away. The lower half counts on, for those who come in vain. */
#define SPACE_REMOVED UINT64_C(0x4d45523a00000000)
static inline bool table_is_removed(uint64_t comings)
{
    return comings >> 32 == SPACE_REMOVED >> 32;
}

#define PERMITS 64
struct members_page {
    struct preamble preamble;
    word64 comings; /* how often a process came to use the space, or SPACE_REMOVED: removal.h */
    _Alignas(128) word64 spinners[PERMITS]; /* identity of who may spin now, or 0 */
};
_Static_assert(sizeof(struct members_page) <= 4096, "one page");

struct record {
    uint64_t generation; /* written by the holder of the claim only */
    int32_t pid;
    uint32_t spare;
    double started;
    char name[LIAISON_NAME_MAX + 4];
    char command[128];
};
_Static_assert(sizeof(struct record) == 256, "drawn");
#define RECORD_AT(n) (TABLE_ALIGNMENT + (off_t)(n) * (off_t)sizeof(struct record))
#define BOARDS_AT RECORD_AT(MEMBERS)
#define BOARDS_SIZE ((size_t)MEMBERS * BOARDS_OF_MEMBER)
#define TABLE_SIZE (BOARDS_AT + (off_t)BOARDS_SIZE)
_Static_assert(BOARDS_AT % TABLE_ALIGNMENT == 0, "mapped");

/* Makes the file, whole or not at all, in a space's directory; its group is the directory's.
 * -EEXIST when there is one; another negative errno. */
int table_create(int directory, mode_t mode);

/* Learns which the space's table is, making one where somebody removed it: links of the one before
 * are strangers' then, see segment_open. `directory` is the space's. LIAISON_FOREIGN where there
 * is a file that is no table, or no longer one of this place; LIAISON_DESTROYED where the space was
 * removed, but for its directory. One whose directory has no name any more is found to be gone when
 * that is opened by its path: space_directory(). */
int table_find(struct liaison_space *space, int directory);

/* Opens it. LIAISON_NOT_FOUND: the space is gone. LIAISON_FOREIGN: the table is, or is another. */
int table_open(struct liaison_space *space, int *fd);

/* Maps a part of it, which no child inherits. 0 or a negative errno. */
int table_map(int fd, int protection, off_t at, size_t size, void **part);

/* Whether an open one still says that it is the space's. */
bool table_intact(const struct liaison_space *space, int fd);

/* Whether the space is of no use any more. LIAISON_FOREIGN: the table was removed, replaced or
 * damaged since the space was opened: whoever comes is known by another one, and nobody can tell
 * who lives. LIAISON_NOT_FOUND: the space was removed. For good. Looks at most once in a second. */
int table_lost(struct liaison_space *space);

#endif
