/* table.h — the members file: its bytes, and checking that it is still the same file.
 *
 *   0       preamble, and shared words   struct members_page
 *   64 KiB  records     256 x MEMBERS     read and written by system calls: they are looked at
 *                                         seldom, and so their pages need no reserving
 *           boards     1024 x MEMBERS     of a member; reserved before it is one
 *
 * Locks on its bytes show which processes live, and locks belong to the inode. So a process that
 * finds another file under its name, even a copy, would take the living for dead. Therefore each
 * segment records by which table its users are known, the file records at which inode it was made,
 * and a space checks that it is still the same file. A file that is longer than it should be does
 * no harm; one that is shorter has lost its content.
 *
 * Each part begins where a page does, of 64 KiB too.
 */
#ifndef LIAISON_TABLE_H
#define LIAISON_TABLE_H

#include "space/place.h"

#define MEMBERS 4096u
#define MEMBERS_NAME "members"
/* Bytes that each member has for its boards; see board.h. */
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

/* Stands where `comings` was counted: no process can begin to use the space any more, and any that
 * finds its directory removes that. The lower half goes on counting, for newcomers that fail. */
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

/* Makes the file, whole or not at all, in a space's directory; it has the directory's group.
 * -EEXIST when there is one; another negative errno. */
int table_create(int directory, mode_t mode);

/* Finds the space's table, and makes one if it was removed: then links of the previous one are
 * foreign, see segment_open. `directory` is the space's. LIAISON_FOREIGN: the file is not a table,
 * or was made elsewhere; LIAISON_DESTROYED: the space was removed, and only its directory is left.
 * If the directory itself is gone, opening it by its path shows that: space_directory(). */
int table_find(struct liaison_space *space, int directory);

/* Opens it. LIAISON_NOT_FOUND: the space is gone. LIAISON_FOREIGN: the table is gone, or
 * another. */
int table_open(struct liaison_space *space, int *fd);

/* Maps a part of it, which no child inherits. 0 or a negative errno. */
int table_map(int fd, int protection, off_t at, size_t size, void **part);

/* Whether the content of an open one is still that of the space's table. */
bool table_intact(const struct liaison_space *space, int fd);

/* Whether the space cannot be used any more, which never changes back. LIAISON_FOREIGN: the table
 * was removed, replaced or damaged since the space was opened: newcomers are known by another one,
 * and it is unknown which processes live. LIAISON_NOT_FOUND: the space was removed. Looks at most
 * once in a second. */
int table_lost(struct liaison_space *space);

#endif
