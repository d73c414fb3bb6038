/* member.h — which processes are alive.
 *
 * A member holds an open-file-description lock on one byte of the space's members file, through
 * nothing but a mapping: the descriptor is closed, MADV_DONTFORK keeps the mapping from children.
 * So the kernel frees the lock exactly when the address space goes: on exit, on SIGKILL (also while
 * a zombie), on exec; and not when descriptors are closed, when the process is stopped, or when its
 * main thread ends. It is seen across pid namespaces. Rejected, each for a case it gets wrong: pids
 * and start times (reuse, namespaces), heartbeats (stopped is not dead), robust mutexes
 * (namespaces), POSIX locks (gone when any descriptor of the file is closed), plain OFD locks (kept
 * by a child).
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

/* False only if the member is certainly dead; it counts as alive if there is an error, or the
 * members file has been replaced. */
bool member_alive(struct liaison_space *space, uint64_t identity);

/* Prepares what checking for dead processes needs, until the space rests. Without it every process
 * counts as alive, so call this before looking for the dead. */
int member_prepare(struct liaison_space *space);

/* The same; the result is the reason if it is unknown: LIAISON_FOREIGN or LIAISON_NOT_FOUND
 * (table_open), or another. */
int member_look(struct liaison_space *space, uint64_t identity, bool *alive);

/* What is known about a member; `pid` is its pid if the caller knows it, or 0. Results of
 * member_look; fields that are unknown are then not filled in. */
int member_peer(struct liaison_space *space, uint64_t identity, int32_t pid,
                struct liaison_peer *peer);

/* The same from a member's number and the pid it had, where no more was kept. */
void member_peer_numbered(struct liaison_space *space, uint32_t number, int32_t pid,
                          struct liaison_peer *peer);

/* See liaison_space_members; with `using` only those that use the space. */
int members_list(struct liaison_space *space, bool using, struct liaison_peer *peers, size_t max,
                 size_t *count);

/* Writes what this member is called. */
int member_introduce(struct liaison_space *space, const char *name);

/* The pid that this process has in its own namespace. */
int32_t member_pid(void);

/* A permit to spin: in the whole space at most one core fewer than the machine has may spin at a
 * time. A permit of a dead process is taken over. Result: its index, or -1. */
int member_spin_begin(struct liaison_space *space);
void member_spin_end(struct liaison_space *space, int permit);

/* With the process lock held. Rests: keeps the membership, and no more than that. Leaves: gives it
 * up. */
void member_rest(struct liaison_space *space);
void member_leave(struct liaison_space *space);

#endif
