/* member.h — who is alive.
 *
 * A member holds an open-file-description lock on one byte of the space's members file,
 * through nothing but a mapping: the descriptor is closed, MADV_DONTFORK keeps the mapping
 * from children. The kernel then frees the lock at the very moment the address space goes:
 * on exit, on SIGKILL (also while a zombie), on exec; and not when descriptors are closed,
 * when the process is stopped, or when its main thread ends. It is seen across pid
 * namespaces. Rejected, each for a case it gets wrong: pids and start times (reuse,
 * namespaces), heartbeats (stopped is not dead), robust mutexes (namespaces), POSIX locks
 * (gone when any descriptor of the file is closed), plain OFD locks (kept by a child).
 *
 * identity = generation << 16 | number + 1. A number is reused, an identity never.
 */
#ifndef LIAISON_MEMBER_H
#define LIAISON_MEMBER_H

#include "space/table.h"

static inline uint32_t identity_number(uint64_t identity)
{
    return (uint32_t)(identity & 0xffff) - 1;
}
static inline uint64_t identity_generation(uint64_t identity) { return identity >> 16; }

/* This process's identity in the space, registering it at first use, and again in a
 * forked child; from then on its boards are mapped, until it rests. LIAISON_EXHAUSTED when all
 * numbers are living processes'. */
int member_identity(struct liaison_space *space, uint64_t *identity);

/* False only when the member is certainly dead; an error counts as alive, and so does whoever is
 * looked for in a file that is another's by now. */
bool member_alive(struct liaison_space *space, uint64_t identity);

/* Has ready what it takes to see who lives, until the space rests. Who cannot see that takes
 * everybody for alive, and so whoever looks for the dead asks first. */
int member_prepare(struct liaison_space *space);

/* The same, with the reason for which nobody could tell as the result: LIAISON_FOREIGN or
 * LIAISON_NOT_FOUND (table_open), or another. */
int member_look(struct liaison_space *space, uint64_t identity, bool *alive);

/* What is known about a member; `pid` is what the caller noted of it, or 0. Results of member_look;
 * what was not found out is then not filled in. */
int member_peer(struct liaison_space *space, uint64_t identity, int32_t pid,
                struct liaison_peer *peer);

/* The same from a member's number and the pid it had, where no more was kept. */
void member_peer_numbered(struct liaison_space *space, uint32_t number, int32_t pid,
                          struct liaison_peer *peer);

/* See liaison_space_members; those alone that are `using` the space, where that is said. */
int members_list(struct liaison_space *space, bool using, struct liaison_peer *peers, size_t max,
                 size_t *count);

/* Writes what this member is called. */
int member_introduce(struct liaison_space *space, const char *name);

/* The pid that this process has in its own namespace. */
int32_t member_pid(void);

/* A permit to spin: at most one core fewer than there are may be spent on it at a time in
 * the whole space. A permit of a dead process is taken over. Result: its index, or -1. */
int member_spin_begin(struct liaison_space *space);
void member_spin_end(struct liaison_space *space, int permit);

/* With the process lock held. Rests: keeps the membership, and no more than that. Leaves: gives it
 * up. */
void member_rest(struct liaison_space *space);
void member_leave(struct liaison_space *space);

#endif
